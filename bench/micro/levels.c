/* bench/micro/levels.c - building lenet5's level database against pricing the same levels one by one
 * from their weights, as a search without it would. */
#include "base/alloc.h"
#include "bench/benchmark.h"
#include "bench/micro/micro_impl.h"
#include "pruners/level_db.h"
#include "pruners/network_price.h"

typedef struct {
  ap_network *net;
  ap_tech *tech;
  ap_pool *pool;
  ap_level_db *db;
  float *matrix, *bias; /* room for the largest layer */
  size_t n_levels;      /* of all layers */
} levels_problem;

static void teardown(void *problem) {
  levels_problem *p = problem;
  ap_level_db_destroy(p->db);
  ap_network_destroy(p->net);
  ap_tech_close(p->tech);
  ap_pool_destroy(p->pool);
  ap_free(p->matrix);
  ap_free(p->bias);
  ap_free(p);
}

static ap_status make(levels_problem *p, ap_error *err) {
  const ap_level_db_options options = ap_level_db_defaults();
  ap_level_db_destroy(p->db);
  p->db = NULL;
  return ap_level_db_create(p->net, p->tech, p->pool, NULL, &options, &p->db, err);
}
static ap_status build(void *problem, ap_error *err) { return make(problem, err); }

static ap_status setup(const void *context, const int64_t *point, void **problem, ap_error *err) {
  levels_problem *p = ap_calloc(1, sizeof *p);
  size_t weights = 0, columns = 0;
  ap_status st = AP_OK;
  (void)point;
  *problem = NULL;
  if (!p) return ap_fail(err, AP_ERR_MEMORY, "problem");
  st = ap_micro_network(context, (ap_shape3){1, 28, 28}, AP_MICRO_CLASSES, &p->net, err);
  if (!st) st = ap_tech_open("ou", &p->tech, err);
  if (!st) st = ap_pool_create(1, &p->pool, err);
  if (!st) st = make(p, err);
  for (size_t i = 0; !st && i < ap_level_db_layers(p->db); i++) {
    const ap_layer_info *layer = ap_level_db_layer(p->db, i);
    p->n_levels += ap_level_db_levels(p->db, i);
    if (layer->k * layer->n > weights) weights = layer->k * layer->n;
    if (layer->n > columns) columns = layer->n;
  }
  if (!st) {
    p->matrix = ap_calloc(weights, sizeof *p->matrix);
    p->bias = ap_calloc(columns, sizeof *p->bias);
    if (!p->matrix || !p->bias) st = ap_fail(err, AP_ERR_MEMORY, "%zu weights", weights);
  }
  if (st) {
    teardown(p);
    return st;
  }
  *problem = p;
  return AP_OK;
}

/* check: compare with what the database says, and map in full. */
static ap_status price_all(levels_problem *p, bool check, ap_error *err) {
  const ap_granularity vectors = ap_level_db_pruner(p->db).granularity;
  for (size_t i = 0; i < ap_level_db_layers(p->db); i++) {
    const ap_layer_info *layer = ap_level_db_layer(p->db, i);
    for (size_t l = 0; l < ap_level_db_levels(p->db, i); l++) {
      const ap_map_summary *map = &ap_level_db_level(p->db, i, l)->map;
      ap_network_price *price = NULL;
      ap_status st = ap_level_db_matrix(p->db, i, l, p->matrix, p->bias, err);
      if (!st) {
        st = ap_matrix_price_create(layer->name, p->matrix, layer->k, layer->n, layer->positions,
                                    p->tech, vectors, check, &price, err);
      }
      if (!st && check &&
          (price->map.crossbars != map->crossbars || price->map.ous != map->ous ||
           price->map.index_bits != map->index_bits)) {
        st = ap_fail(err, AP_ERR_INTERNAL, "%s, level %zu: %llu OUs, its weights take %llu",
                     layer->name, l, (unsigned long long)map->ous,
                     (unsigned long long)price->map.ous);
      }
      ap_network_price_destroy(price);
      if (st) return st;
    }
  }
  return AP_OK;
}
static ap_status one_by_one(void *problem, ap_error *err) { return price_all(problem, false, err); }
static ap_status verify(void *problem, ap_error *err) { return price_all(problem, true, err); }

static void report(void *problem, size_t way, ap_bench_meter *meter) {
  const levels_problem *p = problem;
  (void)way;
  ap_bench_counter(meter, "levels", (double)p->n_levels, AP_BENCH_RATE);
}

ap_status ap_micro_levels(ap_error *err) {
  static const ap_bench_way ways[] = {{"one_by_one", one_by_one}, {"build", build}};
  return ap_bench_register(&(ap_bench_case){.name = "level_db/lenet5",
                                            .n_points = 1,
                                            .n_ways = 2,
                                            .ways = ways,
                                            .context = "lenet5",
                                            .setup = setup,
                                            .verify = verify,
                                            .report = report,
                                            .teardown = teardown},
                           err);
}
