/* bench/micro/gpu.c - the candidate evaluator on a GPU beside the dense products by cuBLAS, both by the
 * device's own clock: whole networks on 5,000 images, random vectors, hot and cold. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "bench/benchmark.h"
#include "bench/micro/micro_impl.h"
#include "kernels/engine.h"
#include "nn/infer.h"

enum { IMAGES = 5000, COMPARED = 32, LEVELS = 4, MOST = 64 };

typedef struct {
  const char *network, *precision;
} subject;

typedef struct {
  const subject *of;
  size_t n_candidates, n_layers;
  bool cold;
  double kept; /* share of the weights */
  double seconds[2];
  ap_dataset *data;
  ap_network *net;    /* as given: level 0 */
  ap_network *pruned; /* the first candidate */
  ap_evaluator *ev;
  uint32_t *levels; /* [MOST][n_layers] */
  float *outputs, *expected;
} problem;

static void teardown(void *context) {
  problem *p = context;
  ap_evaluator_destroy(p->ev);
  ap_network_destroy(p->pruned);
  ap_network_destroy(p->net);
  ap_dataset_destroy(p->data);
  ap_free(p->levels);
  ap_free(p->outputs);
  ap_free(p->expected);
  ap_free(p);
}

/* Vectors of one row and 8 columns (width 8), or of a whole kernel and one column (width 1). */
static size_t prune(const ap_layer_info *l, float *matrix, int64_t percent, int64_t width,
                    ap_rng *rng) {
  const size_t rows = width == 1 ? l->kh * l->kw : 1, columns = (size_t)width;
  size_t kept = 0;
  for (size_t r = 0; r < l->k; r += rows)
    for (size_t c = 0; c < l->n; c += columns) {
      const bool keep = ap_rng_uniform(rng) * 100 >= (double)percent;
      for (size_t i = r; i < r + rows && i < l->k; i++)
        for (size_t j = c; j < c + columns && j < l->n; j++) {
          if (!keep) matrix[i * l->n + j] = 0;
          kept += keep;
        }
    }
  return kept;
}

/* LEVELS levels of every layer but the first and the last; candidates drawn among them. */
static ap_status add_levels(problem *p, int64_t percent, int64_t width, ap_error *err) {
  ap_layer_info *info = ap_calloc(p->n_layers, sizeof *info);
  float *matrix = NULL;
  size_t kept = 0, all = 0;
  ap_status st = info ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "%zu layers", p->n_layers);
  ap_rng rng;
  ap_rng_seed(&rng, 7, 0);
  if (!st) (void)ap_network_layers(p->net, info, p->n_layers);
  for (size_t i = 0; i < p->n_layers && !st; i++) {
    const bool whole = i == 0 || i + 1 == p->n_layers;
    float *larger = ap_realloc(matrix, info[i].k * info[i].n, sizeof *matrix);
    if (!larger) {
      st = ap_fail(err, AP_ERR_MEMORY, "%zu x %zu weights", info[i].k, info[i].n);
      break;
    }
    matrix = larger;
    for (size_t level = 1; level <= LEVELS && !whole && !st; level++) {
      size_t number;
      ap_layer_get_matrix(p->net, info[i].node, matrix);
      kept += prune(&info[i], matrix, percent, width, &rng);
      all += info[i].k * info[i].n;
      if (level == 1) ap_layer_set_matrix(p->pruned, info[i].node, matrix);
      st = ap_evaluator_add_level(p->ev, i, matrix, NULL, &number, err);
    }
    for (size_t j = 0; j < MOST; j++)
      p->levels[j * p->n_layers + i] = whole    ? 0
                                       : j == 0 ? 1
                                                : 1 + (uint32_t)ap_rng_below(&rng, LEVELS);
  }
  p->kept = all > 0 ? (double)kept / (double)all : 1;
  ap_free(info);
  ap_free(matrix);
  return st;
}

/* Axes: sparsity_percent, vector_width, candidates, cold. */
static ap_status setup(const void *context, const int64_t *point, void **out, ap_error *err) {
  const subject *s = context;
  const ap_evaluator_options options = {.backend = "cuda", .precision = s->precision};
  *out = NULL;
  ap_status st = ap_engine_available("cuda", err);
  if (st) return st;
  problem *p = ap_calloc(1, sizeof *p);
  if (!p) return ap_fail(err, AP_ERR_MEMORY, "problem");
  p->of = s;
  p->n_candidates = (size_t)point[2];
  p->cold = point[3] != 0;
  st = ap_micro_images((ap_shape3){3, 32, 32}, AP_MICRO_CLASSES, IMAGES, &p->data, err);
  if (!st)
    st = ap_micro_network(s->network, (ap_shape3){3, 32, 32}, AP_MICRO_CLASSES, &p->net, err);
  if (!st) st = ap_network_copy(p->net, &p->pruned, err);
  if (!st) st = ap_evaluator_create(p->net, p->data, AP_SPLIT_TEST, IMAGES, &options, &p->ev, err);
  if (!st) {
    p->n_layers = ap_evaluator_layers(p->ev);
    p->levels = ap_calloc(MOST * p->n_layers, sizeof *p->levels);
    p->outputs = ap_calloc(IMAGES * AP_MICRO_CLASSES, sizeof *p->outputs);
    p->expected = ap_calloc(COMPARED * AP_MICRO_CLASSES, sizeof *p->expected);
    if (!p->levels || !p->outputs || !p->expected)
      st = ap_fail(err, AP_ERR_MEMORY, "%d candidates", MOST);
  }
  if (!st) st = add_levels(p, point[0], point[1], err);
  if (st) {
    teardown(p);
    return st;
  }
  *out = p;
  return AP_OK;
}

