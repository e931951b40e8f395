/* Layers with weight bits of their own, 2 to 8: the fast evaluator, the quantised network and the data
 * path give the same outputs bit for bit; counts, levels and policies follow each layer's own width. */
#include "nn/evaluator.h"
#include "pruners/datapath_network.h"
#include "pruners/integer_network.h"
#include "pruners/network_price.h"
#include "pruners/policy.h"
#include "pruners/pruner.h"
#include "pruners/quantised_layer.h"
#include "tests/nn/odd_network.h"

enum { LAYERS = 32, IMAGES = 24, CLASSES = 10 };
static ap_pool *pool;
static ap_tech *tech;

static int open_all(void **state) {
  if (open_images(state)) return -1;
  must(ap_tech_open("ou", &tech, &failure));
  return ap_pool_create(2, &pool, &failure) ? -1 : 0;
}

static int close_all(void **state) {
  ap_pool_destroy(pool);
  ap_tech_close(tech);
  return close_images(state);
}

/* Widths 2 to 8 for every layer, drawn from a seed; some layers keep the array's. */
static size_t draw_bits(ap_network *net, uint64_t seed) {
  ap_layer_info info[LAYERS];
  size_t n = ap_network_layers(net, info, LAYERS);
  ap_rng rng;
  ap_rng_seed(&rng, seed, 0);
  for (size_t l = 0; l < n; l++) {
    uint64_t pick = ap_rng_below(&rng, 8);
    net->nodes[info[l].node].weight_bits = pick ? (unsigned)(1 + pick) : 0;
  }
  return n;
}

/* Two of three vectors stay, of every layer. */
static void prune(ap_network *net, const ap_array_spec *array, const char *granularity) {
  ap_layer_info info[LAYERS];
  size_t n = ap_network_layers(net, info, LAYERS);
  ap_granularity g;
  ap_rng rng;
  must(ap_granularity_parse(granularity, &g, &failure));
  ap_rng_seed(&rng, 3, 0);
  for (size_t l = 0; l < n; l++) {
    const ap_array_spec own = ap_array_for_weights(array, info[l].weight_bits);
    float *matrix = ap_calloc(info[l].k * info[l].n, sizeof *matrix);
    ap_partition p;
    uint8_t *kept;
    if (info[l].groups == 1) {
      must(ap_partition_init(g, &own, info[l].k, info[l].n, &p, &failure));
      kept = ap_calloc(p.count, 1);
      for (size_t i = 0; i < p.count; i++) kept[i] = ap_rng_below(&rng, 3) > 0 || p.count == 1;
      ap_layer_get_matrix(net, info[l].node, matrix);
      ap_partition_mask_f32(&p, kept, matrix);
      ap_layer_set_matrix(net, info[l].node, matrix);
      ap_free(kept);
    }
    ap_free(matrix);
  }
}

static void three_ways_agree(const ap_network *net, const ap_array_spec *array,
                             const char *granularity) {
  static const uint32_t given[LAYERS] = {0};
  const ap_range_options ranges = {.images = 20, .coverage = 1};
  ap_integer_network *in = NULL;
  ap_datapath_network *hw = NULL;
  ap_evaluator *ev = NULL;
  ap_evaluator_integers integers;
  ap_evaluator_options options = {.n_threads = 2, .integer = &integers};
  ap_datapath_stats stats = {0, 0};
  ap_granularity g;
  float a[IMAGES * CLASSES], b[IMAGES * CLASSES], c[IMAGES * CLASSES];
  must(ap_granularity_parse(granularity, &g, &failure));
  must(ap_integer_network_create(net, array, images, &ranges, pool, &in, &failure));
  must(ap_datapath_network_create(in, array, g, &hw, &failure));
  integers = (ap_evaluator_integers){ap_integer_network_all_layers(in), array->activation_bits};
  must(ap_evaluator_create(net, images, AP_SPLIT_TEST, IMAGES, &options, &ev, &failure));
  must(ap_integer_network_run(in, images, AP_SPLIT_TEST, IMAGES, pool, NULL, a, &failure));
  must(ap_datapath_network_run(hw, NULL, 0, images, AP_SPLIT_TEST, IMAGES, pool, NULL, b, &stats,
                               &failure));
  must(ap_evaluator_logits(ev, given, c, &failure));
  assert_memory_not_equal(a, a + CLASSES, CLASSES * sizeof *a);
  assert_memory_equal(a, b, sizeof a);
  assert_memory_equal(a, c, sizeof a);
  assert_true(stats.conversions > 0);
  assert_true(stats.saturated == 0);
  /* every layer's integers use its own range, and at least one weight its end */
  for (size_t l = 0; l < ap_integer_network_layers(in); l++) {
    const ap_integer_layer *layer = ap_integer_network_layer(in, l);
    unsigned bits = layer->info.weight_bits;
    int32_t most = (int32_t)(1U << (bits - 1)) - 1, largest = 0;
    for (size_t i = 0; i < layer->info.k * layer->info.n; i++) {
      int32_t w = layer->weight[i] < 0 ? -layer->weight[i] : layer->weight[i];
      largest = w > largest ? w : largest;
    }
    assert_int_equal(largest, most);
  }
  ap_evaluator_destroy(ev);
  ap_datapath_network_destroy(hw);
  ap_integer_network_destroy(in);
}

