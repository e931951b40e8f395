/* bench/micro/lists.c - what one more level of every layer costs: from a weight matrix to the lists of
 * what is kept, in floats and in integers, on one thread. Levels stay, as in a search. */
#include "base/alloc.h"
#include "bench/micro/micro_impl.h"

enum {
  IMAGES = 64,    /* enough to compare the new levels with the given ones */
  ITERATIONS = 12 /* each takes memory for good */
};

typedef struct {
  ap_micro_pair pair;
  const ap_integer_layer *layers;
  size_t n_layers;
  float **matrix;  /* [n_layers] */
  int8_t **weight; /* [n_layers] */
} lists_problem;

static void teardown(void *problem) {
  lists_problem *p = problem;
  for (size_t i = 0; i < p->n_layers; i++) {
    if (p->matrix) ap_free(p->matrix[i]);
    if (p->weight) ap_free(p->weight[i]);
  }
  ap_free(p->matrix);
  ap_free(p->weight);
  ap_micro_pair_close(&p->pair);
  ap_free(p);
}

static ap_status copy_weights(lists_problem *p, ap_error *err) {
  ap_status st = AP_OK;
  p->matrix = ap_calloc(p->n_layers, sizeof *p->matrix);
  p->weight = ap_calloc(p->n_layers, sizeof *p->weight);
  if (!p->matrix || !p->weight) return ap_fail(err, AP_ERR_MEMORY, "%zu layers", p->n_layers);
  for (size_t i = 0; i < p->n_layers && !st; i++) {
    const ap_layer_info *info = &p->layers[i].info;
    const size_t size = info->k * info->n;
    p->matrix[i] = ap_calloc(size, sizeof **p->matrix);
    p->weight[i] = ap_calloc(size, 1);
    if (!p->matrix[i] || !p->weight[i])
      return ap_fail(err, AP_ERR_MEMORY, "%s: %zu weights", info->name, size);
    ap_layer_get_matrix(p->pair.net, info->node, p->matrix[i]);
    st = ap_integer_narrow(p->layers[i].weight, size, p->weight[i], err);
  }
  return st;
}

/* Levels take new memory. On a virtual machine the first use of a page waits for the host, longer than a level's
 * making takes; what was used and given back a moment ago mostly does not. */
static void use_memory(void) {
  enum { BLOCKS = 24 };
  const size_t bytes = (size_t)64 << 20, page = 4096;
  char *block[BLOCKS];
  for (size_t i = 0; i < BLOCKS; i++) {
    block[i] = ap_calloc(bytes, 1);
    for (size_t at = 0; block[i] && at < bytes; at += page) ((volatile char *)block[i])[at] = 1;
  }
  for (size_t i = 0; i < BLOCKS; i++) ap_free(block[i]);
}

static ap_status setup(const void *context, const int64_t *point, void **problem, ap_error *err) {
  const ap_micro_setting setting = {.network = context,
                                    .percent = point[0],
                                    .row_vectors = point[1] > 1,
                                    .n_images = IMAGES,
                                    .threads = 1};
  lists_problem *p = ap_calloc(1, sizeof *p);
  *problem = NULL;
  if (!p) return ap_fail(err, AP_ERR_MEMORY, "problem");
  ap_status st = ap_micro_pair_open(&setting, &p->pair, err);
  if (st) {
    ap_free(p);
    return st;
  }
  p->n_layers = ap_evaluator_layers(p->pair.ev);
  p->layers = ap_integer_network_all_layers(p->pair.quantised);
  st = copy_weights(p, err);
  if (st) {
    teardown(p);
    return st;
  }
  use_memory();
  *problem = p;
  return AP_OK;
}

static ap_status floats(void *problem, ap_error *err) {
  lists_problem *p = problem;
  ap_status st = AP_OK;
  size_t level;
  for (size_t i = 0; i < p->n_layers && !st; i++)
    st = ap_evaluator_add_level(p->pair.ev, i, p->matrix[i], NULL, &level, err);
  return st;
}

static ap_status integers(void *problem, ap_error *err) {
  lists_problem *p = problem;
  ap_status st = AP_OK;
  size_t level;
  for (size_t i = 0; i < p->n_layers && !st; i++)
    st = ap_evaluator_add_integer_level(p->pair.integer, i, p->weight[i], p->layers[i].scale, NULL,
                                        &level, err);
  return st;
}

/* The new levels give the same outputs as the given ones, exactly. */
static ap_status same_outputs(ap_evaluator *ev, const uint32_t *levels, float *given, float *built,
                              ap_error *err) {
  const size_t n = ap_evaluator_layers(ev);
  uint32_t *ones = ap_calloc(n, sizeof *ones);
  ap_status st = ones ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "%zu levels", n);
  for (size_t i = 0; i < n && !st; i++) ones[i] = 1;
  if (!st) st = ap_evaluator_logits(ev, levels, given, err);
  if (!st) st = ap_evaluator_logits(ev, ones, built, err);
  for (size_t i = 0; i < IMAGES * AP_MICRO_CLASSES && !st; i++)
    if (!(given[i] <= built[i] && given[i] >= built[i]))
      st = ap_fail(err, AP_ERR_INTERNAL,
                   "output %zu is %.9g, of a level made of the same weights %.9g", i,
                   (double)given[i], (double)built[i]);
  ap_free(ones);
  return st;
}

static ap_status verify(void *problem, ap_error *err) {
  lists_problem *p = problem;
  ap_micro_pair *pair = &p->pair;
  ap_status st = floats(p, err);
  if (!st) st = integers(p, err);
  if (!st) st = same_outputs(pair->ev, pair->levels, pair->dense, pair->sparse, err);
  if (!st) st = same_outputs(pair->integer, pair->levels, pair->dense, pair->integers, err);
  return st;
}

static void report(void *problem, size_t way, ap_bench_meter *meter) {
  const lists_problem *p = problem;
  (void)way;
  ap_bench_counter(meter, "layers", (double)p->n_layers, AP_BENCH_RATE);
}

ap_status ap_micro_lists(ap_error *err) {
  static const char *const axes[] = {"sparsity_percent", "vector_columns"};
  static const int64_t points[] = {90, 1, 90, 8};
  static const ap_bench_way ways[] = {{"floats", floats}, {"integers", integers}};
  static const char *const names[] = {"lists/resnet20", "lists/resnet18", "lists/vgg16"};
  const ap_bench_case shape = {.n_axes = 2,
                               .axes = axes,
                               .n_points = sizeof points / sizeof points[0] / 2,
                               .points = points,
                               .n_ways = 2,
                               .ways = ways,
                               .setup = setup,
                               .iterations = ITERATIONS,
                               .verify = verify,
                               .report = report,
                               .teardown = teardown};
  return ap_micro_register(&shape, names, sizeof names / sizeof names[0], err);
}
