/* bench/micro/mapper.c - counting and pricing a network of ResNet-18's size, as a searcher's step
 * does it, against pricing from the weights, and against building and checking the full mapping. */
#include <string.h>

#include "base/alloc.h"
#include "bench/benchmark.h"
#include "bench/micro/micro_impl.h"
#include "mapper/mapping.h"
#include "pruners/network_price.h"
#include "pruners/quantised_layer.h"

typedef struct {
  ap_network *net;
  ap_tech *tech;
  ap_granularity vectors;
  size_t n_layers;
  ap_layer_info *layers;
  uint8_t **kept; /* per layer, one byte a vector */
  /* what the last run of each way gave */
  ap_map_summary map[3];
  ap_cost cost[3];
} mapper_problem;

enum { FULL, WEIGHTS, COUNTS, WAYS };

static void teardown(void *problem) {
  mapper_problem *p = problem;
  for (size_t i = 0; p->kept && i < p->n_layers; i++) ap_free(p->kept[i]);
  ap_free(p->kept);
  ap_free(p->layers);
  ap_network_destroy(p->net);
  ap_tech_close(p->tech);
  ap_free(p);
}

/* Vectors that are not zero once quantised. */
static ap_status find_kept(mapper_problem *p, size_t i, ap_error *err) {
  const ap_layer_info *layer = &p->layers[i];
  const ap_array_spec *spec = ap_tech_array(p->tech);
  ap_partition partition;
  float *matrix = ap_calloc(layer->k * layer->n, sizeof *matrix);
  int32_t *q = ap_calloc(layer->k * layer->n, sizeof *q);
  float *scale = ap_calloc(layer->n, sizeof *scale);
  ap_status st = ap_partition_init(p->vectors, spec, layer->k, layer->n, &partition, err);
  if (!st) {
    p->kept[i] = ap_calloc(partition.count, 1);
    if (!matrix || !q || !scale || !p->kept[i]) {
      st = ap_fail(err, AP_ERR_MEMORY, "layer %s", layer->name);
    }
  }
  if (!st) {
    ap_layer_get_matrix(p->net, layer->node, matrix);
    st = ap_quantise_columns(matrix, layer->k, layer->n, spec->weight_bits, q, scale, err);
  }
  if (!st) ap_partition_kept(&partition, q, p->kept[i]);
  ap_free(matrix);
  ap_free(q);
  ap_free(scale);
  return st;
}

static ap_status setup(const void *context, const int64_t *point, void **problem, ap_error *err) {
  mapper_problem *p = ap_calloc(1, sizeof *p);
  ap_status st = AP_OK;
  (void)context;
  *problem = NULL;
  if (!p) return ap_fail(err, AP_ERR_MEMORY, "problem");
  p->vectors = (ap_granularity){AP_GRANULARITY_COLUMN_VECTOR, 9, 0};
  st = ap_tech_open("ou", &p->tech, err);
  if (!st) st = ap_micro_network("resnet18", (ap_shape3){3, 224, 224}, 1000, &p->net, err);
  if (!st) st = ap_micro_prune(p->net, point[0], false, err);
  if (!st) {
    p->n_layers = ap_network_layers(p->net, NULL, 0);
    p->layers = ap_calloc(p->n_layers, sizeof *p->layers);
    p->kept = ap_calloc(p->n_layers, sizeof *p->kept);
    if (!p->layers || !p->kept) st = ap_fail(err, AP_ERR_MEMORY, "%zu layers", p->n_layers);
  }
  if (!st) (void)ap_network_layers(p->net, p->layers, p->n_layers);
  for (size_t i = 0; i < p->n_layers && !st; i++) st = find_kept(p, i, err);
  if (st) {
    teardown(p);
    return st;
  }
  *problem = p;
  return AP_OK;
}