static void evaluator_network_and_data_path(void **state) {
  static const char *const granularities[] = {"column-vector", "row-vector", "block:8x3", "dense",
                                              "unstructured"};
  (void)state;
  for (uint64_t seed = 0; seed < 15; seed++) {
    ap_array_spec array = ap_array_spec_default();
    const char *granularity = granularities[seed % 5];
    ap_network *net = odd_network();
    array.encoding = (ap_encoding)(seed % 3);
    if (seed % 2 == 1) { /* odd crossbars and other cells, slices apart, fewer activation bits */
      array.rows = 37;
      array.cols = 61;
      array.ou_rows = 7;
      array.ou_cols = 11;
      array.cell_bits = (unsigned)(1 + seed % 4);
      array.weight_bits = 6;
      array.activation_bits = 7;
      array.slices = AP_SLICES_SEPARATE;
    }
    (void)draw_bits(net, seed);
    if (seed > 0) prune(net, &array, granularity);
    three_ways_agree(net, &array, granularity);
    ap_network_destroy(net);
  }
}

/* A width for every layer at once is the array's width. */
static void one_width_for_all_is_the_arrays(void **state) {
  static const uint32_t bits[] = {2, 3, 4, 5, 6, 7, 8};
  const ap_range_options ranges = {.images = 20, .coverage = 1};
  (void)state;
  for (size_t b = 0; b < sizeof bits / sizeof bits[0]; b++) {
    ap_array_spec eight = ap_array_spec_default(), own = eight;
    ap_network *net = odd_network(), *marked = NULL;
    ap_integer_network *x = NULL, *y = NULL;
    float a[IMAGES * CLASSES], c[IMAGES * CLASSES];
    char text[8];
    own.weight_bits = bits[b];
    (void)snprintf(text, sizeof text, "%u", bits[b]);
    must(ap_network_copy(net, &marked, &failure));
    must(ap_network_set_weight_bits(marked, text, &failure));
    must(ap_integer_network_create(net, &own, images, &ranges, pool, &x, &failure));
    must(ap_integer_network_create(marked, &eight, images, &ranges, pool, &y, &failure));
    must(ap_integer_network_run(x, images, AP_SPLIT_TEST, IMAGES, pool, NULL, a, &failure));
    must(ap_integer_network_run(y, images, AP_SPLIT_TEST, IMAGES, pool, NULL, c, &failure));
    assert_memory_equal(a, c, sizeof a);
    ap_integer_network_destroy(x);
    ap_integer_network_destroy(y);
    ap_network_destroy(marked);
    ap_network_destroy(net);
  }
}

/* Each layer's counts are those of its matrix alone on an array of its width; crossbars of the dense
 * mapping follow ceil(K / R) * ceil(N s / C). */
static void counts_follow_the_width(void **state) {
  (void)state;
  for (uint64_t seed = 0; seed < 6; seed++) {
    ap_network *net = odd_network();
    ap_granularity g;
    ap_network_price *all = NULL;
    size_t n = draw_bits(net, seed);
    prune(net, ap_tech_array(tech), "column-vector");
    must(ap_granularity_parse("column-vector", &g, &failure));
    must(ap_network_price_create(net, tech, g, true, &all, &failure));
    assert_int_equal(all->n_layers, n);
    for (size_t l = 0; l < n; l++) {
      const ap_layer_info *info = &all->layers[l].info;
      unsigned asked = net->nodes[info->node].weight_bits;
      ap_tech *narrow = NULL;
      ap_network_price *one = NULL;
      float *matrix;
      char text[8];
      assert_int_equal(info->weight_bits, asked ? asked : 8);
      if (info->groups > 1) continue;
      matrix = ap_calloc(info->k * info->n, sizeof *matrix);
      ap_layer_get_matrix(net, info->node, matrix);
      must(ap_tech_clone(tech, &narrow, &failure));
      (void)snprintf(text, sizeof text, "%u", info->weight_bits);
      must(ap_tech_override(narrow, "array.weight_bits", text, &failure));
      must(ap_matrix_price_create("w", matrix, info->k, info->n, info->positions, narrow, g, true,
                                  &one, &failure));
      assert_true(one->map.crossbars == all->layers[l].map.crossbars);
      assert_true(one->map.crossbars_dense == all->layers[l].map.crossbars_dense);
      assert_true(one->map.ous == all->layers[l].map.ous);
      assert_true(one->map.index_bits == all->layers[l].map.index_bits);
      assert_true(fabs(one->cost.total_energy_uj - all->layers[l].cost.total_energy_uj) <
                  1e-9 * one->cost.total_energy_uj);
      {
        size_t s = (info->weight_bits + 1) / 2; /* offset encoding, cells of 2 bits */
        size_t expected = ((info->k + 127) / 128) * ((info->n * s + 127) / 128);
        assert_true(all->layers[l].map.crossbars_dense == expected);
      }
      ap_network_price_destroy(one);
      ap_tech_close(narrow);
      ap_free(matrix);
    }
    ap_network_price_destroy(all);
    ap_network_destroy(net);
  }
}

