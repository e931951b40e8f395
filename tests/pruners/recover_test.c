/* Recovery: masks hold through training, folding and quantisation; removed filters are gone. */
#include "pruners/recover.h"

#include "kernels/backend.h"
#include "nn/infer.h"
#include "pruners/network_price.h"
#include "pruners/repair_sequence.h"
#include "tests/nn/train_testing.h"

static ap_tech *tech;
static ap_pool *pool;
static ap_backend *be;

static ap_level_db *levels_of(const ap_network *net, const char *pruner, uint32_t *levels) {
  ap_level_db_options options = ap_level_db_defaults();
  ap_level_db *db = NULL;
  must(ap_pruner_parse(pruner, &options.pruner, &failure));
  options.snap = AP_SNAP_NONE;
  options.max_levels = 9;
  must(ap_level_db_create(net, tech, pool, NULL, &options, &db, &failure));
  for (size_t l = 0; l < ap_level_db_layers(db); l++) {
    levels[l] = (uint32_t)(ap_level_db_levels(db, l) / 2);
  }
  levels[ap_level_db_layers(db) - 1] =
      (uint32_t)ap_level_db_levels(db, ap_level_db_layers(db) - 1) - 1; /* classes stay */
  return db;
}

static void masks_hold(const char *pruner, double epochs) {
  ap_network *net = small_network(5), *folded = NULL, *out = NULL;
  ap_train_options recipe = ap_train_defaults(images);
  ap_network_price *price = NULL;
  ap_level_db *db;
  ap_pruner p;
  uint32_t levels[8];
  uint64_t promised = 0;
  recipe.epochs = epochs;
  recipe.batch = 16;
  must(ap_network_fold(net, &folded, &failure));
  db = levels_of(folded, pruner, levels);
  must(ap_recover(be, net, images, db, levels, NULL, 8, &recipe, NULL, NULL, NULL, &out, &failure));
  for (size_t l = 0; l < ap_level_db_layers(db); l++) {
    const ap_layer_info *info = ap_level_db_layer(db, l);
    size_t size = info->k * info->n, kept = 0;
    float *mask = ap_calloc(size, sizeof *mask), *matrix = ap_calloc(size, sizeof *matrix);
    must(ap_level_db_mask(db, l, levels[l], mask, &failure));
    ap_layer_get_matrix(out, info->node, matrix);
    for (size_t i = 0; i < size; i++) {
      if (mask[i] == 0) assert_true(matrix[i] == 0);
      kept += matrix[i] != 0;
    }
    if (l == 0 && ap_level_db_levels(db, 0) > 1) assert_true(kept > 0 && kept < size);
    promised += ap_level_db_level(db, l, levels[l])->map.ous;
    ap_free(mask);
    ap_free(matrix);
  }
  must(ap_pruner_parse(pruner, &p, &failure));
  must(ap_network_price_create(out, tech, p.granularity, true, &price, &failure));
  /* bit-columns: the vector with a filter's largest weight may be another after training */
  for (size_t l = 0; p.granularity.kind == AP_GRANULARITY_BIT_COLUMN && l < price->n_layers; l++) {
    promised += price->layers[l].info.n * ap_array_slices(ap_tech_array(tech));
  }
  assert_true(price->map.ous <= promised);
  ap_network_price_destroy(price);
  ap_level_db_destroy(db);
  ap_network_destroy(net);
  ap_network_destroy(folded);
  ap_network_destroy(out);
}

static void masks_hold_for_every_pruner(void **state) {
  static const char *const pruners[] = {"column-vector", "row-vector",   "block:8x4",
                                        "filter",        "unstructured", "channel",
                                        "filter+l1",     "pattern",      "bit-column"};
  (void)state;
  for (size_t i = 0; i < sizeof pruners / sizeof pruners[0]; i++) {
    masks_hold(pruners[i], 2);
    masks_hold(pruners[i], 0);
  }
}