static ap_status price(mapper_problem *p, bool check, size_t way, ap_error *err) {
  ap_network_price *price = NULL;
  ap_status st = ap_network_price_create(p->net, p->tech, p->vectors, check, &price, err);
  if (st) return st;
  p->map[way] = price->map;
  p->cost[way] = price->cost;
  ap_network_price_destroy(price);
  return AP_OK;
}
static ap_status full(void *problem, ap_error *err) { return price(problem, true, FULL, err); }
static ap_status weights(void *problem, ap_error *err) {
  return price(problem, false, WEIGHTS, err);
}

static ap_status counts(void *problem, ap_error *err) {
  mapper_problem *p = problem;
  memset(&p->map[COUNTS], 0, sizeof p->map[COUNTS]);
  memset(&p->cost[COUNTS], 0, sizeof p->cost[COUNTS]);
  for (size_t i = 0; i < p->n_layers; i++) {
    const ap_layer_info *layer = &p->layers[i];
    ap_map_summary map;
    ap_events events;
    ap_needs needs;
    ap_cost cost;
    ap_status st = ap_map_count(ap_tech_array(p->tech), p->vectors, p->kept[i], NULL, layer->k,
                                layer->n, layer->positions, &map, &events, &needs, err);
    if (!st) st = ap_cost_layer(p->tech, &events, &needs, &cost, err);
    if (st) return st;
    ap_map_summary_add(&p->map[COUNTS], &map);
    ap_cost_add(&p->cost[COUNTS], &cost);
  }
  return AP_OK;
}

/* The full mapping is multiplied out and compared with the weights by the first way itself; the
 * other two must give the same numbers. */
static ap_status verify(void *problem, ap_error *err) {
  mapper_problem *p = problem;
  ap_status st = full(p, err);
  if (!st) st = weights(p, err);
  if (!st) st = counts(p, err);
  for (size_t way = 1; way < WAYS && !st; way++) {
    const ap_map_summary *a = &p->map[FULL], *b = &p->map[way];
    const ap_cost *x = &p->cost[FULL], *y = &p->cost[way];
    if (a->crossbars != b->crossbars || a->ous != b->ous || a->index_bits != b->index_bits ||
        a->vectors_kept != b->vectors_kept || a->crossbars == 0) {
      st = ap_fail(err, AP_ERR_INTERNAL,
                   "way %zu counts %llu crossbars, %llu OUs; the mapping %llu, %llu", way,
                   (unsigned long long)b->crossbars, (unsigned long long)b->ous,
                   (unsigned long long)a->crossbars, (unsigned long long)a->ous);
    } else if (x->total_energy_uj < y->total_energy_uj || x->total_energy_uj > y->total_energy_uj ||
               x->total_area_mm2 < y->total_area_mm2 || x->total_area_mm2 > y->total_area_mm2 ||
               !(x->total_energy_uj > 0)) {
      st = ap_fail(err, AP_ERR_INTERNAL, "way %zu: %.17g uJ, %.17g mm2; the mapping %.17g, %.17g",
                   way, y->total_energy_uj, y->total_area_mm2, x->total_energy_uj,
                   x->total_area_mm2);
    }
  }
  return st;
}

static void report(void *problem, size_t way, ap_bench_meter *meter) {
  const mapper_problem *p = problem;
  ap_bench_counter(meter, "vectors", (double)p->map[way].vectors, AP_BENCH_RATE);
  ap_bench_counter(meter, "crossbars", (double)p->map[way].crossbars, AP_BENCH_VALUE);
}

ap_status ap_micro_mapper(ap_error *err) {
  static const char *const axes[] = {"sparsity_percent"};
  static const int64_t points[] = {70};
  static const ap_bench_way ways[WAYS] = {[FULL] = {"full_mapping", full},
                                          [WEIGHTS] = {"weights", weights},
                                          [COUNTS] = {"counts", counts}};
  return ap_bench_register(&(ap_bench_case){.name = "mapper/resnet18",
                                            .n_axes = 1,
                                            .axes = axes,
                                            .n_points = 1,
                                            .points = points,
                                            .n_ways = WAYS,
                                            .ways = ways,
                                            .setup = setup,
                                            .verify = verify,
                                            .report = report,
                                            .teardown = teardown},
                           err);
}
