/* What ZFNet shares with AlexNet. */
#ifndef RECSYS_NN_ALEXNET_H
#define RECSYS_NN_ALEXNET_H

#include "nn/build.h"

/* Two dense layers of 4096 (classifier.1 and .4, after dropout), the classifier (classifier.6), and the pooled ends. */
void recsys__build_alexnet_dense(recsys__net *net, int32_t trunk, uint32_t classes);

#endif
