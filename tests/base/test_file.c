/* Whole files in and out: what is no regular file, short reads, and a writer of which every system call fails once. */
#include "base/file.h"
#include "base/memory.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static char *folder;

static void set_up(void) {
  folder = make_folder();
}

static void tear_down(void) {
  recsys__fail_file(0, 0);
  remove_folder(folder);
}

START_TEST(reads_a_file) {
  void *data;
  size_t size;
  recsys_error error;
  write_file(path_in(folder, "a"), "hello\0world", 11);
  ck_assert_int_eq(recsys__file_read(&data, &size, path_in(folder, "a"), 11, &error), RECSYS_OK);
  ck_assert_uint_eq(size, 11);
  ck_assert_mem_eq(data, "hello\0world", 11);
  recsys__free(data);
  ck_assert_int_eq(recsys__file_read(&data, &size, path_in(folder, "a"), 10, &error), RECSYS_ELIMIT);
  ck_assert(data == NULL && size == 0);
  ck_assert_ptr_nonnull(strstr(error.message, "11 bytes, the limit is 10"));
}
END_TEST

static void refuse(const char *path, recsys_status status, const char *part) {
  void *data = &data;
  size_t size = 9;
  int fd = 9;
  uint64_t length = 9;
  recsys_error error;
  ck_assert_int_eq(recsys__file_read(&data, &size, path, UINT64_MAX, &error), status);
  ck_assert(data == NULL && size == 0);
  ck_assert_msg(strstr(error.message, part) != NULL, "%s", error.message);
  if (strcmp(part, "empty") != 0 || path == NULL || *path == '\0') {
    ck_assert_int_eq(recsys__file_open(&fd, &length, path, NULL), status);
    ck_assert(fd == -1 && length == 0);
  }
}

START_TEST(refuses_what_is_no_file) {
  refuse(NULL, RECSYS_EINVAL, "path is empty");
  refuse("", RECSYS_EINVAL, "path is empty");
  refuse(path_in(folder, "missing"), RECSYS_ENOTFOUND, "No such file");
  refuse(folder, RECSYS_EFORMAT, "a folder");
  refuse("/dev/null", RECSYS_EFORMAT, "a device");
  ck_assert_int_eq(mkfifo(path_in(folder, "fifo"), 0600), 0);
  refuse(path_in(folder, "fifo"), RECSYS_EFORMAT, "a pipe"); /* and does not wait for a writer */
  write_file(path_in(folder, "empty"), "", 0);
  refuse(path_in(folder, "empty"), RECSYS_EFORMAT, "empty");
  refuse(path_in(folder, "empty/x"), RECSYS_EIO, "Not a directory");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
  ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  refuse(path_in(folder, "s"), RECSYS_EFORMAT, "a socket");
  close(fd);
}
END_TEST

/* A hole of 1 TiB: the limit stops it before memory is asked for. */
START_TEST(limit_comes_first) {
  const char *path = path_in(folder, "sparse");
  write_file(path, "x", 1);
  if (truncate(path, (off_t)1 << 40) != 0) {
    printf("skipped: no sparse files here\n");
    return;
  }
  void *data;
  size_t size;
  recsys_error error;
  recsys__fail_allocation(0, false);
  ck_assert_int_eq(recsys__file_read(&data, &size, path, 1 << 20, &error), RECSYS_ELIMIT);
  ck_assert_uint_eq(recsys__fail_allocation(0, false), 0);
}
END_TEST

START_TEST(every_call_of_reading_fails_once) {
  const char *path = path_in(folder, "a");
  void *data;
  size_t size;
  recsys_error error;
  write_file(path, "hello world", 11);
  recsys__fail_file(0, 0);
  ck_assert_int_eq(recsys__file_read(&data, &size, path, 100, &error), RECSYS_OK);
  recsys__free(data);
  size_t calls = recsys__fail_file(0, 0);
  ck_assert_uint_eq(calls, 2); /* open, read */
  for (size_t n = 1; n <= calls; n++) {
    recsys__fail_file(n, EIO);
    ck_assert_int_eq(recsys__file_read(&data, &size, path, 100, &error), RECSYS_EIO);
    ck_assert(data == NULL && size == 0 && error.detail == EIO);
  }
  static const int harmless[2] = {0, EINTR}; /* a short read, an interrupted one */
  for (int i = 0; i < 2; i++) {
    recsys__fail_file(2, harmless[i]);
    ck_assert_int_eq(recsys__file_read(&data, &size, path, 100, &error), RECSYS_OK);
    ck_assert_mem_eq(data, "hello world", 11);
    recsys__free(data);
    ck_assert_uint_eq(recsys__fail_file(0, 0), 3);
  }
  recsys__fail_allocation(1, false);
  ck_assert_int_eq(recsys__file_read(&data, &size, path, 100, &error), RECSYS_ENOMEM);
  recsys__fail_allocation(0, false);
}
END_TEST

