/* bench/micro/micro_impl.h - what the cases of autoprune-bench share: problems from nothing. All of
 * it is made from fixed seeds; no data set or trained network is needed. */
#ifndef AP_BENCH_MICRO_IMPL_H
#define AP_BENCH_MICRO_IMPL_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/dataset.h"
#include "nn/evaluator.h"
#include "nn/executor.h"
#include "nn/executor_feed.h"
#include "nn/network.h"

#define AP_MICRO_CLASSES ((size_t)10)

/* Random pixels and labels in the sizes of MNIST (channels 1) or CIFAR-10 (3), n in the test split,
 * through files in a temporary folder that is gone on return. */
AP_NODISCARD ap_status ap_micro_images(size_t channels, size_t n, ap_dataset **out, ap_error *err);
/* A built-in network, He-initialised and folded. */
AP_NODISCARD ap_status ap_micro_network(const char *name, ap_shape3 input, size_t classes,
                                        ap_network **out, ap_error *err);
/* Removes this share of every layer's column-vectors of 9 rows (the last band of a layer may be
 * shorter), the smallest in magnitude, but for the first layer. */
AP_NODISCARD ap_status ap_micro_prune(ap_network *net, int64_t percent, ap_error *err);

/* One network at one sparsity: the evaluator and the dense path side by side, one thread each. */
typedef struct {
  size_t n_images;
  double macs_kept; /* share of the dense multiply-adds */
  ap_dataset *data;
  ap_network *net; /* pruned */
  ap_backend *be;
  ap_executor *ex;
  ap_feed *feed;
  ap_evaluator *ev;
  uint32_t *levels;      /* 0 for every layer: the network as given */
  float *dense, *sparse; /* outputs, n_images x classes */
  ap_score score;        /* of the dense path */
} ap_micro_pair;
AP_NODISCARD ap_status ap_micro_pair_open(const char *network, int64_t percent, size_t n_images,
                                          ap_micro_pair *out, ap_error *err);
void ap_micro_pair_close(ap_micro_pair *pair);
AP_NODISCARD ap_status ap_micro_pair_dense(ap_micro_pair *pair, ap_error *err);
AP_NODISCARD ap_status ap_micro_pair_sparse(ap_micro_pair *pair, ap_error *err);
/* Runs both; all outputs agree to 1e-4 of the largest (float32 sums in different orders). INTERNAL. */
AP_NODISCARD ap_status ap_micro_pair_verify(ap_micro_pair *pair, ap_error *err);

/* Each registers its cases. */
AP_NODISCARD ap_status ap_micro_evaluator(ap_error *err);
AP_NODISCARD ap_status ap_micro_conv(ap_error *err);
AP_NODISCARD ap_status ap_micro_mapper(ap_error *err);
AP_NODISCARD ap_status ap_micro_agent(ap_error *err);
AP_NODISCARD ap_status ap_micro_levels(ap_error *err);
AP_NODISCARD ap_status ap_micro_gpu(ap_error *err);

#endif
