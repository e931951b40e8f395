/* Level database, policies, prices of whole networks: properties, and one case worked by hand. */
#include "pruners/level_db.h"
#include "pruners/network_price.h"
#include "pruners/policy.h"
#include "pruners/recover.h"
#include "tests/nn/train_testing.h"

static ap_tech *hardware(const char *rows, const char *cols, const char *ou_rows,
                         const char *ou_cols) {
  ap_tech *tech = NULL;
  must(ap_tech_open("ou", &tech, &failure));
  must(ap_tech_override(tech, "array.ou_rows", ou_rows, &failure));
  must(ap_tech_override(tech, "array.ou_cols", ou_cols, &failure));
  must(ap_tech_override(tech, "array.rows", rows, &failure));
  must(ap_tech_override(tech, "array.cols", cols, &failure));
  return tech;
}

static ap_network *folded(const char *name, uint64_t seed) {
  ap_network *net = NULL, *out = NULL;
  must(ap_network_builtin(name, (ap_shape3){1, 28, 28}, 10, seed, &net, &failure));
  must(ap_network_fold(net, &out, &failure));
  ap_network_destroy(net);
  return out;
}

static ap_level_db *levels_of(const ap_network *net, const ap_tech *tech, ap_pool *pool,
                              const char *pruner, ap_snap snap, size_t max_levels) {
  ap_level_db_options options = ap_level_db_defaults();
  ap_level_db *db = NULL;
  must(ap_pruner_parse(pruner, &options.pruner, &failure));
  options.snap = snap;
  options.max_levels = max_levels;
  must(ap_level_db_create(net, tech, pool, NULL, &options, &db, &failure));
  return db;
}

static void check_layer(const ap_level_db *db, size_t layer, ap_snap snap) {
  const ap_layer_info *info = ap_level_db_layer(db, layer);
  size_t n = ap_level_db_levels(db, layer), size = info->k * info->n;
  float *mask = ap_calloc(size, sizeof *mask), *below = ap_calloc(size, sizeof *below);
  float *matrix = ap_calloc(size, sizeof *matrix), *bias = ap_calloc(info->n, sizeof *bias);
  assert_true(n >= 1);
  assert_true(ap_level_db_level(db, layer, n - 1)->keep == 1.0);
  for (size_t i = 0; i < n; i++) {
    const ap_keep_level *level = ap_level_db_level(db, layer, i);
    uint64_t held = 0;
    assert_int_equal(ap_level_db_find(db, layer, level->keep), i);
    must(ap_level_db_mask(db, layer, i, mask, &failure));
    must(ap_level_db_matrix(db, layer, i, matrix, bias, &failure));
    for (size_t j = 0; j < size; j++) {
      held += mask[j] != 0;
      assert_true(mask[j] == 0 || mask[j] == 1);
      if (mask[j] == 0) assert_true(matrix[j] == 0);
      if (i > 0) assert_true(mask[j] >= below[j]); /* nested */
    }
    assert_int_equal(held, level->map.weights_kept);
    if (i > 0) {
      const ap_keep_level *lower = ap_level_db_level(db, layer, i - 1);
      assert_true(level->keep > lower->keep);
      if (snap == AP_SNAP_CROSSBAR) assert_true(level->map.crossbars > lower->map.crossbars);
      assert_true(level->map.ous > lower->map.ous);
      /* without the index: a layer that keeps all has none */
      assert_true(level->cost.energy_uj[AP_PART_ADC] > lower->cost.energy_uj[AP_PART_ADC]);
      /* a wish just above the lower level costs the same as this one */
      assert_int_equal(ap_level_db_find(db, layer, lower->keep + 1e-6), i);
    }
    memcpy(below, mask, size * sizeof *mask);
  }
  ap_free(mask);
  ap_free(below);
  ap_free(matrix);
  ap_free(bias);
}

