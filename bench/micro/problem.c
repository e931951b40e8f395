/* bench/micro/problem.c - images, networks, pruned networks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/npy.h"
#include "base/rng.h"
#include "bench/micro/micro_impl.h"
#include "nn/model_file.h"
#include "pruners/pruner.h"

enum { TRAIN = 16, VECTOR_ROWS = 9, VECTOR_COLUMNS = 8 };

/* One of test_images.npy, test_labels.npy, train_images.npy, train_labels.npy (docs/DATA.md). */
static ap_status write_random(const char *dir, const char *name, const size_t *dims, size_t n_dims,
                              size_t below, ap_rng *rng, ap_error *err) {
  size_t count = 1;
  for (size_t i = 0; i < n_dims; i++) count *= dims[i];
  char *path = ap_path_join(dir, name);
  uint8_t *bytes = ap_calloc(count, 1);
  ap_status st = AP_OK;
  if (!path || !bytes) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu numbers", count);
  } else {
    for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)ap_rng_below(rng, below);
    st = ap_npy_save(path, AP_NPY_U8, dims, n_dims, bytes, false, err);
  }
  ap_free(bytes);
  ap_free(path);
  return st;
}

static ap_status write_classes(const char *dir, size_t classes, ap_error *err) {
  const size_t room = classes * 12;
  char *path = ap_path_join(dir, "classes.txt"), *text = ap_calloc(room + 1, 1);
  ap_status st = AP_OK;
  size_t n = 0;
  if (!path || !text) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu classes", classes);
  } else {
    for (size_t i = 0; i < classes; i++) n += (size_t)snprintf(text + n, room + 1 - n, "%zu\n", i);
    st = ap_file_write(path, text, n, false, err);
  }
  ap_free(text);
  ap_free(path);
  return st;
}

static ap_status write_split(const char *dir, const char *split, ap_shape3 shape, size_t classes,
                             size_t n, ap_rng *rng, ap_error *err) {
  const size_t dims[] = {n, shape.c, shape.h, shape.w};
  char name[64];
  (void)snprintf(name, sizeof name, "%s_images.npy", split);
  ap_status st = write_random(dir, name, dims, 4, 256, rng, err);
  (void)snprintf(name, sizeof name, "%s_labels.npy", split);
  if (!st) st = write_random(dir, name, dims, 1, classes < 256 ? classes : 256, rng, err);
  return st;
}

static void remove_files(const char *dir) {
  static const char *const names[] = {"train_images.npy", "train_labels.npy", "test_images.npy",
                                      "test_labels.npy", "classes.txt"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char *path = ap_path_join(dir, names[i]);
    if (path) (void)unlink(path);
    ap_free(path);
  }
  (void)rmdir(dir);
}

ap_status ap_micro_images(ap_shape3 shape, size_t classes, size_t n, ap_dataset **out,
                          ap_error *err) {
  const char *tmp = getenv("TMPDIR");
  char *dir = ap_path_join(tmp && *tmp ? tmp : "/tmp", "autoprune-bench-XXXXXX");
  ap_rng rng;
  *out = NULL;
  if (!dir) return ap_fail(err, AP_ERR_MEMORY, "%zu images", n);
  if (!mkdtemp(dir)) {
    const ap_status st = ap_fail(err, AP_ERR_IO, "%s: %s", dir, strerror(errno));
    ap_free(dir);
    return st;
  }
  ap_rng_seed(&rng, 1, shape.c);
  ap_status st = write_split(dir, "train", shape, classes, TRAIN, &rng, err);
  if (!st) st = write_split(dir, "test", shape, classes, n, &rng, err);
  if (!st) st = write_classes(dir, classes, err);
  if (!st) st = ap_dataset_open(dir, out, err);
  remove_files(dir);
  ap_free(dir);
  return st;
}

ap_status ap_micro_network(const char *name, ap_shape3 input, size_t classes, ap_network **out,
                           ap_error *err) {
  ap_network *net = NULL;
  ap_status st = ap_network_builtin(name, input, classes, 11, &net, err);
  *out = NULL;
  if (!st) {
    for (size_t c = 0; c < input.c; c++) {
      net->mean[c] = 0.5F;
      net->std[c] = 0.3F;
    }
    st = ap_network_fold(net, out, err);
  }
  ap_network_destroy(net);
  return st;
}

ap_status ap_micro_model(const char *path, ap_network **out, ap_error *err) {
  ap_network *net = NULL;
  ap_status st = ap_model_load(path, &net, NULL, err);
  *out = NULL;
  if (!st) st = ap_network_fold(net, out, err);
  ap_network_destroy(net);
  return st;
}

static ap_status prune_layer(ap_network *net, const ap_layer_info *layer, size_t percent,
                             bool row_vectors, ap_error *err) {
  const ap_granularity columns = {AP_GRANULARITY_COLUMN_VECTOR, VECTOR_ROWS, 0};
  const ap_granularity rows = {AP_GRANULARITY_ROW_VECTOR, 0, VECTOR_COLUMNS};
  const ap_granularity vectors = row_vectors ? rows : columns;
  const ap_array_spec spec = ap_array_spec_default();
  ap_partition partition;
  float *matrix = ap_calloc(layer->k * layer->n, sizeof *matrix);
  uint32_t *order = NULL;
  uint8_t *kept = NULL;
  ap_status st = ap_partition_init(vectors, &spec, layer->k, layer->n, &partition, err);
  if (!st) {
    order = ap_calloc(partition.count, sizeof *order);
    kept = ap_calloc(partition.count, 1);
    if (!matrix || !order || !kept) st = ap_fail(err, AP_ERR_MEMORY, "layer %s", layer->name);
  }
  if (!st) {
    ap_layer_get_matrix(net, layer->node, matrix);
    st = ap_pruner_order(&partition, AP_CRITERION_L2, matrix, order, err);
  }
  if (!st) {
    ap_pruner_keep_first(order, partition.count, partition.count - partition.count * percent / 100,
                         kept);
    ap_partition_mask_f32(&partition, kept, matrix);
    ap_layer_set_matrix(net, layer->node, matrix);
  }
  ap_free(matrix);
  ap_free(order);
  ap_free(kept);
  return st;
}

/* A depthwise layer: without a vector of its own an output is constant. */
static bool one_input(const ap_network *net, const ap_layer_info *layer) {
  const ap_node *node = &net->nodes[layer->node];
  return node->groups > 1 && layer->k == node->kh * node->kw;
}

ap_status ap_micro_prune(ap_network *net, int64_t percent, bool row_vectors, ap_error *err) {
  size_t n = ap_network_layers(net, NULL, 0);
  ap_layer_info *layers = ap_calloc(n, sizeof *layers);
  ap_status st = AP_OK;
  if (!layers) return ap_fail(err, AP_ERR_MEMORY, "%zu layers", n);
  (void)ap_network_layers(net, layers, n);
  for (size_t i = 1; i < n && !st; i++)
    if (!one_input(net, &layers[i]))
      st = prune_layer(net, &layers[i], (size_t)percent, row_vectors, err);
  ap_free(layers);
  return st;
}

ap_status ap_micro_register(const ap_bench_case *shape, const char *const *names, size_t n_names,
                            ap_error *err) {
  ap_status st = AP_OK;
  for (size_t i = 0; i < n_names && !st; i++) {
    ap_bench_case one = *shape;
    one.name = names[i];
    one.context = strchr(names[i], '/') + 1;
    st = ap_bench_register(&one, err);
  }
  return st;
}
