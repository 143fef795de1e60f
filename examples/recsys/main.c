/* recsys: the library as a command. This file finds the subcommand; each has a file of its own. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "convert.h"

static const struct subcommand {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *about;
} subcommands[] = {
    {"add", cmd_add, "embed a folder of pictures into a store, with labels from a CSV file"},
    {"rate", cmd_rate, "read ratings from a CSV file into a store"},
    {"similar", cmd_similar, "the items that look most like an item, or like a picture"},
    {"index", cmd_index, "make approximate search fast for a large store"},
    {"recommend", cmd_recommend, "lists for users, or for a guest's history, with reasons"},
    {"evaluate", cmd_evaluate, "compare rankers on held-out ratings"},
    {"tune", cmd_tune, "search a ranker's parameters on held-out ratings"},
    {"train", cmd_train, "teach a network a shop's own labels"},
    {"label", cmd_label, "predict the labels of a store's items"},
    {"evaluate-model", cmd_evaluate_model, "how well a trained model tells labels"},
    {"combine", cmd_combine, "join several models into one"},
    {"distill", cmd_distill, "teach a small network a large one's embeddings"},
    {"quantize", cmd_quantize, "make an int8 model: faster, smaller, nearly the same embeddings"},
    {"classify", cmd_classify, "what a network's classifier sees in pictures"},
    {"list", cmd_list, "the keys of a store's items or users"},
    {"info", cmd_info, "what a store or a model holds"},
    {"check", cmd_check, "verify a whole store"},
    {"fetch", cmd_fetch, "download published weights"},
    {"convert", recsys_cmd_convert, "turn .pth or Keras' .h5 weights into safetensors"},
};
enum { SUBCOMMANDS = sizeof subcommands / sizeof subcommands[0] };

static void print_help(FILE *out) {
  fputs("recsys: product pictures and ratings in, ranked lists out\n\nUsage: recsys COMMAND ...\n\n", out);
  for (size_t i = 0; i < SUBCOMMANDS; i++)
    fprintf(out, "  %-14s %s\n", subcommands[i].name, subcommands[i].about);
  fputs("\n"
        "recsys COMMAND --help   every option, each with an example\n"
        "recsys --version        the library's version\n"
        "\n"
        "Exit codes: 0 done, 1 failure, 2 wrong use.\n"
        "\n"
        "A first round:\n"
        "  recsys add shop.recsys --model resnet50.safetensors --images photos/\n"
        "  recsys rate shop.recsys ratings.csv\n"
        "  recsys similar shop.recsys SKU-00123\n"
        "  recsys recommend shop.recsys alice --html lists.html\n",
        out);
}

static int print_version(void) {
  uint32_t version = recsys_version();
  printf("recsys %u.%u.%u\n", version / 1000000, version / 1000 % 1000, version % 1000);
  return DONE;
}

static int run(int argc, char **argv) {
  if (argc < 2) {
    print_help(stderr);
    return MISUSED;
  }
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
    print_help(stdout);
    return DONE;
  }
  if (!strcmp(argv[1], "--version"))
    return print_version();
  for (size_t i = 0; i < SUBCOMMANDS; i++) {
    if (!strcmp(argv[1], subcommands[i].name))
      return subcommands[i].run(argc - 1, argv + 1);
  }
  say("there is no command \"%s\"", argv[1]);
  fputs("Try: recsys --help\n", stderr);
  return MISUSED;
}

int main(int argc, char **argv) {
  /* Keys and titles are UTF-8 whatever the terminal's language; only their widths are asked for. */
  if (!setlocale(LC_CTYPE, "C.UTF-8"))
    setlocale(LC_CTYPE, "en_US.UTF-8");
  int code = run(argc, argv);
  if (fflush(stdout) || ferror(stdout)) {
    say("the output could not be written");
    return code ? code : FAILED;
  }
  return code;
}