static void levels_are_nested_and_rise(void **state) {
  static const char *const pruners[] = {"column-vector", "row-vector",    "filter",
                                        "block",         "unstructured",  "column-vector:5",
                                        "channel",       "row-vector+l1", "bit-column"};
  static const char *const sizes[][4] = {{"128", "128", "9", "8"}, {"31", "17", "4", "5"}};
  ap_pool *pool = NULL;
  (void)state;
  must(ap_pool_create(2, &pool, &failure));
  for (size_t h = 0; h < 2; h++) {
    ap_network *net = folded(h ? "resnet8" : "lenet5", 3);
    ap_tech *tech = hardware(sizes[h][0], sizes[h][1], sizes[h][2], sizes[h][3]);
    for (size_t p = 0; p < sizeof pruners / sizeof pruners[0]; p++) {
      for (int snap = AP_SNAP_CROSSBAR; snap <= AP_SNAP_NONE; snap++) {
        ap_level_db *db = levels_of(net, tech, pool, pruners[p], (ap_snap)snap, 5);
        double dense = 0;
        for (size_t l = 0; l < ap_level_db_layers(db); l++) {
          assert_true(ap_level_db_levels(db, l) <= 5);
          check_layer(db, l, (ap_snap)snap);
          dense += (double)ap_level_db_level(db, l, 0)->map.crossbars_dense;
        }
        assert_true(dense == ap_level_db_dense_crossbars(db));
        ap_level_db_destroy(db);
      }
    }
    ap_tech_close(tech);
    ap_network_destroy(net);
  }
  ap_pool_destroy(pool);
}

/* Of every crossbar level, one vector more would cost another crossbar. */
static void crossbar_levels_are_the_largest(void **state) {
  ap_network *net = folded("lenet5", 4);
  ap_tech *tech = hardware("64", "64", "9", "8");
  ap_pool *pool = NULL;
  ap_level_db *db;
  (void)state;
  must(ap_pool_create(1, &pool, &failure));
  db = levels_of(net, tech, pool, "column-vector", AP_SNAP_CROSSBAR, 1000);
  for (size_t l = 0; l < ap_level_db_layers(db); l++) {
    const ap_layer_info *info = ap_level_db_layer(db, l);
    float *matrix = ap_calloc(info->k * info->n, sizeof *matrix);
    ap_partition partition;
    uint32_t *order;
    uint8_t *kept;
    must(ap_partition_init((ap_granularity){.kind = AP_GRANULARITY_COLUMN_VECTOR},
                           ap_tech_array(tech), info->k, info->n, &partition, &failure));
    order = ap_calloc(partition.count, sizeof *order);
    kept = ap_calloc(partition.count, 1);
    ap_layer_get_matrix(net, info->node, matrix);
    must(ap_pruner_order(&partition, AP_CRITERION_L2, matrix, order, &failure));
    for (size_t i = 0; i + 1 < ap_level_db_levels(db, l); i++) {
      const ap_keep_level *level = ap_level_db_level(db, l, i);
      ap_map_summary more;
      ap_pruner_keep_first(order, partition.count, level->n_kept + 1, kept);
      must(ap_map_count(ap_tech_array(tech), partition.granularity, kept, NULL, info->k, info->n,
                        info->positions, &more, NULL, NULL, &failure));
      assert_true(more.crossbars > level->map.crossbars);
    }
    ap_free(matrix);
    ap_free(order);
    ap_free(kept);
  }
  ap_level_db_destroy(db);
  ap_pool_destroy(pool);
  ap_tech_close(tech);
  ap_network_destroy(net);
}

static void refuses_bad_options(void **state) {
  ap_network *net = folded("lenet5", 5);
  ap_tech *tech = hardware("128", "128", "9", "8");
  ap_level_db_options options = ap_level_db_defaults();
  ap_level_db *db;
  ap_snap snap;
  (void)state;
  options.max_levels = 1;
  assert_int_equal(ap_level_db_create(net, tech, NULL, NULL, &options, &db, &failure), AP_ERR_ARG);
  options = ap_level_db_defaults();
  options.keep_min = 0;
  assert_int_equal(ap_level_db_create(net, tech, NULL, NULL, &options, &db, &failure), AP_ERR_ARG);
  assert_null(db);
  assert_int_equal(ap_snap_parse("ou", &snap, &failure), AP_OK);
  assert_int_equal(snap, AP_SNAP_OU);
  assert_int_equal(ap_snap_parse("xbar", &snap, &failure), AP_ERR_ARG);
  net->nodes[1].weight[3] = NAN;
  options = ap_level_db_defaults();
  assert_int_equal(ap_level_db_create(net, tech, NULL, NULL, &options, &db, &failure),
                   AP_ERR_FORMAT);
  ap_tech_close(tech);
  ap_network_destroy(net);
}