START_TEST(reading_past_the_end) {
  int fd;
  uint64_t size;
  char buffer[32] = "";
  recsys_error error;
  write_file(path_in(folder, "a"), "0123456789", 10);
  ck_assert_int_eq(recsys__file_open(&fd, &size, path_in(folder, "a"), &error), RECSYS_OK);
  ck_assert_uint_eq(size, 10);
  ck_assert_int_eq(recsys__file_read_at(fd, buffer, 4, 3, "a", &error), RECSYS_OK);
  ck_assert_mem_eq(buffer, "3456", 4);
  ck_assert_int_eq(recsys__file_read_at(fd, buffer, 5, 6, "a", &error), RECSYS_EFORMAT);
  ck_assert_ptr_nonnull(strstr(error.message, "ends at byte 10"));
  ck_assert_int_eq(recsys__file_read_at(fd, buffer, 1, UINT64_MAX, "a", &error), RECSYS_EIO);
  ck_assert_int_eq(recsys__file_read_at(fd, buffer, 0, 50, "a", &error), RECSYS_OK);
  close(fd);
}
END_TEST

static recsys_status write_two(const char *path, recsys_error *error) {
  recsys__writer writer = {0};
  recsys_status status = recsys__writer_open(&writer, path, error);
  if (status == RECSYS_OK) {
    status = recsys__writer_write(&writer, "new ", 4, error);
  }
  if (status == RECSYS_OK) {
    status = recsys__writer_write(&writer, "content", 7, error);
  }
  if (status == RECSYS_OK) {
    status = recsys__writer_commit(&writer, error);
  }
  recsys__writer_close(&writer);
  recsys__writer_close(&writer);
  return status;
}

static void check_content(const char *path, const char *expected) {
  size_t n;
  char *data = read_file(path, &n);
  ck_assert_str_eq(data, expected);
  free(data);
}

START_TEST(writes_a_file) {
  recsys_error error;
  struct stat info;
  const char *path = path_in(folder, "out");
  mode_t before = umask(027);
  ck_assert_int_eq(write_two(path, &error), RECSYS_OK);
  ck_assert_int_eq(umask(before), 027);
  check_content(path, "new content");
  ck_assert_int_eq(stat(path, &info), 0);
  ck_assert_int_eq(info.st_mode & 07777, 0640);
  ck_assert_int_eq(count_files(folder), 1);
  write_file(path, "something older and longer", 26);
  ck_assert_int_eq(write_two(path, &error), RECSYS_OK);
  check_content(path, "new content");
  ck_assert_int_eq(count_files(folder), 1);
}
END_TEST

START_TEST(nothing_before_the_commit) {
  recsys_error error;
  recsys__writer writer = {0};
  const char *path = path_in(folder, "out");
  write_file(path, "old", 3);
  ck_assert_int_eq(recsys__writer_open(&writer, path, &error), RECSYS_OK);
  ck_assert_int_eq(recsys__writer_write(&writer, "new", 3, &error), RECSYS_OK);
  check_content(path, "old");
  ck_assert_int_eq(count_files(folder), 2);
  recsys__writer_close(&writer);
  check_content(path, "old");
  ck_assert_int_eq(count_files(folder), 1);
  recsys__writer unopened = {0};
  ck_assert_int_eq(recsys__writer_write(&unopened, "x", 1, &error), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__writer_commit(&unopened, &error), RECSYS_EINVAL);
  recsys__writer_close(&unopened);
}
END_TEST