/* The first candidate's outputs against the dense path of the CPU backend. */
static ap_status verify(void *context, ap_error *err) {
  problem *p = context;
  const double tolerance = strcmp(p->of->precision, "bf16") == 0 ? 0.02 : 1e-4;
  double largest = 0;
  ap_backend *be = NULL;
  ap_score score;
  ap_status st = ap_backend_open("cpu", 0, &be, err);
  if (!st) st = ap_infer(be, p->pruned, p->data, AP_SPLIT_TEST, COMPARED, &score, p->expected, err);
  ap_backend_close(be);
  for (size_t i = 0; i < IMAGES * AP_MICRO_CLASSES; i++) p->outputs[i] = NAN;
  if (!st) st = ap_evaluator_logits(p->ev, p->levels, p->outputs, err);
  if (st) return st;
  for (size_t i = 0; i < COMPARED * AP_MICRO_CLASSES; i++)
    largest = fmax(largest, fabs((double)p->expected[i]));
  for (size_t i = 0; i < COMPARED * AP_MICRO_CLASSES; i++)
    if (!(fabs((double)(p->outputs[i] - p->expected[i])) <= tolerance * largest))
      return ap_fail(err, AP_ERR_INTERNAL, "image %zu, output %zu: %.9g, dense path %.9g",
                     i / AP_MICRO_CLASSES, i % AP_MICRO_CLASSES, (double)p->outputs[i],
                     (double)p->expected[i]);
  return largest > 0 ? AP_OK : ap_fail(err, AP_ERR_INTERNAL, "all outputs are 0");
}

/* As many dense networks as there are candidates, by their products alone. */
static ap_status cublas(void *context, ap_error *err) {
  problem *p = context;
  const ap_status st = ap_evaluator_measure_products(p->ev, p->cold, &p->seconds[0], err);
  p->seconds[0] *= (double)p->n_candidates;
  return st;
}

static ap_status evaluator(void *context, ap_error *err) {
  problem *p = context;
  return ap_evaluator_measure(p->ev, p->n_candidates, p->levels, p->cold, &p->seconds[1], err);
}

static double seconds(void *context, size_t way) { return ((problem *)context)->seconds[way]; }

static void report(void *context, size_t way, ap_bench_meter *meter) {
  const problem *p = context;
  const double n = (double)p->n_candidates;
  const double macs = n * IMAGES * (double)ap_network_macs(p->net);
  ap_bench_counter(meter, "candidates", n, AP_BENCH_RATE);
  ap_bench_counter(meter, "images", n * IMAGES, AP_BENCH_RATE);
  ap_bench_counter(meter, "macs_dense_equivalent", macs, AP_BENCH_RATE);
  if (way == 0) return;
  ap_bench_counter(meter, "kept", p->kept, AP_BENCH_VALUE);
  ap_bench_counter(meter, "level_bytes", (double)ap_evaluator_level_bytes(p->ev), AP_BENCH_VALUE);
}

ap_status ap_micro_gpu(ap_error *err) {
  static const char *const axes[] = {"sparsity_percent", "vector_width", "candidates", "cold"};
  static const int64_t points[][4] = {{90, 8, 64, 0}, {0, 8, 64, 0},  {70, 8, 64, 0},
                                      {95, 8, 64, 0}, {90, 1, 64, 0}, {90, 8, 64, 1},
                                      {90, 8, 1, 0},  {90, 8, 1, 1}};
  static const ap_bench_way ways[] = {{"cublas", cublas}, {"evaluator", evaluator}};
  static const struct {
    const char *name;
    subject of;
    size_t n_points;
  } cases[] = {{"gpu/vgg16/bf16", {"vgg16", "bf16"}, 8},
               {"gpu/resnet18/bf16", {"resnet18", "bf16"}, 8},
               {"gpu/resnet20/bf16", {"resnet20", "bf16"}, 8},
               {"gpu/vgg16/fp32", {"vgg16", "fp32"}, 1},
               {"gpu/resnet20/fp32", {"resnet20", "fp32"}, 1}};
  ap_status st = AP_OK;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0] && !st; i++) {
    st = ap_bench_register(&(ap_bench_case){.name = cases[i].name,
                                            .n_axes = 4,
                                            .axes = axes,
                                            .n_points = cases[i].n_points,
                                            .points = points[0],
                                            .n_ways = 2,
                                            .ways = ways,
                                            .context = &cases[i].of,
                                            .setup = setup,
                                            .verify = verify,
                                            .report = report,
                                            .seconds = seconds,
                                            .teardown = teardown},
                           err);
  }
  return st;
}