static void survives_failing_allocations(void **state) {
  ap_network *net = folded("lenet5", 6);
  ap_tech *tech = hardware("128", "128", "9", "8");
  ap_level_db_options options = ap_level_db_defaults();
  (void)state;
  options.max_levels = 3;
  for (size_t i = 0;; i++) {
    ap_level_db *db = NULL;
    ap_status st;
    ap_alloc_fail_after(i);
    st = ap_level_db_create(net, tech, NULL, NULL, &options, &db, &failure);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) {
      assert_true(i > 10);
      ap_level_db_destroy(db);
      break;
    }
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(db);
  }
  ap_tech_close(tech);
  ap_network_destroy(net);
}

/* A policy written, read and applied gives the levels' masks; the price of the result is at most
 * what the levels promise (vectors that quantise to zero drop out) and for vectors exactly it. */
static void check_travel(const char *pruner) {
  ap_network *net = folded("lenet5", 7), *pruned = NULL;
  ap_tech *tech = hardware("128", "128", "9", "8");
  ap_pool *pool = NULL;
  ap_level_db *db;
  ap_policy *policy = NULL, *back = NULL;
  ap_network_price *price = NULL;
  uint32_t levels[8];
  must(ap_pool_create(1, &pool, &failure));
  db = levels_of(net, tech, pool, pruner, AP_SNAP_OU, 16);
  for (size_t l = 0; l < ap_level_db_layers(db); l++) {
    levels[l] = (uint32_t)(ap_level_db_levels(db, l) / (l + 2));
  }
  must(ap_policy_from_levels(db, levels, &policy, &failure));
  must(ap_policy_save(scratch_path("p.json"), policy, NULL, false, &failure));
  assert_int_equal(ap_policy_save(scratch_path("p.json"), policy, NULL, false, &failure),
                   AP_ERR_ARG);
  must(ap_policy_load(scratch_path("p.json"), &back, &failure));
  must(ap_network_copy(net, &pruned, &failure));
  must(ap_policy_apply(back, ap_tech_array(tech), pruned, &failure));
  assert_int_equal(back->pruner.criterion, policy->pruner.criterion);
  must(ap_network_price_create(pruned, tech, back->pruner.granularity, true, &price, &failure));
  assert_int_equal(price->n_layers, ap_level_db_layers(db));
  for (size_t l = 0; l < price->n_layers; l++) {
    const ap_layer_info *info = ap_level_db_layer(db, l);
    const ap_keep_level *level = ap_level_db_level(db, l, levels[l]);
    size_t size = info->k * info->n;
    float *mask = ap_calloc(size, sizeof *mask), *matrix = ap_calloc(size, sizeof *matrix);
    must(ap_level_db_mask(db, l, levels[l], mask, &failure));
    ap_layer_get_matrix(pruned, info->node, matrix);
    for (size_t i = 0; i < size; i++) assert_true((matrix[i] != 0) == (mask[i] != 0));
    assert_int_equal(price->layers[l].map.vectors_kept, level->map.vectors_kept);
    assert_int_equal(price->layers[l].map.crossbars, level->map.crossbars);
    assert_int_equal(price->layers[l].map.ous, level->map.ous);
    assert_true(price->layers[l].cost.total_energy_uj == level->cost.total_energy_uj);
    ap_free(mask);
    ap_free(matrix);
  }
  pruned->nodes[1].name[0] = 'X'; /* another layer name: refused */
  assert_int_equal(ap_policy_apply(back, ap_tech_array(tech), pruned, &failure), AP_ERR_ARG);
  ap_policy_destroy(policy);
  ap_policy_destroy(back);
  ap_network_price_destroy(price);
  ap_level_db_destroy(db);
  ap_pool_destroy(pool);
  ap_tech_close(tech);
  ap_network_destroy(pruned);
  ap_network_destroy(net);
}

static void policies_travel(void **state) {
  static const char *const pruners[] = {"column-vector", "row-vector+l1", "pattern", "pattern:9x3",
                                        "column-vector+lamp"};
  (void)state;
  for (size_t i = 0; i < sizeof pruners / sizeof pruners[0]; i++) {
    check_travel(pruners[i]);
    (void)remove(scratch_path("p.json"));
  }
}

