/* recsys fetch: published weights into the user's folder of models. The only command that uses the network. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "base/error.h"
#include "command.h"
#include "fetch.h"
#include "progress.h"
#include "pth.h"

/* torchvision's weights for ImageNet-1k, first version. Their names end in the first 8 digits of their SHA-256, which
 * torch.hub checks; torchvision says their sizes. The whole digests are those that at least two independent users of
 * the files have published. */
static const struct published {
  const char *name, *file, *digest;
  double mebibytes;
} published[] = {
    {"alexnet", "alexnet-owt-7be5be79.pth", "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02", 233.1},
    {"googlenet_bn", "googlenet-1378be20.pth", "1378be20a8e875cf1568b8a71654e704449655e34711a959a38b04fb34905cef",
     49.7},
    {"resnet18", "resnet18-f37072fd.pth", "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec", 44.7},
    {"resnet34", "resnet34-b627a593.pth", "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f", 83.3},
    {"resnet50", "resnet50-0676ba61.pth", "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a", 97.8},
    {"resnet101", "resnet101-63fe2227.pth", "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a", 170.5},
    {"resnet152", "resnet152-394f9c45.pth", "394f9c45966e3651a89bbb78a48410a6755854ce4a5ab64927cf1c7247f85e58", 230.4},
    {"squeezenet1_1", "squeezenet1_1-b8a52dc0.pth", "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
     4.7},
    {"vgg16", "vgg16-397923af.pth", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0", 527.8},
    {"vgg19", "vgg19-dcbb9e9d.pth", "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44", 548.1},
    {"vgg16_bn", "vgg16_bn-6c64b313.pth", "6c64b3138f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a", 527.9},
    {"vgg19_bn", "vgg19_bn-c79401a0.pth", "c79401a0cf3cb42714e4182f5868c7a6f4f4534f5df9e956e2bb2098de41cbb6", 548.1},
};
enum { PUBLISHED = sizeof published / sizeof *published };
static const char server[] = "https://download.pytorch.org/models/";

static const args_option options[] = {
    {"url", "URL", "another place for a file of torch.save that holds NAME's weights; --sha256 must be given, too",
     "--url http://mirror.shop.example/resnet50.pth"},
    {"sha256", "HEX", "the first 8 to 64 digits of the file's SHA-256", "--sha256 0676ba61"},
    {0},
};

static const args_command command = {
    "fetch",
    "NAME [OPTION...]",
    "Downloads weights that torchvision has published, checks them, converts them, and puts them into\n"
    "$XDG_DATA_HOME/recsys (or ~/.local/share/recsys). --model NAME then finds them. Goes on where it was stopped.\n"
    "NAME: alexnet (233 MiB), googlenet_bn (50), resnet18 (45), resnet34 (83), resnet50 (98), resnet101 (171),\n"
    "resnet152 (230), squeezenet1_1 (5), vgg16 (528), vgg19 (548), vgg16_bn (528), vgg19_bn (548).",
    "recsys fetch resnet50\n"
    "recsys add shop.recsys --model resnet50 --images photos/",
    {options, args_general},
};

static int tell(void *user, uint64_t done, uint64_t total) {
  progress *p = user;
  p->total = total;
  return progress_step(p, done);
}

/* All folders of a path. */
static bool make_folders(char *path) {
  for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
    if (slash)
      *slash = '\0';
    if (mkdir(path, 0777) && errno != EEXIST) {
      say("%s: %s", path, strerror(errno));
      return false;
    }
    if (!slash)
      return true;
    *slash = '/';
  }
}

static bool convert(const char *name, const char *from, const char *to) {
  const struct recsys__metadata metadata = {"recsys.architecture", name};
  recsys_error error = {0};
  pth file = {0};
  recsys_status status = pth_read(&file, from, &error);
  if (!status)
    status = recsys__tensors_write(to, file.tensors, file.count, &metadata, 1, &error);
  pth_free(&file);
  if (status)
    say_error(&error);
  return !status;
}

/* A file that the library cannot open must not be found later. */
static bool is_model(const char *path) {
  recsys_model *model = NULL;
  recsys_error error = {0};
  recsys_model_options how = {.struct_size = sizeof how, .precision = RECSYS_PRECISION_FLOAT32};
  recsys_status status = recsys_model_open(&model, path, &how, &error);
  recsys_model_close(model);
  if (!status || status == RECSYS_ENOENGINE)
    return true;
  say_error(&error);
  unlink(path);
  return false;
}

static int fetch(const char *name, const char *url, const char *digest) {
  char *folder = fetch_folder();
  if (!folder) {
    say("there is no home folder: set XDG_DATA_HOME");
    return FAILED;
  }
  char *path = need_text("%s/%s.safetensors", folder, name), *download = need_text("%s/%s.pth", folder, name);
  bool good = make_folders(folder);
  if (good && access(download, R_OK)) {
    progress p;
    progress_begin(&p, "Fetching", "bytes", 0, 0);
    good = fetch_download(url, digest, download, tell, &p);
    progress_end(&p);
  }
  if (good)
    good = convert(name, download, path) && is_model(path);
  unlink(download);
  if (good)
    printf("%s: --model %s finds it\n", path, name);
  free(folder);
  free(path);
  free(download);
  return good ? DONE : FAILED;
}

static bool is_digest(const char *text) {
  size_t n = strspn(text, "0123456789abcdef");
  return n >= 8 && n <= 64 && !text[n];
}

static int run(const args *a) {
  const char *name = a->words[0], *url = args_get(a, "url", NULL), *digest = args_get(a, "sha256", NULL);
  if (url || digest) {
    if (!url || !digest || !is_digest(digest) || strchr(name, '/') || *name == '.')
      return args_misuse(a,
                         "--url and --sha256 (8 to 64 lower-case hexadecimal digits) go together, with a plain name");
    return fetch(name, url, digest);
  }
  for (size_t i = 0; i < PUBLISHED; i++) {
    if (strcmp(published[i].name, name) != 0)
      continue;
    char *whole = need_text("%s%s", server, published[i].file);
    say("%s, %.1f MiB", whole, published[i].mebibytes);
    int code = fetch(name, whole, published[i].digest);
    free(whole);
    return code;
  }
  return args_misuse(a, "nothing is published as \"%s\"", name);
}

int cmd_fetch(int argc, char **argv) {
  args a;
  int code = args_parse(&a, &command, argc, argv, 1, 1);
  if (code != ARGS_GO_ON)
    return code;
  code = run(&a);
  args_free(&a);
  return code;
}
