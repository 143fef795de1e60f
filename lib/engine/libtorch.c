/*
 * Is another libtorch in this process already? Its shared objects register operators in static initialisers, and a
 * second copy aborts the process there. So before an engine is opened, its list of needed objects is read from the file
 * (ELF, System V gABI chapter 5), each libtorch object among them is looked for as the dynamic loader would, and
 * compared by device and inode with what is loaded.
 */
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "engine/search.h"

enum { MAX_ENGINE_BYTES = 256 << 20, MAX_NEEDED = 64 };

/* What an object needs, from its dynamic section. The strings lie in `data`. */
typedef struct needs {
  void *data;
  size_t size;
  const char *names[MAX_NEEDED];
  int count;
  const char *runpath; /* NULL: none */
} needs;

typedef struct found {
  char name[64]; /* file name without folder: "libtorch_cpu.so.1.13" */
  char path[512];
  struct stat info;
  bool seen;
} found;

static const char *const stems[] = {"libtorch_cpu.so", "libtorch.so", "libc10.so"};
enum { STEMS = sizeof stems / sizeof stems[0] };

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

/* Which part of libtorch this file name belongs to, any version; -1: none. */
static int stem_of(const char *name) {
  for (int i = 0; i < STEMS; i++) {
    size_t n = strlen(stems[i]);
    if (strncmp(name, stems[i], n) == 0 && (name[n] == '\0' || name[n] == '.'))
      return i;
  }
  return -1;
}

static int note_loaded(struct dl_phdr_info *object, size_t size, void *context) {
  (void)size;
  found *loaded = context;
  int stem = object->dlpi_name != NULL ? stem_of(base_name(object->dlpi_name)) : -1;
  if (stem >= 0 && !loaded[stem].seen && stat(object->dlpi_name, &loaded[stem].info) == 0) {
    loaded[stem].seen = true;
    snprintf(loaded[stem].name, sizeof loaded[stem].name, "%s", base_name(object->dlpi_name));
    snprintf(loaded[stem].path, sizeof loaded[stem].path, "%s", object->dlpi_name);
  }
  return 0;
}

/* `count` entries of `size` bytes at `offset`, or NULL where the file ends before. */
static const void *part(const needs *n, uint64_t offset, uint64_t count, uint64_t size) {
  if (size != 0 && count > n->size / size)
    return NULL;
  return offset <= n->size && count * size <= n->size - offset ? (const char *)n->data + offset : NULL;
}

static const char *string_at(const needs *n, const Elf64_Shdr *strings, uint64_t index) {
  const char *text = part(n, strings->sh_offset, strings->sh_size, 1);
  if (text == NULL || index >= strings->sh_size || memchr(text + index, 0, strings->sh_size - index) == NULL)
    return NULL;
  return text + index;
}

static void read_entries(needs *n, const Elf64_Dyn *entries, size_t count, const Elf64_Shdr *strings) {
  for (size_t i = 0; i < count && entries[i].d_tag != DT_NULL; i++) {
    const char *text = string_at(n, strings, entries[i].d_un.d_val);
    if (text == NULL)
      continue;
    if (entries[i].d_tag == DT_NEEDED && n->count < MAX_NEEDED)
      n->names[n->count++] = text;
    else if (entries[i].d_tag == DT_RUNPATH || entries[i].d_tag == DT_RPATH)
      n->runpath = text;
  }
}

/* What cannot be read has no needs: dlopen says what is wrong with it. */
static void read_needs(needs *n) {
  const Elf64_Ehdr *header = part(n, 0, 1, sizeof *header);
  if (header == NULL || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
      header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shoff % 8 != 0)
    return;
  const Elf64_Shdr *sections = part(n, header->e_shoff, header->e_shnum, sizeof *sections);
  for (uint32_t i = 0; sections != NULL && i < header->e_shnum; i++) {
    const Elf64_Shdr *s = &sections[i];
    if (s->sh_type != SHT_DYNAMIC || s->sh_link >= header->e_shnum || s->sh_offset % 8 != 0)
      continue;
    const Elf64_Dyn *entries = part(n, s->sh_offset, s->sh_size, 1);
    if (entries != NULL)
      read_entries(n, entries, s->sh_size / sizeof *entries, &sections[s->sh_link]);
  }
}

/* Looks for `name` in a colon-separated list of folders; $ORIGIN is the engine's own folder. */
static bool find_in(const char *folders, const char *engine, const char *name, char *path, size_t size,
                    struct stat *info) {
  size_t origin = (size_t)(base_name(engine) - engine);
  while (folders != NULL && *folders != '\0') {
    size_t n = strcspn(folders, ":");
    const char *folder = folders, *prefix = "";
    size_t length = n, prefix_length = 0;
    if (strncmp(folder, "$ORIGIN", 7) == 0 && n >= 7) {
      prefix = engine;
      prefix_length = origin;
      folder += 7;
      length -= 7;
    }
    snprintf(path, size, "%.*s%.*s/%s", (int)prefix_length, prefix, (int)length, folder, name);
    if (n > 0 && stat(path, info) == 0)
      return true;
    folders += n + (folders[n] == ':');
  }
  return false;
}

/* The folders that ld.so.conf usually names, for the architectures that libtorch is built for. */
static const char system_folders[] =
#if defined(__x86_64__)
    "/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:"
#elif defined(__aarch64__)
    "/lib/aarch64-linux-gnu:/usr/lib/aarch64-linux-gnu:"
#endif
    "/usr/local/lib:/lib64:/usr/lib64:/lib:/usr/lib";

/* The file that the dynamic loader would take for `name`. */
static bool would_load(const needs *n, const char *engine, const char *name, char *path, size_t size,
                       struct stat *info) {
  return find_in(n->runpath, engine, name, path, size, info) ||
         find_in(secure_getenv("LD_LIBRARY_PATH"), engine, name, path, size, info) ||
         find_in(system_folders, engine, name, path, size, info);
}

/* Both say "libtorch" of other files? An object that is found nowhere can only be the one that is loaded under its
 * name. */
static recsys_status compare(const needs *n, const char *engine, const char *name, const found *loaded,
                             recsys_error *error) {
  char path[512] = "";
  struct stat info;
  bool there = would_load(n, engine, name, path, sizeof path, &info);
  if (there && info.st_dev == loaded->info.st_dev && info.st_ino == loaded->info.st_ino)
    return RECSYS_OK;
  if (!there && strcmp(name, loaded->name) == 0)
    return RECSYS_OK;
  return recsys__fail(error, RECSYS_ENOENGINE, 0,
                      "another libtorch is loaded: %.90s; the engine needs %.70s, and two abort a process: run the "
                      "model in a process of its own",
                      loaded->path, there ? path : name);
}

recsys_status recsys__engine_check_libtorch(const char *path, recsys_error *error) {
  found loaded[STEMS] = {0};
  dl_iterate_phdr(note_loaded, loaded);
  needs n = {0};
  if (!loaded[0].seen && !loaded[1].seen && !loaded[2].seen)
    return RECSYS_OK;
  recsys_status status = recsys__file_read(&n.data, &n.size, path, MAX_ENGINE_BYTES, error);
  if (status != RECSYS_OK)
    return status;
  read_needs(&n);
  for (int i = 0; i < n.count && status == RECSYS_OK; i++) {
    int stem = stem_of(n.names[i]);
    if (stem >= 0 && loaded[stem].seen)
      status = compare(&n, path, n.names[i], &loaded[stem], error);
  }
  recsys__free(n.data);
  return status;
}