/* Is all of input channel c of the layer behind 0? What flattening makes of a channel are `taps` rows one after the other. */
static bool rows_are_zero(const ap_network *net, const ap_layer_info *info, size_t c, size_t taps) {
  const float *w = net->nodes[info->node].weight;
  for (size_t j = 0; j < info->n; j++)
    for (size_t t = 0; t < taps; t++)
      if (fabsf(w[j * info->k + c * taps + t]) > 0) return false;
  return true;
}

/* Whole filters and whole input channels: what they make useless on the other side goes with them, bias included. */
static void neighbours_follow(void **state) {
  static const char *const pruners[] = {"filter", "channel"};
  (void)state;
  for (size_t kind = 0; kind < 2; kind++) {
    ap_network *net = folded("lenet5", 7);
    ap_tech *tech = hardware("128", "128", "9", "8");
    ap_policy *policy = NULL;
    ap_pruner pruner;
    ap_layer_info info[4];
    size_t gone = 0;
    for (size_t i = 1; i < net->n_nodes; i++) /* so that a bias that stays shows */
      for (size_t j = 0; net->nodes[i].bias && j < net->nodes[i].shape.c; j++)
        net->nodes[i].bias[j] = 0.25f;
    must(ap_pruner_parse(pruners[kind], &pruner, &failure));
    must(ap_policy_uniform(net, tech, &pruner, 0.4, &policy, &failure));
    must(ap_policy_apply(policy, ap_tech_array(tech), net, &failure));
    assert_int_equal(ap_network_layers(net, info, 4), 4);
    for (size_t l = 0; l < 3; l++) {
      const ap_node *node = &net->nodes[info[l].node];
      const size_t taps = info[l + 1].k / info[l].n;
      for (size_t j = 0; j < info[l].n; j++) {
        bool empty = true;
        for (size_t i = 0; i < info[l].k; i++)
          empty = empty && !(fabsf(node->weight[j * info[l].k + i]) > 0);
        assert_int_equal(empty, rows_are_zero(net, &info[l + 1], j, taps));
        assert_int_equal(empty, !(fabsf(node->bias[j]) > 0));
        gone += empty;
      }
    }
    assert_true(gone > 100);
    ap_policy_destroy(policy);
    ap_tech_close(tech);
    ap_network_destroy(net);
  }
}

/* A layer of 4 x 3 weights in bands of 2 rows has 6 vectors: what keeps 3 of them, as it says, may call that
 * half, or 0.6, but neither all nor a quarter, as on an array of other rows. */
static void kept_shares_are_held_to_the_array(void **state) {
  static const struct {
    double keep;
    int kept;
    bool fits;
  } cases[] = {{0.5, 3, true}, {0.6, 3, true},  {0.4, 3, true},   {1, 6, true},
               {0, 0, true},   {1, 1, false},   {0.25, 3, false}, {1, 3, false},
               {0, 1, false},  {0.5, 7, false}, {0.9, 6, true},   {1, 5, false}};
  ap_tech *tech = hardware("4", "8", "2", "4");
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    ap_network *net = NULL;
    ap_policy *policy = NULL;
    char text[300];
    size_t at;
    ap_status st;
    must(ap_network_create("net", (ap_shape3){4, 1, 1}, &net, &failure));
    at = put_linear(net, 3, true, 0);
    (void)snprintf(text, sizeof text,
                   "{\"schema\": \"autoprune-policy-1\", \"granularity\": \"column-vector\", "
                   "\"layers\": [{\"name\": \"%s\", \"keep\": %g, \"vectors_kept\": %d}]}",
                   net->nodes[at].name, cases[i].keep, cases[i].kept);
    scratch_write("share.json", text, strlen(text));
    must(ap_policy_load(scratch_path("share.json"), &policy, &failure));
    st = ap_policy_apply(policy, ap_tech_array(tech), net, &failure);
    if ((st == AP_OK) != cases[i].fits) fail_msg("case %zu: status %d", i, (int)st);
    if (st) {
      assert_int_equal(st, AP_ERR_ARG);
      assert_non_null(strstr(failure.text, net->nodes[at].name));
      assert_non_null(strstr(failure.text, " 6 on this array"));
    }
    ap_policy_destroy(policy);
    ap_network_destroy(net);
  }
  (void)remove(scratch_path("share.json"));
  ap_tech_close(tech);
}