/* Filters that go take bias and shift along; what they fed goes too; the function stays. */
static void removed_filters_leave_nothing(void **state) {
  ap_network *net = small_network(6), *folded = NULL, *out = NULL;
  ap_train_options recipe = ap_train_defaults(images);
  ap_level_db *db;
  ap_layer_info info[8];
  uint32_t levels[8];
  size_t dead_filters = 0;
  float *matrix;
  (void)state;
  recipe.epochs = 3;
  recipe.batch = 16;
  must(ap_network_fold(net, &folded, &failure));
  db = levels_of(folded, "filter", levels);
  must(ap_recover(be, net, images, db, levels, NULL, 8, &recipe, NULL, NULL, NULL, &out, &failure));
  assert_true(ap_network_layers(out, info, 8) >= 2);
  matrix = ap_calloc(info[1].k * info[1].n, sizeof *matrix);
  ap_layer_get_matrix(out, info[1].node, matrix);
  for (size_t j = 0; j < info[0].n; j++) {
    const ap_node *conv = &out->nodes[info[0].node];
    size_t per_channel = info[1].k / info[0].n; /* inputs of the linear layer from one channel */
    bool dead = true;
    for (size_t i = 0; i < info[0].k; i++) dead = dead && conv->weight[j * info[0].k + i] == 0;
    if (!dead) continue;
    dead_filters++;
    assert_true(conv->bias[j] == 0);
    for (size_t i = j * per_channel * info[1].n; i < (j + 1) * per_channel * info[1].n; i++) {
      assert_true(matrix[i] == 0);
    }
  }
  assert_true(dead_filters > 0);
  ap_free(matrix);
  ap_level_db_destroy(db);
  ap_network_destroy(net);
  ap_network_destroy(folded);
  ap_network_destroy(out);
}