/* The policy of a search says its layers' bits; given back to a network without any, and applied, it
 * prunes the same vectors that the database kept and prices the same. */
static void levels_and_policies(void **state) {
  static const char *const pruners[] = {"column-vector", "row-vector"};
  (void)state;
  for (size_t p = 0; p < 2; p++) {
    ap_network *net = odd_network(), *plain = NULL, *deployed = NULL;
    ap_level_db_options options = ap_level_db_defaults();
    ap_level_db *db = NULL;
    ap_policy *policy = NULL, *back = NULL;
    ap_network_price *price = NULL;
    uint32_t levels[LAYERS];
    uint64_t promised = 0;
    size_t n;
    must(ap_network_copy(net, &plain, &failure));
    n = draw_bits(net, 40 + p);
    must(ap_pruner_parse(pruners[p], &options.pruner, &failure));
    options.snap = AP_SNAP_OU;
    must(ap_level_db_create(net, tech, pool, NULL, &options, &db, &failure));
    for (size_t l = 0; l < n; l++) {
      const ap_layer_info *info = ap_level_db_layer(db, l);
      unsigned bits = info->weight_bits ? info->weight_bits : 8;
      size_t size = info->k * info->n;
      float *matrix = ap_calloc(size, sizeof *matrix), *again = ap_calloc(size, sizeof *again);
      float *bias = ap_calloc(info->n, sizeof *bias);
      levels[l] = (uint32_t)(ap_level_db_levels(db, l) / 2);
      promised += ap_level_db_level(db, l, levels[l])->map.ous;
      must(ap_level_db_matrix(db, l, levels[l], matrix, bias, &failure));
      memcpy(again, matrix, size * sizeof *again);
      must(ap_quantise_in_place(again, info->k, info->n, bits, &failure));
      for (size_t i = 0; i < size; i++) { /* on the grid of these bits already */
        assert_true(fabs((double)matrix[i] - (double)again[i]) <
                    1e-6 * fabs((double)again[i]) + 1e-30);
      }
      ap_free(matrix);
      ap_free(again);
      ap_free(bias);
    }
    must(ap_policy_from_levels(db, levels, &policy, &failure));
    must(ap_policy_save(scratch_path("p.json"), policy, NULL, true, &failure));
    must(ap_policy_load(scratch_path("p.json"), &back, &failure));
    for (size_t l = 0; l < n; l++) {
      assert_int_equal(back->layers[l].weight_bits, ap_level_db_layer(db, l)->weight_bits);
    }
    must(ap_network_copy(plain, &deployed, &failure));
    must(ap_policy_set_weight_bits(back, deployed, &failure));
    must(ap_policy_apply(back, ap_tech_array(tech), deployed, &failure));
    must(ap_network_price_create(deployed, tech, options.pruner.granularity, true, &price,
                                 &failure));
    assert_true(price->map.ous == promised);
    ap_network_price_destroy(price);
    ap_policy_destroy(policy);
    ap_policy_destroy(back);
    ap_level_db_destroy(db);
    ap_network_destroy(net);
    ap_network_destroy(plain);
    ap_network_destroy(deployed);
    assert_int_equal(unlink(scratch_path("p.json")), 0);
  }
}

static void bad_policies(void **state) {
  static const char text[] =
      "{\"schema\": \"autoprune-policy-1\", \"granularity\": \"column-vector\", \"layers\": "
      "[{\"name\": \"a\", \"keep\": 1, \"vectors_kept\": 1, \"weight_bits\": 17}]}";
  FILE *file = fopen(scratch_path("p.json"), "wb");
  ap_policy *policy = NULL;
  (void)state;
  assert_non_null(file);
  (void)fputs(text, file);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(ap_policy_load(scratch_path("p.json"), &policy, &failure), AP_ERR_FORMAT);
  assert_non_null(strstr(failure.text, "weight_bits"));
  assert_int_equal(unlink(scratch_path("p.json")), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(evaluator_network_and_data_path),
      cmocka_unit_test(one_width_for_all_is_the_arrays), cmocka_unit_test(counts_follow_the_width),
      cmocka_unit_test(levels_and_policies), cmocka_unit_test(bad_policies)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