static void bad_policies_are_refused(void **state) {
  static const char *const texts[] = {
      "",
      "{}",
      "[1]",
      "{\"schema\": \"autoprune-policy-1\"}",
      "{\"schema\": \"other\", \"granularity\": \"filter\", \"layers\": []}",
      "{\"schema\": \"autoprune-policy-1\", \"granularity\": \"filter\", \"layers\": []}",
      "{\"schema\": \"autoprune-policy-1\", \"granularity\": \"none\", \"layers\": "
      "[{\"name\": \"a\", \"keep\": 1, \"vectors_kept\": 1}]}",
      "{\"schema\": \"autoprune-policy-1\", \"granularity\": \"filter\", \"layers\": "
      "[{\"name\": \"a\", \"keep\": 2, \"vectors_kept\": 1}]}",
      "{\"schema\": \"autoprune-policy-1\", \"granularity\": \"filter\", \"layers\": "
      "[{\"name\": \"a\", \"keep\": 1, \"vectors_kept\": -1}]}",
      "{\"schema\": \"autoprune-policy-1\", \"granularity\": \"filter\", \"layers\": [7]}"};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    ap_policy *policy = NULL;
    scratch_write("bad.json", texts[i], strlen(texts[i]));
    assert_int_not_equal(ap_policy_load(scratch_path("bad.json"), &policy, &failure), AP_OK);
    assert_null(policy);
    if (i != 6) assert_non_null(strstr(failure.text, "bad.json"));
  }
}

/* K = 4, N = 3 in bands of 2 rows, OU 2x4, 4 bitlines a weight (8-bit, 2-bit cells, offset): a
 * kept vector fills one OU. Kept: (0-1, col 0), (0-1, col 2), (2-3, col 1) -> 3 OUs; crossbar 4 x 8
 * holds 2 x 2 of them -> 1 crossbar; dense: ceil(4/4) * ceil(3*4/8) = 2. */
static void one_matrix_by_hand(void **state) {
  const float w[12] = {1, 0, 3, 2, 0, 1, 0, 4, 0, 0, -4, 0};
  ap_tech *tech = hardware("4", "8", "2", "4");
  ap_network_price *price = NULL;
  ap_pruner pruner;
  (void)state;
  must(ap_pruner_parse("column-vector", &pruner, &failure));
  must(ap_matrix_price_create("w", w, 4, 3, 5, tech, pruner.granularity, true, &price, &failure));
  assert_int_equal(price->map.vectors, 6);
  assert_int_equal(price->map.vectors_kept, 3);
  assert_int_equal(price->map.ous, 3);
  assert_int_equal(price->map.ous_dense, 6);
  assert_int_equal(price->map.crossbars, 1);
  assert_int_equal(price->map.crossbars_dense, 2);
  assert_int_equal(price->events.ou_reads, 3 * 5 * 8); /* OUs x positions x input bits */
  assert_true(price->cost.total_energy_uj == price->layers[0].cost.total_energy_uj);
  { /* 5 positions over 3 copies: 2 for the busiest of them; counts are those of one copy */
    double area = price->cost.total_area_mm2, latency = price->cost.total_latency_us;
    uint64_t reads = price->events.ou_reads;
    double energy = price->cost.total_energy_uj;
    must(ap_network_price_replicate(price, tech, 3, &failure));
    assert_true(fabs(price->cost.total_area_mm2 - 3 * area) < 1e-12 * area);
    assert_true(fabs(price->cost.total_latency_us - latency * 2 / 5) < 1e-12 * latency);
    assert_true(price->cost.total_energy_uj == energy && price->events.ou_reads == reads);
    assert_int_equal(ap_network_price_replicate(price, tech, 0, &failure), AP_ERR_ARG);
  }
  ap_network_price_destroy(price);
  assert_int_equal(
      ap_matrix_price_create("w", w, 0, 3, 5, tech, pruner.granularity, true, &price, &failure),
      AP_ERR_ARG);
  ap_tech_close(tech);
}

/* Trivial is what is 0 in the network: weights that quantisation rounds to 0 keep their vector's
 * cells, so that counts agree with the mask. Two vectors in column 0 (the lower one is tiny beside
 * the upper), none in column 1; an explicit mask must hold all that is not 0. */