/* Dead inputs cut on a network with shortcut, addition and concatenation: same outputs. */
static void cutting_dead_inputs_keeps_the_function(void **state) {
  ap_network *net = NULL;
  size_t a, b, c, removed, n = 20;
  float *before = ap_calloc(n * 10, sizeof *before), *after = ap_calloc(n * 10, sizeof *after);
  ap_score score;
  (void)state;
  must(ap_network_create("branches", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  a = put_conv(net, 6, 3, 1, 1, true, 0);
  b = put_plain(net, AP_NODE_RELU, a);
  c = put_conv(net, 6, 3, 1, 1, true, b);
  c = put(net, (ap_node){.kind = AP_NODE_ADD}, c, b);
  c = put(net, (ap_node){.kind = AP_NODE_CONCAT}, c, b);
  c = put_conv(net, 5, 3, 2, 1, true, c);
  c = put_plain(net, AP_NODE_RELU, c);
  c = put_plain(net, AP_NODE_FLATTEN, c);
  (void)put_linear(net, 10, true, c);
  randomise(net, 12);
  for (size_t j = 1; j < 6; j += 2) { /* filters 1, 3, 5 of the first, 3 of the second */
    memset(net->nodes[a].weight + j * 9, 0, 9 * sizeof(float));
    net->nodes[a].bias[j] = 0;
  }
  memset(net->nodes[3].weight + 3 * 54, 0, 54 * sizeof(float));
  net->nodes[3].bias[3] = 0;
  must(ap_infer(be, net, images, AP_SPLIT_TEST, n, &score, before, &failure));
  must(ap_remove_dead_inputs(net, &removed, &failure));
  /* second conv: 3 dead inputs x 9 taps x 5 live filters; third: channel 3 of the sum and 1, 3, 5 of
   * the other branch, 4 inputs x 9 x 5 */
  assert_int_equal(removed, 3 * 9 * 5 + 4 * 9 * 5);
  must(ap_infer(be, net, images, AP_SPLIT_TEST, n, &score, after, &failure));
  for (size_t i = 0; i < n * 10; i++) {
    assert_true(fabsf(before[i] - after[i]) <= 1e-5f * (1 + fabsf(before[i])));
  }
  must(ap_remove_dead_inputs(net, &removed, &failure));
  assert_int_equal(removed, 0);
  ap_free(before);
  ap_free(after);
  ap_network_destroy(net);
}

/* Filters that nobody reads cut on the same kind of network: same outputs. */
static void cutting_unread_outputs_keeps_the_function(void **state) {
  ap_network *net = NULL;
  size_t a, b, second, third, c, last, removed, n = 20;
  float *before = ap_calloc(n * 10, sizeof *before), *after = ap_calloc(n * 10, sizeof *after);
  ap_score score;
  (void)state;
  must(ap_network_create("branches", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  a = put_conv(net, 6, 3, 1, 1, true, 0);
  b = put_plain(net, AP_NODE_RELU, a);
  second = put_conv(net, 6, 3, 1, 1, true, b);
  c = put(net, (ap_node){.kind = AP_NODE_ADD}, second, b);
  c = put(net, (ap_node){.kind = AP_NODE_CONCAT}, c, b);
  third = put_conv(net, 5, 3, 2, 1, true, c);
  c = put_plain(net, AP_NODE_RELU, third);
  c = put_plain(net, AP_NODE_FLATTEN, c);
  last = put_linear(net, 10, true, c);
  randomise(net, 13);
  for (size_t j = 0; j < 5;
       j++) { /* the third reads channels 1, 2 of the sum, 1 of the other not */
    for (size_t t = 0; t < 9; t++) {
      net->nodes[third].weight[(j * 12 + 1) * 9 + t] = 0;
      net->nodes[third].weight[(j * 12 + 2) * 9 + t] = 0;
      net->nodes[third].weight[(j * 12 + 7) * 9 + t] = 0;
    }
  }
  for (size_t j = 0; j < 6; j++) { /* the second does not read channel 1 */
    for (size_t t = 0; t < 9; t++) net->nodes[second].weight[(j * 6 + 1) * 9 + t] = 0;
  }
  for (size_t j = 0; j < 10; j++) { /* the last does not read the third's channel 4 */
    size_t inputs = ap_node_weight_count(net, last) / 10, per_channel = inputs / 5;
    for (size_t t = 0; t < per_channel; t++) {
      net->nodes[last].weight[j * inputs + 4 * per_channel + t] = 0;
    }
  }
  must(ap_infer(be, net, images, AP_SPLIT_TEST, n, &score, before, &failure));
  must(ap_remove_unread_outputs(net, &removed, &failure));
  /* first: filter 1; second: filters 1 and 2, 5 inputs each; third: filter 4, 9 inputs */
  assert_int_equal(removed, 9 + 2 * 5 * 9 + 9 * 9);
  assert_true(net->nodes[second].bias[1] == 0 && net->nodes[second].bias[2] == 0);
  assert_true(net->nodes[second].bias[0] != 0 && net->nodes[a].bias[1] == 0);
  assert_true(net->nodes[a].bias[2] != 0 && net->nodes[third].bias[4] == 0);
  must(ap_infer(be, net, images, AP_SPLIT_TEST, n, &score, after, &failure));
  for (size_t i = 0; i < n * 10; i++) {
    assert_true(fabsf(before[i] - after[i]) <= 1e-5f * (1 + fabsf(before[i])));
  }
  must(ap_remove_unread_outputs(net, &removed, &failure));
  assert_int_equal(removed, 0);
  ap_free(before);
  ap_free(after);
  ap_network_destroy(net);
}

/* Gates and a shuffle: a product is dead where either side is, a sigmoid never; what a shuffle moves is read where it
 * went. */
static void cutting_follows_gates_and_shuffles(void **state) {
  const ap_node multiply = {.kind = AP_NODE_MULTIPLY};
  size_t picks[] = {5, 0, 3, 1, 2, 4, 0}, removed, n = 20; /* channel 0 twice */
  float *before = ap_calloc(n * 10, sizeof *before), *after = ap_calloc(n * 10, sizeof *after);
  ap_network *net = NULL;
  ap_score score;
  (void)state;
  must(ap_network_create("gates", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  const size_t first = put_conv(net, 6, 3, 1, 1, true, 0);
  const size_t pooled =
      put(net, (ap_node){.kind = AP_NODE_AVGPOOL, .kh = SIDE, .kw = SIDE}, first, 0);
  const size_t squeeze = put_conv(net, 6, 1, 1, 1, true, pooled);
  const size_t gate = put_plain(net, AP_NODE_CURVE, squeeze);
  const size_t gated = put(net, multiply, first, gate);
  const size_t moved =
      put(net, (ap_node){.kind = AP_NODE_GATHER, .shape.c = 7, .picks = picks}, gated, 0);
  const size_t second = put_conv(net, 5, 3, 2, 1, true, moved);
  (void)put_linear(net, 10, true, put_plain(net, AP_NODE_FLATTEN, second));
  randomise(net, 14);
  memset(net->nodes[first].weight + 0 * 9, 0, 9 * sizeof(float)); /* filter 0 is dead */
  net->nodes[first].bias[0] = 0;
  memset(net->nodes[squeeze].weight + 2 * 6, 0, 6 * sizeof(float)); /* its gate is 1/2, not 0 */
  net->nodes[squeeze].bias[2] = 0;
  for (size_t j = 0; j < 5; j++) /* channel 3 of the products, third of the shuffle, is not read */
    memset(net->nodes[second].weight + (j * 7 + 2) * 9, 0, 9 * sizeof(float));
  must(ap_infer(be, net, images, AP_SPLIT_TEST, n, &score, before, &failure));
  must(ap_remove_dead_inputs(net, &removed, &failure));
  assert_int_equal(removed, 5 + 2 * 5 * 9); /* the squeeze's input 0; both copies of product 0 */
  must(ap_remove_unread_outputs(net, &removed, &failure));
  /* gates 0 (its product is not read any more) and 3; the squeeze still reads channel 3 */
  assert_int_equal(removed, 5 + 5);
  assert_true(net->nodes[squeeze].bias[3] == 0 && net->nodes[squeeze].bias[0] == 0);
  assert_true(net->nodes[squeeze].bias[1] != 0 && net->nodes[first].bias[3] != 0);
  must(ap_infer(be, net, images, AP_SPLIT_TEST, n, &score, after, &failure));
  for (size_t i = 0; i < n * 10; i++) {
    assert_true(fabsf(before[i] - after[i]) <= 1e-5f * (1 + fabsf(before[i])));
  }
  ap_free(before);
  ap_free(after);
  ap_network_destroy(net);
}

static void same_weights(const ap_network *a, const ap_network *b, float relative) {
  assert_int_equal(a->n_nodes, b->n_nodes);
  for (size_t i = 0; i < a->n_nodes; i++) {
    const ap_node *x = &a->nodes[i], *y = &b->nodes[i];
    for (size_t j = 0; j < ap_node_weight_count(a, i); j++)
      assert_true(fabsf(x->weight[j] - y->weight[j]) <= relative * fabsf(y->weight[j]) + 1e-6f);
    for (size_t j = 0; j < ap_node_bias_count(a, i); j++)
      assert_true(fabsf(x->bias[j] - y->bias[j]) <= relative * (1 + fabsf(y->bias[j])));
  }
}

/* Unfolding is the inverse of folding, with and without normalisation behind a layer. */
static void unfolding_undoes_folding(void **state) {
  ap_network *net = small_network(21), *folded = NULL, *again = NULL, *deployed = NULL;
  ap_level_db *db;
  uint32_t levels[8];
  (void)state;
  must(ap_network_fold(net, &folded, &failure));
  db = levels_of(folded, "column-vector", levels);
  must(ap_deploy_levels(folded, db, levels, &deployed, &failure));
  must(ap_unfold_levels(net, db, levels, &failure));
  must(ap_network_fold(net, &again, &failure));
  same_weights(again, deployed, 1e-5f);
  ap_level_db_destroy(db);
  ap_network_destroy(net);
  ap_network_destroy(folded);
  ap_network_destroy(again);
  ap_network_destroy(deployed);
}

/* What repair adds to a bias moves the running mean: the average that statistics measured anew will give,
 * beta, is not touched. */
static void repair_leaves_the_wanted_average(void **state) {
  ap_network *net = small_network(21), *before = NULL, *folded = NULL;
  ap_moments_options how = ap_moments_defaults();
  ap_level_db_options options = ap_level_db_defaults();
  ap_moments *moments = NULL;
  ap_level_db *db = NULL;
  uint32_t levels[8] = {0};
  size_t moved = 0;
  (void)state;
  must(ap_network_copy(net, &before, &failure));
  must(ap_network_fold(net, &folded, &failure));
  must(ap_moments_create(be, pool, folded, images, &how, &moments, &failure));
  options.snap = AP_SNAP_NONE;
  options.keep_min = 0.3;
  must(ap_level_db_create(folded, tech, pool, moments, &options, &db, &failure));
  must(ap_unfold_levels(net, db, levels, &failure));
  for (size_t i = 0; i < net->n_nodes; i++) {
    if (net->nodes[i].kind != AP_NODE_BATCHNORM) continue;
    for (size_t j = 0; j < net->nodes[i].shape.c; j++) {
      assert_true(net->nodes[i].bias[j] == before->nodes[i].bias[j]);
      assert_true(net->nodes[i].weight[j] == before->nodes[i].weight[j]);
      moved += net->nodes[i].mean[j] != before->nodes[i].mean[j];
    }
  }
  assert_true(moved > 0);
  ap_level_db_destroy(db);
  ap_moments_destroy(moments);
  ap_network_destroy(before);
  ap_network_destroy(folded);
  ap_network_destroy(net);
}

/* Another network's folded weights: folding gives them back, and the running statistics are those of the
 * calibration images in that network. */
static void unfolding_another_network(void **state) {
  ap_network *net = small_network(21), *other = small_network(22), *start = NULL, *again = NULL;
  ap_network *narrow = NULL;
  size_t norms = 0;
  (void)state;
  must(ap_network_fold(other, &start, &failure));
  must(ap_unfold_network(be, net, start, images, &failure));
  must(ap_network_fold(net, &again, &failure));
  same_weights(again, start, 1e-4f);
  for (size_t i = 0; i < net->n_nodes; i++) {
    const ap_node *norm = &net->nodes[i];
    if (norm->kind != AP_NODE_BATCHNORM) continue;
    for (size_t j = 0; j < norm->shape.c; j++) {
      double gain = (double)norm->weight[j] / sqrt((double)norm->var[j] + (double)norm->epsilon);
      size_t n = ap_dataset_describe(images, AP_SPLIT_CALIBRATION).n_images;
      size_t plane = norm->shape.h * norm->shape.w, size = norm->shape.c * plane;
      float *x = ap_calloc(n * size, sizeof *x);
      double mean = 0, square = 0;
      node_input(be, net, images, AP_SPLIT_CALIBRATION, n, i, x);
      for (size_t t = 0; t < n * plane; t++) {
        double v = (double)x[t / plane * size + j * plane + t % plane];
        mean += v / (double)(n * plane);
        square += v * v / (double)(n * plane);
      }
      if (n * plane <= 16 * n) { /* all positions were sampled: the statistics are exact */
        assert_true(fabs(mean - (double)norm->mean[j]) < 1e-3 * (1 + fabs(mean)));
        assert_true(fabs(square - mean * mean - (double)norm->var[j]) < 1e-3 * (1 + square));
      } else {
        assert_true(fabs(mean - (double)norm->mean[j]) < 0.5 * sqrt(square - mean * mean) + 1e-3);
      }
      assert_true(fabs(gain) > 0);
      norms++;
      ap_free(x);
    }
  }
  assert_true(norms > 0);
  must(ap_network_builtin("lenet5:0.5", (ap_shape3){1, 16, 16}, 10, 1, &narrow, &failure));
  assert_int_equal(ap_unfold_network(be, net, narrow, images, &failure), AP_ERR_ARG);
  ap_network_destroy(narrow);
  ap_network_destroy(net);
  ap_network_destroy(other);
  ap_network_destroy(start);
  ap_network_destroy(again);
}

/* A layer without bias gets one where repair gives it one. */
static void a_bias_is_added_where_needed(void **state) {
  ap_network *net = NULL, *start = NULL;
  size_t a;
  (void)state;
  must(ap_network_create("bare", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  a = put_plain(net, AP_NODE_FLATTEN, put_conv(net, 3, 3, 1, 1, false, 0));
  (void)put_linear(net, 10, false, a);
  randomise(net, 2);
  must(ap_network_copy(net, &start, &failure));
  start->nodes[1].bias = ap_calloc(3, sizeof(float));
  start->nodes[1].bias[2] = 0.5f;
  must(ap_unfold_network(be, net, start, images, &failure));
  assert_non_null(net->nodes[1].bias);
  assert_true(net->nodes[1].bias[2] == 0.5f && net->nodes[1].bias[0] == 0);
  assert_null(net->nodes[3].bias);
  ap_network_destroy(net);
  ap_network_destroy(start);
}

static ap_network *affine_network(uint64_t seed) {
  ap_network *net = NULL;
  size_t at;
  must(ap_network_create("affine", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  at = put_affine(net, put_conv(net, 3, 3, 1, 1, false, 0));
  at = put_affine(net, put_conv(net, 4, 3, 1, 1, true, put_plain(net, AP_NODE_RELU, at)));
  (void)put_linear(net, 10, true, put_plain(net, AP_NODE_FLATTEN, at));
  net->classes = 10;
  randomise(net, seed);
  return net;
}

/* Scales and shifts behind layers (of ONNX files) stay as they are; the layers' biases take what there is. */
static void scales_and_shifts_stay(void **state) {
  ap_network *net = affine_network(31), *other = affine_network(32), *start = NULL, *again = NULL;
  ap_network *before = NULL;
  (void)state;
  must(ap_network_copy(net, &before, &failure));
  must(ap_network_fold(other, &start, &failure));
  must(ap_unfold_network(be, net, start, images, &failure));
  for (size_t i = 0; i < net->n_nodes; i++) {
    const ap_node *is = &net->nodes[i], *was = &before->nodes[i];
    if (is->kind != AP_NODE_BATCHNORM) continue;
    assert_true(ap_node_is_affine(is));
    assert_memory_equal(is->weight, was->weight, is->shape.c * sizeof(float));
    assert_memory_equal(is->bias, was->bias, is->shape.c * sizeof(float));
  }
  must(ap_network_fold(net, &again, &failure));
  same_weights(again, start, 1e-5f);
  ap_network_destroy(net);
  ap_network_destroy(other);
  ap_network_destroy(start);
  ap_network_destroy(again);
  ap_network_destroy(before);
}

static double squared_difference(const ap_network *a, const ap_network *b) {
  size_t n = ap_dataset_describe(images, AP_SPLIT_CALIBRATION).n_images;
  float *x = ap_calloc(n * 10, sizeof *x), *y = ap_calloc(n * 10, sizeof *y);
  ap_score score;
  double sum = 0;
  must(ap_infer(be, a, images, AP_SPLIT_CALIBRATION, 0, &score, x, &failure));
  must(ap_infer(be, b, images, AP_SPLIT_CALIBRATION, 0, &score, y, &failure));
  for (size_t i = 0; i < n * 10; i++)
    sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
  ap_free(x);
  ap_free(y);
  return sum;
}

/* Pair moments of a network with itself: its moments, and with its outputs those times the weights; both
 * against plain sums over the same samples. */
static void pairs_of_one_network(void **state) {
  ap_network *net = small_network(23), *folded = NULL;
  ap_moments_options how = ap_moments_defaults();
  ap_layer_info info[8];
  ap_moments *moments = NULL;
  ap_walk *now = NULL, *dense = NULL;
  size_t n, images_used = ap_dataset_describe(images, AP_SPLIT_CALIBRATION).n_images;
  (void)state;
  how.positions = 10000;            /* all: means do not depend on the drawing */
  ap_node *spread = &net->nodes[1]; /* the first layer's taps further apart, its outputs as many */
  spread->dilation_h = spread->dilation_w = 2;
  spread->pad_top = spread->pad_left = spread->pad_bottom = spread->pad_right = 2;
  must(ap_network_fold(net, &folded, &failure));
  must(ap_moments_create(be, pool, folded, images, &how, &moments, &failure));
  must(ap_walk_create(be, folded, images, AP_SPLIT_CALIBRATION, 0, 0, &now, &failure));
  must(ap_walk_create(be, folded, images, AP_SPLIT_CALIBRATION, 0, 0, &dense, &failure));
  n = ap_network_layers(folded, info, 8);
  for (size_t l = 0; l < n; l++) {
    double *h = NULL, *c = NULL;
    const size_t d = ap_moments_inputs(moments, l) + 1, width = info[l].n;
    const double *own = ap_moments_matrix(moments, l, 0);
    const ap_node *node = &folded->nodes[info[l].node];
    const ap_shape3 in = folded->nodes[node->inputs[0]].shape;
    float *matrix = ap_calloc((d - 1) * width, sizeof *matrix);
    float *x = ap_calloc(images_used * in.c * in.h * in.w, sizeof *x);
    double first = 0;
    must(ap_moments_pair(pool, now, dense, &info[l], &how, l, &h, &c, &failure));
    ap_layer_get_matrix(folded, info[l].node, matrix);
    for (size_t i = 0; i < d; i++) {
      for (size_t j = 0; j < d; j++) {
        assert_true(fabs(h[i * d + j] - own[i * d + j]) <= 1e-12 * (1 + fabs(own[i * d + j])));
        assert_true(h[i * d + j] == h[j * d + i]);
      }
      for (size_t j = 0; j < width; j++) {
        double sum = node->bias ? own[i * d + d - 1] * (double)node->bias[j] : 0;
        for (size_t t = 0; t + 1 < d; t++) sum += own[i * d + t] * (double)matrix[t * width + j];
        assert_true(fabs(c[i * width + j] - sum) <= 1e-4 * (1 + fabs(sum)));
      }
    }
    assert_true(fabs(own[d * d - 1] - 1) < 1e-12);
    node_input(be, folded, images, AP_SPLIT_CALIBRATION, images_used, info[l].node, x);
    if (node->kind == AP_NODE_LINEAR) { /* E[x_0 x_1] by hand */
      for (size_t i = 0; i < images_used; i++) {
        first += (double)x[i * (d - 1)] * (double)x[i * (d - 1) + 1] / (double)images_used;
      }
      assert_true(fabs(first - own[1]) <= 1e-5 * (1 + fabs(first)));
    }
    ap_free(matrix);
    ap_free(x);
    ap_free(h);
    ap_free(c);
  }
  ap_walk_destroy(now);
  ap_walk_destroy(dense);
  ap_moments_destroy(moments);
  ap_network_destroy(folded);
  ap_network_destroy(net);
}

/* The whole network kept: nothing to repair. Pruned: masks hold, and the outputs on the calibration
 * images come nearer to the dense network's than without. */
static void sequences(void **state) {
  static const char *const pruners[] = {"column-vector", "row-vector", "filter"};
  ap_moments_options how = ap_moments_defaults();
  (void)state;
  for (size_t p = 0; p < 3; p++) {
    ap_network *net = small_network(24), *folded = NULL, *plain = NULL, *out = NULL;
    ap_level_db *db;
    uint32_t levels[8], whole[8];
    must(ap_network_fold(net, &folded, &failure));
    db = levels_of(folded, pruners[p], levels);
    for (size_t l = 0; l < ap_level_db_layers(db); l++) {
      whole[l] = (uint32_t)ap_level_db_levels(db, l) - 1;
    }
    must(ap_repair_sequence(be, pool, folded, db, whole, images, &how, &out, &failure));
    assert_true(squared_difference(folded, out) < 1e-6);
    ap_network_destroy(out);
    must(ap_deploy_levels(folded, db, levels, &plain, &failure));
    must(ap_repair_sequence(be, pool, folded, db, levels, images, &how, &out, &failure));
    for (size_t l = 0; l < ap_level_db_layers(db); l++) {
      const ap_layer_info *info = ap_level_db_layer(db, l);
      float *mask = ap_calloc(info->k * info->n, sizeof *mask);
      float *matrix = ap_calloc(info->k * info->n, sizeof *matrix);
      must(ap_level_db_mask(db, l, levels[l], mask, &failure));
      ap_layer_get_matrix(out, info->node, matrix);
      for (size_t i = 0; i < info->k * info->n; i++) {
        if (mask[i] == 0) assert_true(matrix[i] == 0);
      }
      ap_free(mask);
      ap_free(matrix);
    }
    if (p < 2) {
      double before = squared_difference(folded, plain), after = squared_difference(folded, out);
      if (!(after < 0.5 * before)) fail_msg("%s: %g was %g", pruners[p], after, before);
    }
    ap_level_db_destroy(db);
    ap_network_destroy(net);
    ap_network_destroy(folded);
    ap_network_destroy(plain);
    ap_network_destroy(out);
  }
}

static int open_all(void **state) {
  if (open_images(state)) return -1;
  if (ap_tech_open("ou", &tech, &failure) || ap_pool_create(2, &pool, &failure)) return -1;
  if (ap_tech_override(tech, "array.ou_rows", "2", &failure)) return -1;
  if (ap_tech_override(tech, "array.rows", "32", &failure)) return -1;
  if (ap_tech_override(tech, "array.cols", "32", &failure)) return -1;
  return ap_backend_open("cpu", 2, &be, &failure) ? -1 : 0;
}

static int close_all(void **state) {
  ap_backend_close(be);
  ap_pool_destroy(pool);
  ap_tech_close(tech);
  return close_images(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(masks_hold_for_every_pruner),
                                     cmocka_unit_test(removed_filters_leave_nothing),
                                     cmocka_unit_test(unfolding_undoes_folding),
                                     cmocka_unit_test(repair_leaves_the_wanted_average),
                                     cmocka_unit_test(unfolding_another_network),
                                     cmocka_unit_test(a_bias_is_added_where_needed),
                                     cmocka_unit_test(scales_and_shifts_stay),
                                     cmocka_unit_test(pairs_of_one_network),
                                     cmocka_unit_test(sequences),
                                     cmocka_unit_test(cutting_dead_inputs_keeps_the_function),
                                     cmocka_unit_test(cutting_unread_outputs_keeps_the_function),
                                     cmocka_unit_test(cutting_follows_gates_and_shuffles)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
