/* bench/micro/micro_impl.h - what the cases of autoprune-bench share: problems from nothing. All of
 * it is made from fixed seeds; no data set or trained network is needed. */
#ifndef AP_BENCH_MICRO_IMPL_H
#define AP_BENCH_MICRO_IMPL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "bench/benchmark.h"
#include "nn/dataset.h"
#include "nn/evaluator.h"
#include "nn/executor.h"
#include "nn/executor_feed.h"
#include "nn/network.h"
#include "pruners/integer_network.h"

#define AP_MICRO_CLASSES ((size_t)10)

/* Random pixels and labels, n in the test split, through files in a temporary folder that is gone on return. */
AP_NODISCARD ap_status ap_micro_images(ap_shape3 shape, size_t classes, size_t n, ap_dataset **out,
                                       ap_error *err);
/* A built-in network, He-initialised and folded. */
AP_NODISCARD ap_status ap_micro_network(const char *name, ap_shape3 input, size_t classes,
                                        ap_network **out, ap_error *err);
/* A network from a file, folded. */
AP_NODISCARD ap_status ap_micro_model(const char *path, ap_network **out, ap_error *err);
/* Removes this share of every layer's vectors, the smallest in magnitude, but for the first layer and depthwise ones:
 * column-vectors of 9 rows (the last band of a layer may be shorter), or row-vectors of 8 columns. */
AP_NODISCARD ap_status ap_micro_prune(ap_network *net, int64_t percent, bool row_vectors,
                                      ap_error *err);

/* Registers a case under each of these names, "GROUP/NETWORK", with NETWORK (a text) as its context. */
AP_NODISCARD ap_status ap_micro_register(const ap_bench_case *shape, const char *const *names,
                                         size_t n_names, ap_error *err);

typedef struct {
  const char *network; /* built-in; or NULL, and */
  const char *file;    /* of a model */
  int64_t percent;     /* of the vectors removed */
  bool row_vectors;
  size_t n_images, threads; /* images 0: as many as the file's network does in seconds */
} ap_micro_setting;

/* One network at one sparsity: the evaluator in floats and in integers and the dense path side by
 * side. */
typedef struct {
  size_t n_images;
  double macs_kept; /* share of the dense multiply-adds */
  ap_dataset *data;
  ap_network *net; /* pruned */
  ap_backend *be;
  ap_executor *ex;
  ap_feed *feed;
  ap_evaluator *ev, *integer;
  ap_pool *pool;
  ap_integer_network *quantised;
  uint32_t *levels;                 /* 0 for every layer: the network as given */
  float *dense, *sparse, *integers; /* outputs, n_images x classes */
  ap_score score;                   /* of the dense path */
} ap_micro_pair;
AP_NODISCARD ap_status ap_micro_pair_open(const ap_micro_setting *setting, ap_micro_pair *out,
                                          ap_error *err);
void ap_micro_pair_close(ap_micro_pair *pair);
AP_NODISCARD ap_status ap_micro_pair_dense(ap_micro_pair *pair, ap_error *err);
AP_NODISCARD ap_status ap_micro_pair_sparse(ap_micro_pair *pair, ap_error *err);
AP_NODISCARD ap_status ap_micro_pair_integer(ap_micro_pair *pair, ap_error *err);
/* Runs all: the outputs in floats agree to 1e-4 of the largest (float32 sums in different orders);
 * those in integers equal the quantised network's bit for bit on the first images. INTERNAL. */
AP_NODISCARD ap_status ap_micro_pair_verify(ap_micro_pair *pair, ap_error *err);

/* Each registers its cases. */
AP_NODISCARD ap_status ap_micro_evaluator(ap_error *err);
/* The same of a model's file; path is kept. Its name in the case is the file's without folder and ending. */
AP_NODISCARD ap_status ap_micro_evaluator_model(const char *path, ap_error *err);
AP_NODISCARD ap_status ap_micro_conv(ap_error *err);
AP_NODISCARD ap_status ap_micro_forms(ap_error *err);
AP_NODISCARD ap_status ap_micro_mapper(ap_error *err);
AP_NODISCARD ap_status ap_micro_agent(ap_error *err);
AP_NODISCARD ap_status ap_micro_levels(ap_error *err);
AP_NODISCARD ap_status ap_micro_lists(ap_error *err);
AP_NODISCARD ap_status ap_micro_repair(ap_error *err);
AP_NODISCARD ap_status ap_micro_gpu(ap_error *err);

#endif