static void rounding_removes_no_vector(void **state) {
  const float w[8] = {1, 0, 0, 0, 1e-6F, 0, 0, 0};
  const int32_t q[8] = {127, 0, 0, 0, 0, 0, 0, 0};
  const uint8_t kept[4] = {1, 0, 1, 0}, too_few[4] = {0, 0, 1, 0};
  static const char *const pruners[] = {"column-vector", "row-vector:1", "unstructured"};
  ap_tech *tech = hardware("4", "8", "2", "4");
  ap_mapping *mapping = NULL;
  ap_map_summary summary;
  ap_granularity columns = {AP_GRANULARITY_COLUMN_VECTOR, 0, 0};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    ap_network_price *price = NULL;
    ap_pruner pruner;
    must(ap_pruner_parse(pruners[i], &pruner, &failure));
    must(ap_matrix_price_create("w", w, 4, 2, 1, tech, pruner.granularity, true, &price, &failure));
    assert_int_equal(price->map.vectors_kept, 2);
    ap_network_price_destroy(price);
  }
  must(ap_mapping_create_kept(ap_tech_array(tech), columns, q, kept, NULL, 4, 2, &mapping,
                              &failure));
  must(ap_mapping_summary(mapping, 1, &summary, &failure));
  assert_int_equal(summary.vectors_kept, 2);
  ap_mapping_destroy(mapping);
  assert_int_equal(ap_mapping_create_kept(ap_tech_array(tech), columns, q, too_few, NULL, 4, 2,
                                          &mapping, &failure),
                   AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "[0, 0] is 127"));
  assert_null(mapping);
  ap_tech_close(tech);
}

/* A depthwise layer is one small matrix a channel, all on shared crossbars; the total is the sum of the
 * layers. */
static void groups_are_mapped_apart(void **state) {
  ap_network *net = NULL;
  ap_tech *tech = hardware("128", "128", "9", "8");
  ap_network_price *price = NULL;
  ap_pruner pruner;
  json_t *document;
  size_t at;
  double energy = 0;
  (void)state;
  must(ap_network_create("grouped", (ap_shape3){4, 6, 6}, &net, &failure));
  at = put_conv(net, 4, 3, 1, 4, true, 0);
  at = put_conv(net, 6, 1, 1, 2, true, at);
  at = put_plain(net, AP_NODE_FLATTEN, at);
  (void)put_linear(net, 10, true, at);
  randomise(net, 9);
  must(ap_pruner_parse("column-vector", &pruner, &failure));
  must(ap_network_price_create(net, tech, pruner.granularity, true, &price, &failure));
  assert_int_equal(price->layers[0].map.crossbars_dense, 1); /* 9 x 1 four times */
  assert_int_equal(price->layers[0].map.ous, 4);
  assert_int_equal(price->layers[0].map.crossbars, 1);
  assert_int_equal(price->layers[0].events.cycles, 4 * 8 * price->layers[0].info.positions);
  assert_int_equal(price->layers[1].map.crossbars_dense, 1); /* 2 x 3 twice */
  assert_int_equal(price->layers[0].map.positions, price->layers[0].info.positions);
  assert_int_equal(price->layers[1].map.positions, price->layers[1].info.positions);
  document = ap_network_price_to_json(price, false);
  assert_int_equal(json_integer_value(json_object_get(
                       json_array_get(json_object_get(document, "layers"), 1), "groups")),
                   2);
  json_decref(document);
  assert_int_equal(price->layers[1].map.n, 6);
  assert_int_equal(price->layers[0].map.weights, 36);
  for (size_t l = 0; l < price->n_layers; l++) energy += price->layers[l].cost.total_energy_uj;
  assert_true(fabs(energy - price->cost.total_energy_uj) < 1e-12 * energy);
  ap_network_price_destroy(price);
  ap_tech_close(tech);
  ap_network_destroy(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(levels_are_nested_and_rise),
                                     cmocka_unit_test(crossbar_levels_are_the_largest),
                                     cmocka_unit_test(refuses_bad_options),
                                     cmocka_unit_test(survives_failing_allocations),
                                     cmocka_unit_test(policies_travel),
                                     cmocka_unit_test(neighbours_follow),
                                     cmocka_unit_test(kept_shares_are_held_to_the_array),
                                     cmocka_unit_test(bad_policies_are_refused),
                                     cmocka_unit_test(one_matrix_by_hand),
                                     cmocka_unit_test(rounding_removes_no_vector),
                                     cmocka_unit_test(groups_are_mapped_apart)};
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
