/* recsys convert: weights of torch.save (.pth) to a model file (safetensors). */
#ifndef RECSYS_EXAMPLES_CONVERT_H
#define RECSYS_EXAMPLES_CONVERT_H

/* argv[0] is "convert", the arguments follow. 0: done, 1: failed, 2: wrong usage; messages go to stderr. */
int recsys_cmd_convert(int argc, char **argv);

#endif
