/* bench/micro/pair.c - one pruned network on both paths. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/micro/micro_impl.h"
#include "nn/executor_score.h"

enum { CHECKED = 16 }; /* images that the quantised network computes, too */

static double kept_macs(const ap_network *net, ap_error *err, ap_status *st) {
  size_t n = ap_network_layers(net, NULL, 0), all = 0, kept = 0;
  ap_layer_info *layers = ap_calloc(n, sizeof *layers);
  if (!layers) {
    *st = ap_fail(err, AP_ERR_MEMORY, "%zu layers", n);
    return 0;
  }
  (void)ap_network_layers(net, layers, n);
  for (size_t i = 0; i < n; i++) {
    const float *w = net->nodes[layers[i].node].weight;
    size_t count = layers[i].k * layers[i].n, non_zero = 0;
    for (size_t j = 0; j < count; j++) non_zero += w[j] < 0 || w[j] > 0;
    kept += non_zero * layers[i].positions;
    all += count * layers[i].positions;
  }
  ap_free(layers);
  return (double)kept / (double)all;
}

/* As nn/infer.c takes. */
static size_t batch_of(const ap_micro_pair *pair) {
  return pair->n_images < 128 ? pair->n_images : 128;
}

static ap_status open_dense(const ap_micro_setting *k, ap_micro_pair *out, ap_error *err) {
  const size_t batch = batch_of(out);
  ap_status st = ap_backend_open("cpu", k->threads, &out->be, err);
  if (!st) st = ap_executor_create(out->be, out->net, batch, false, &out->ex, err);
  if (st) return st;
  return ap_feed_create(out->be, out->net, out->data, AP_SPLIT_TEST, 0, out->n_images, batch, 8,
                        &out->feed, err);
}

static ap_status open_evaluators(const ap_micro_setting *k, ap_micro_pair *out, ap_error *err) {
  const ap_array_spec spec = ap_array_spec_default(); /* 8 bits */
  const ap_range_options ranges = ap_range_defaults();
  ap_evaluator_options options = {.n_threads = k->threads};
  ap_evaluator_integers integers = {NULL, spec.activation_bits};
  ap_status st = ap_evaluator_create(out->net, out->data, AP_SPLIT_TEST, out->n_images, &options,
                                     &out->ev, err);
  if (!st) st = ap_pool_create(k->threads, &out->pool, err);
  if (!st) {
    st = ap_integer_network_create(out->net, &spec, out->data, &ranges, out->pool, &out->quantised,
                                   err);
  }
  if (st) return st;
  integers.layers = ap_integer_network_all_layers(out->quantised);
  options.integer = &integers;
  return ap_evaluator_create(out->net, out->data, AP_SPLIT_TEST, out->n_images, &options,
                             &out->integer, err);
}

static ap_status open_network(const ap_micro_setting *k, ap_network **out, ap_error *err) {
  *out = NULL;
  if (!k->network) return ap_micro_model(k->file, out, err);
  const bool small = strcmp(k->network, "lenet5") == 0;
  const ap_shape3 input = small ? (ap_shape3){1, 28, 28} : (ap_shape3){3, 32, 32};
  return ap_micro_network(k->network, input, AP_MICRO_CLASSES, out, err);
}

/* Some seconds of a network of some hundred million multiply-adds. */
static size_t images_for(ap_shape3 input) {
  enum { PIXELS = 256 * 32 * 32, MOST = 256, LEAST = 16 };
  const size_t n = PIXELS / (input.h * input.w);
  return n > MOST ? MOST : n < LEAST ? LEAST : n;
}

ap_status ap_micro_pair_open(const ap_micro_setting *k, ap_micro_pair *out, ap_error *err) {
  ap_status st = AP_OK;
  *out = (ap_micro_pair){.n_images = k->n_images};
  st = open_network(k, &out->net, err);
  if (!st && k->n_images == 0) out->n_images = images_for(out->net->nodes[0].shape);
  const size_t n_outputs = st ? 0 : out->n_images * out->net->classes;
  if (!st) {
    st = ap_micro_images(out->net->nodes[0].shape, out->net->classes, out->n_images, &out->data,
                         err);
  }
  if (!st) st = ap_micro_prune(out->net, k->percent, k->row_vectors, err);
  if (!st) out->macs_kept = kept_macs(out->net, err, &st);
  if (!st) st = open_dense(k, out, err);
  if (!st) st = open_evaluators(k, out, err);
  if (!st) {
    out->levels = ap_calloc(ap_evaluator_layers(out->ev), sizeof *out->levels);
    out->dense = ap_calloc(n_outputs, sizeof *out->dense);
    out->sparse = ap_calloc(n_outputs, sizeof *out->sparse);
    out->integers = ap_calloc(n_outputs, sizeof *out->integers);
    if (!out->levels || !out->dense || !out->sparse || !out->integers) {
      st = ap_fail(err, AP_ERR_MEMORY, "%zu images", out->n_images);
    }
  }
  if (st) ap_micro_pair_close(out);
  return st;
}