START_TEST(names) {
  recsys_error error;
  char longest[256], cwd[1024];
  memset(longest, 'n', 255);
  longest[255] = '\0';
  ck_assert_int_eq(write_two(path_in(folder, longest), &error), RECSYS_OK); /* as long as a name can be */
  check_content(path_in(folder, longest), "new content");
  ck_assert_ptr_nonnull(getcwd(cwd, sizeof cwd));
  ck_assert_int_eq(chdir(folder), 0);
  ck_assert_int_eq(write_two("relative", &error), RECSYS_OK);
  check_content(path_in(folder, "relative"), "new content");
  ck_assert_int_eq(chdir(cwd), 0);
  ck_assert_int_eq(write_two(NULL, &error), RECSYS_EINVAL);
  ck_assert_int_eq(write_two("", &error), RECSYS_EINVAL);
  ck_assert_int_eq(write_two(folder, &error), RECSYS_EINVAL);
  ck_assert_int_eq(write_two("/dev/null", &error), RECSYS_EINVAL); /* as root, a rename would replace the device */
  ck_assert_int_eq(write_two(path_in(folder, "new/"), &error), RECSYS_EINVAL);
  ck_assert_int_eq(write_two(path_in(folder, "no/such"), &error), RECSYS_ENOTFOUND);
}
END_TEST

START_TEST(links_are_followed) {
  recsys_error error;
  struct stat info;
  write_file(path_in(folder, "target"), "old", 3);
  ck_assert_int_eq(symlink("target", path_in(folder, "link")), 0);
  ck_assert_int_eq(write_two(path_in(folder, "link"), &error), RECSYS_OK);
  check_content(path_in(folder, "target"), "new content");
  ck_assert_int_eq(lstat(path_in(folder, "link"), &info), 0);
  ck_assert(S_ISLNK(info.st_mode));
}
END_TEST

/* After any failure: the old content, whole, or (if only the last sync failed) the new one; and nothing lies about. */
START_TEST(every_call_of_writing_fails_once) {
  static const struct {
    int errnum;
    recsys_status status;
  } kinds[] = {{EIO, RECSYS_EIO}, {ENOSPC, RECSYS_EFULL}, {EROFS, RECSYS_EREADONLY}, {EACCES, RECSYS_EREADONLY}};
  const char *path = path_in(folder, "out");
  recsys_error error;
  recsys__fail_file(0, 0);
  ck_assert_int_eq(write_two(path, &error), RECSYS_OK);
  size_t calls = recsys__fail_file(0, 0);
  ck_assert_uint_eq(calls, 6); /* create, write, write, fsync, rename, fsync of the folder */
  for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
    for (size_t n = 1; n <= calls; n++) {
      write_file(path, "old", 3);
      recsys__fail_file(n, kinds[kind].errnum);
      ck_assert_int_eq(write_two(path, &error), kinds[kind].status);
      ck_assert_int_eq(error.detail, kinds[kind].errnum);
      check_content(path, n < calls ? "old" : "new content");
      ck_assert_int_eq(count_files(folder), 1);
    }
  }
  for (size_t n = 2; n <= 3; n++) {
    recsys__fail_file(n, 0); /* a short write */
    ck_assert_int_eq(write_two(path, &error), RECSYS_OK);
    ck_assert_uint_eq(recsys__fail_file(n, EINTR), 7);
    ck_assert_int_eq(write_two(path, &error), RECSYS_OK);
    check_content(path, "new content");
  }
}
END_TEST

START_TEST(out_of_memory) {
  const char *path = path_in(folder, "out");
  recsys_error error;
  int failures = 0;
  write_file(path, "old", 3);
  for (size_t n = 1;; n++) {
    recsys__fail_allocation(n, false);
    recsys_status status = write_two(path, &error);
    recsys__fail_allocation(0, false);
    if (status == RECSYS_OK) {
      break;
    }
    ck_assert_int_eq(status, RECSYS_ENOMEM);
    ck_assert_int_eq(count_files(folder), 1);
    failures++;
  }
  ck_assert_int_eq(failures, 3); /* the path, the other name, the folder */
}
END_TEST

/* A real limit of the system, in a process of its own. */
START_TEST(file_size_limit) {
  const char *path = path_in(folder, "out");
  write_file(path, "old", 3);
  pid_t child = fork();
  if (child == 0) {
    struct rlimit limit = {8, 8};
    recsys_error error;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    recsys_status status = write_two(path, &error);
    _exit(status == RECSYS_EIO && error.detail == EFBIG ? 0 : 1);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  check_content(path, "old");
  ck_assert_int_eq(count_files(folder), 1);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {reads_a_file,
                                refuses_what_is_no_file,
                                limit_comes_first,
                                every_call_of_reading_fails_once,
                                reading_past_the_end,
                                writes_a_file,
                                nothing_before_the_commit,
                                names,
                                links_are_followed,
                                every_call_of_writing_fails_once,
                                out_of_memory,
                                file_size_limit};
  return run_suite_with("file", tests, sizeof tests / sizeof tests[0], set_up, tear_down);
}
