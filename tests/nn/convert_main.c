/* recsys convert alone, for compare_pth.py. */
#include "convert.h"

int main(int argc, char **argv) {
  return recsys_cmd_convert(argc, argv);
}