void ap_micro_pair_close(ap_micro_pair *pair) {
  ap_evaluator_destroy(pair->ev);
  ap_evaluator_destroy(pair->integer);
  ap_integer_network_destroy(pair->quantised);
  ap_pool_destroy(pair->pool);
  ap_executor_destroy(pair->ex);
  ap_feed_destroy(pair->feed);
  ap_backend_close(pair->be);
  ap_network_destroy(pair->net);
  ap_dataset_destroy(pair->data);
  ap_free(pair->levels);
  ap_free(pair->dense);
  ap_free(pair->sparse);
  ap_free(pair->integers);
  memset(pair, 0, sizeof *pair);
}

ap_status ap_micro_pair_dense(ap_micro_pair *pair, ap_error *err) {
  return ap_executor_score(pair->ex, pair->feed, batch_of(pair), pair->net->classes, &pair->score,
                           pair->dense, err);
}

/* Not ap_evaluator_run: that would find the candidate in its cache. */
ap_status ap_micro_pair_sparse(ap_micro_pair *pair, ap_error *err) {
  return ap_evaluator_logits(pair->ev, pair->levels, pair->sparse, err);
}

ap_status ap_micro_pair_integer(ap_micro_pair *pair, ap_error *err) {
  return ap_evaluator_logits(pair->integer, pair->levels, pair->integers, err);
}

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* The first images; the reference takes its time. */
static ap_status verify_integers(ap_micro_pair *pair, ap_error *err) {
  const size_t images = pair->n_images < CHECKED ? pair->n_images : CHECKED;
  const size_t classes = pair->net->classes;
  float *want = ap_calloc(CHECKED * classes, sizeof *want);
  if (!want) return ap_fail(err, AP_ERR_MEMORY, "%zu classes", classes);
  ap_status st = ap_micro_pair_integer(pair, err);
  if (!st) {
    st = ap_integer_network_run(pair->quantised, pair->data, AP_SPLIT_TEST, images, pair->pool,
                                NULL, want, err);
  }
  for (size_t i = 0; i < images * classes && !st; i++) {
    if (bits_of(want[i]) != bits_of(pair->integers[i])) {
      st = ap_fail(err, AP_ERR_INTERNAL, "image %zu, output %zu: %.9g, quantised network %.9g",
                   i / classes, i % classes, (double)pair->integers[i], (double)want[i]);
    }
  }
  ap_free(want);
  return st;
}

ap_status ap_micro_pair_verify(ap_micro_pair *pair, ap_error *err) {
  const size_t classes = pair->net->classes, n = pair->n_images * classes;
  double largest = 0;
  ap_status st = AP_OK;
  for (size_t i = 0; i < n; i++) pair->dense[i] = pair->sparse[i] = NAN;
  st = ap_micro_pair_dense(pair, err);
  if (!st) st = ap_micro_pair_sparse(pair, err);
  if (st) return st;
  for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)pair->dense[i]));
  for (size_t i = 0; i < n; i++) {
    double difference = fabs((double)pair->sparse[i] - (double)pair->dense[i]);
    if (!(difference <= 1e-4 * largest)) { /* false for NaN */
      return ap_fail(err, AP_ERR_INTERNAL, "image %zu, output %zu: %.9g, dense path %.9g",
                     i / classes, i % classes, (double)pair->sparse[i], (double)pair->dense[i]);
    }
  }
  st = verify_integers(pair, err);
  if (st) return st;
  if (!(largest > 0)) return ap_fail(err, AP_ERR_INTERNAL, "all outputs are 0");
  return AP_OK;
}
