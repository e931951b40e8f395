/* Whole networks of integers: the forward pass against the float backend and against plain loops,
 * the data path against the integer product bit for bit, imperfect devices, threads, errors. */
#include "pruners/datapath_network.h"

#include <sys/stat.h>

#include "kernels/backend.h"
#include "pruners/integer_impl.h"
#include "pruners/pruner.h"
#include "tests/nn/train_testing.h"

enum { N = 9, BIG = 28 };

static ap_pool *pool;
static ap_dataset *big; /* noise, 28 x 28 */

static void write_noise(const char *dir, const char *kind, size_t n) {
  char path[128];
  ap_rng rng;
  FILE *file;
  ap_rng_seed(&rng, n, 9);
  (void)snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", dir, kind);
  file = fopen(scratch_path(path), "wb");
  assert_non_null(file);
  put_u32(file, 0x803);
  put_u32(file, (uint32_t)n);
  put_u32(file, BIG);
  put_u32(file, BIG);
  for (size_t i = 0; i < n * BIG * BIG; i++) (void)fputc((int)ap_rng_below(&rng, 256), file);
  assert_int_equal(fclose(file), 0);
  (void)snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", dir, kind);
  file = fopen(scratch_path(path), "wb");
  assert_non_null(file);
  put_u32(file, 0x801);
  put_u32(file, (uint32_t)n);
  for (size_t i = 0; i < n; i++) (void)fputc((int)(i % 10), file);
  assert_int_equal(fclose(file), 0);
}

/* Every node kind, strides, padding, groups, a clipped ReLU, biases with and without. */
static ap_network *every_kind(uint64_t seed) {
  ap_network *net = NULL;
  size_t a, b, c;
  must(ap_network_create("kinds", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  a = put_conv(net, 6, 3, 1, 1, true, 0);
  a = put(net, (ap_node){.kind = AP_NODE_RELU, .ceiling = 1.5F}, a, 0);
  b = put_conv(net, 6, 3, 1, 3, true, a);
  b = put_plain(net, AP_NODE_BATCHNORM, b);
  c = put(net, (ap_node){.kind = AP_NODE_ADD}, a, b);
  b = put(net,
          (ap_node){.kind = AP_NODE_SHORTCUT,
                    .stride_h = 2,
                    .stride_w = 2,
                    .channels_before = 1,
                    .channels_after = 2},
          c, 0);
  a = put_conv(net, 9, 3, 2, 1, false, c); /* sees negative values: a zero point within */
  a = put(net, (ap_node){.kind = AP_NODE_CONCAT}, a, b);
  b = put(net,
          (ap_node){.kind = AP_NODE_AVGPOOL,
                    .kh = 3,
                    .kw = 3,
                    .stride_h = 1,
                    .stride_w = 1,
                    .pad_top = 1,
                    .pad_left = 1,
                    .pad_bottom = 1,
                    .pad_right = 1},
          a, 0);
  a = put(net, (ap_node){.kind = AP_NODE_MAXPOOL, .kh = 3, .kw = 2, .stride_h = 1, .stride_w = 2},
          b, 0);
  a = put_plain(net, AP_NODE_FLATTEN, a);
  a = put_linear(net, 13, true, a);
  a = put_plain(net, AP_NODE_RELU, a);
  (void)put_linear(net, 10, true, a);
  net->classes = 10;
  net->mean[0] = 0.3F;
  net->std[0] = 0.25F;
  randomise(net, seed);
  return net;
}

static ap_integer_network *quantised(const ap_network *net, const ap_array_spec *spec,
                                     const ap_dataset *data, double coverage) {
  ap_range_options options = ap_range_defaults();
  ap_integer_network *in = NULL;
  options.images = 0;
  options.coverage = coverage;
  must(ap_integer_network_create(net, spec, data, &options, pool, &in, &failure));
  return in;
}

static ap_datapath_network *mapped(const ap_integer_network *in, const ap_array_spec *spec,
                                   const char *granularity) {
  ap_datapath_network *hw = NULL;
  ap_granularity g;
  must(ap_granularity_parse(granularity, &g, &failure));
  must(ap_datapath_network_create(in, spec, g, &hw, &failure));
  return hw;
}

/* With 16 bits nearly nothing is lost (on the calibration images, whose ranges these are), so the
 * whole pass must agree with the backend's. */
static void fine_integers_are_the_float_network(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  ap_network *net = every_kind(3);
  ap_backend *be = NULL;
  ap_score a, b;
  float *x = ap_calloc(4 * 10, sizeof *x), *y = ap_calloc(4 * 10, sizeof *y), largest = 0;
  ap_integer_network *in;
  (void)state;
  spec.weight_bits = spec.activation_bits = 16;
  in = quantised(net, &spec, images, 1);
  must(ap_backend_open("cpu-ref", 1, &be, &failure));
  must(ap_infer(be, net, images, AP_SPLIT_CALIBRATION, 0, &a, x, &failure));
  must(ap_integer_network_run(in, images, AP_SPLIT_CALIBRATION, 0, pool, &b, y, &failure));
  for (size_t i = 0; i < 40; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
  assert_true(largest > 0.5F);
  for (size_t i = 0; i < 40; i++) assert_true(fabsf(x[i] - y[i]) < 0.005F * largest);
  assert_int_equal(b.images, 4);
  assert_true(fabs(a.loss - b.loss) < 0.005 * (double)largest);
  assert_int_equal(a.images, 4);
  assert_int_equal(a.correct, b.correct);
  ap_backend_close(be);
  ap_integer_network_destroy(in);
  ap_network_destroy(net);
  ap_free(x);
  ap_free(y);
}

/* One padded convolution and one linear layer at few bits, by the formula of the header. */
static void few_bits_follow_the_formula(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  ap_network *net = NULL;
  ap_integer_network *in;
  const ap_integer_layer *conv;
  const uint8_t *pixels = ap_dataset_pixels(images, AP_SPLIT_TEST);
  float got[3 * 10];
  size_t at;
  (void)state;
  must(ap_network_create("one", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  at = put_conv(net, 10, 3, 8, 1, true, 0); /* stride 8: one position, in the padded corner */
  (void)put_plain(net, AP_NODE_FLATTEN, at);
  net->classes = 10;
  net->mean[0] = 0.4F;
  net->std[0] = 0.5F;
  randomise(net, 4);
  spec.weight_bits = 4;
  spec.activation_bits = 5;
  in = quantised(net, &spec, images, 1);
  assert_int_equal(ap_integer_network_layers(in), 1);
  conv = ap_integer_network_layer(in, 0);
  assert_true(conv->zero_point > 0 && conv->zero_point < 31);
  must(ap_integer_network_run(in, images, AP_SPLIT_TEST, 3, pool, NULL, got, &failure));
  for (size_t i = 0; i < 3; i++) {
    for (size_t n = 0; n < 10; n++) {
      double sum = 0, expected;
      for (size_t k = 0; k < 9; k++) { /* (ky, kx) = (k/3, k%3); row and column 0 are padding */
        double real = 0;
        if (k >= 3 && k % 3 >= 1) {
          double pixel = pixels[i * SIDE * SIDE + (k / 3 - 1) * SIDE + k % 3 - 1];
          float x = (float)((pixel / 255 - (double)net->mean[0]) / (double)net->std[0]);
          double q = floor((double)x / conv->input_scale + 0.5) + conv->zero_point;
          q = q < 0 ? 0 : q > 31 ? 31 : q;
          real = (q - conv->zero_point) * conv->input_scale;
        }
        sum += real * (double)conv->weight[k * 10 + n] * (double)conv->scale[n];
        assert_in_range(conv->weight[k * 10 + n] + 7, 0, 14);
      }
      expected = sum + (double)net->nodes[1].bias[n];
      assert_true(fabs(expected - (double)got[i * 10 + n]) < 1e-5);
    }
  }
  ap_integer_network_destroy(in);
  ap_network_destroy(net);
}

/* Some vectors out of every layer; with `empty` one layer holds nothing at all. */
static void prune(ap_network *net, const ap_array_spec *spec, const char *granularity, bool empty) {
  ap_layer_info info[8];
  ap_granularity g;
  ap_rng rng;
  size_t layers = ap_network_layers(net, info, 8);
  must(ap_granularity_parse(granularity, &g, &failure));
  ap_rng_seed(&rng, 12, 0);
  for (size_t l = 0; l < layers; l++) {
    float *matrix = ap_calloc(info[l].k * info[l].n, sizeof *matrix);
    uint8_t *kept;
    ap_partition p;
    must(ap_partition_init(ap_granularity_of_layer(g, &info[l]), spec, info[l].k, info[l].n, &p,
                           &failure));
    kept = ap_calloc(p.count, 1);
    for (size_t i = 0; i < p.count; i++) {
      kept[i] = !(empty && l == 1) && ap_rng_below(&rng, 3) > 0;
      if (p.count == 1) kept[i] = 1;
    }
    ap_layer_get_matrix(net, info[l].node, matrix);
    ap_partition_mask_f32(&p, kept, matrix);
    ap_layer_set_matrix(net, info[l].node, matrix);
    ap_free(matrix);
    ap_free(kept);
  }
}

static void hardware_equals(const ap_network *net, const ap_array_spec *spec,
                            const char *granularity, const ap_dataset *data, size_t n) {
  ap_integer_network *in = quantised(net, spec, data, 0.999);
  ap_datapath_network *hw = mapped(in, spec, granularity);
  const ap_device ideal = {.seed = 5};
  ap_score a, b;
  ap_datapath_stats stats;
  float *x = ap_calloc(n * 10, sizeof *x), *y = ap_calloc(n * 10, sizeof *y);
  must(ap_integer_network_run(in, data, AP_SPLIT_TEST, n, pool, &a, x, &failure));
  must(ap_datapath_network_run(hw, NULL, 0, data, AP_SPLIT_TEST, n, pool, &b, y, &stats, &failure));
  assert_int_equal(ap_count_equal_logits(x, y, n, 10), n);
  assert_int_equal(ap_count_equal_classes(x, y, n, 10), n);
  assert_true(a.correct == b.correct && a.loss == b.loss && a.images == n);
  assert_true(stats.conversions > 0 && stats.saturated == 0);
  for (size_t i = 1; i < n; i++) assert_memory_not_equal(x, x + i * 10, 10 * sizeof *x);
  memset(y, 0, n * 10 * sizeof *y);
  must(ap_datapath_network_run(hw, &ideal, 3, data, AP_SPLIT_TEST, n, pool, &b, y, &stats,
                               &failure));
  assert_int_equal(ap_count_equal_logits(x, y, n, 10), n);
  ap_datapath_network_destroy(hw);
  ap_integer_network_destroy(in);
  ap_free(x);
  ap_free(y);
}

static void exact_hardware_is_the_integer_network(void **state) {
  static const char *const granularities[] = {
      "column-vector", "row-vector", "block:8x3",       "filter",  "dense",
      "unstructured",  "channel",    "column-vector:R", "pattern", "bit-column"};
  (void)state;
  for (int e = AP_ENCODING_OFFSET; e <= AP_ENCODING_DIFFERENTIAL; e++) {
    for (size_t g = 0; g < sizeof granularities / sizeof granularities[0]; g++) {
      ap_array_spec spec = ap_array_spec_default();
      ap_network *net = every_kind(7 + g);
      spec.encoding = (ap_encoding)e;
      if (g % 2 == 1) { /* odd crossbars, other bits, slices apart */
        spec.rows = 37;
        spec.cols = 41;
        spec.ou_rows = 7;
        spec.ou_cols = 11;
        spec.cell_bits = 3;
        spec.weight_bits = 6;
        spec.activation_bits = 7;
        spec.slices = AP_SLICES_SEPARATE;
      }
      prune(net, &spec, granularities[g], false);
      hardware_equals(net, &spec, granularities[g], images, N);
      ap_network_destroy(net);
    }
  }
}

static void lenet5_on_crossbars(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  ap_network *net = NULL;
  (void)state;
  must(ap_network_builtin("lenet5", (ap_shape3){1, BIG, BIG}, 10, 11, &net, &failure));
  hardware_equals(net, &spec, "column-vector", big, 5);
  prune(net, &spec, "column-vector", false);
  spec.encoding = AP_ENCODING_DIFFERENTIAL;
  hardware_equals(net, &spec, "column-vector", big, 5);
  ap_network_destroy(net);
}

/* A layer without a single weight gives its bias: all images look alike to what follows it alone. */
static void an_empty_layer_is_no_error(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  ap_network *net = small_network(2), *folded = NULL;
  ap_integer_network *in;
  ap_datapath_network *hw;
  float y[3 * 10];
  (void)state;
  must(ap_network_fold(net, &folded, &failure));
  prune(folded, &spec, "column-vector", true);
  in = quantised(folded, &spec, images, 1);
  hw = mapped(in, &spec, "column-vector");
  must(ap_datapath_network_run(hw, NULL, 0, images, AP_SPLIT_TEST, 3, pool, NULL, y, NULL,
                               &failure));
  for (size_t i = 0; i < 30; i++) {
    assert_true(y[i] == folded->nodes[folded->n_nodes - 1].bias[i % 10]);
  }
  ap_datapath_network_destroy(hw);
  ap_integer_network_destroy(in);
  ap_network_destroy(net);
  ap_network_destroy(folded);
}

/* Few bits saturate; noise, variation and faults change the logits, by seed and sample alone:
 * not by the number of threads or of images. */
static void imperfect_hardware(void **state) {
  static const ap_device devices[] = {{.sigma = 0.2, .seed = 8},
                                      {.stuck_low = 0.05, .stuck_high = 0.05, .seed = 8},
                                      {.read_noise = 0.7, .seed = 8}};
  ap_array_spec spec = ap_array_spec_default(), narrow = spec;
  ap_network *net = every_kind(21);
  ap_integer_network *in = quantised(net, &spec, images, 1);
  ap_datapath_network *hw = mapped(in, &spec, "column-vector"), *coarse;
  ap_pool *one = NULL, *three = NULL;
  ap_datapath_stats stats, again;
  float ideal[N * 10], a[N * 10], b[N * 10];
  (void)state;
  must(ap_pool_create(1, &one, &failure));
  must(ap_pool_create(3, &three, &failure));
  narrow.adc_bits = 3;
  coarse = mapped(in, &narrow, "column-vector");
  must(ap_integer_network_run(in, images, AP_SPLIT_TEST, N, pool, NULL, ideal, &failure));
  must(ap_datapath_network_run(coarse, NULL, 0, images, AP_SPLIT_TEST, N, pool, NULL, a, &stats,
                               &failure));
  assert_true(stats.saturated > 0 && stats.saturated < stats.conversions);
  assert_true(ap_count_equal_logits(ideal, a, N, 10) < N);
  for (size_t d = 0; d < sizeof devices / sizeof devices[0]; d++) {
    ap_device other = devices[d];
    must(ap_datapath_network_run(hw, &devices[d], 0, images, AP_SPLIT_TEST, N, one, NULL, a, &stats,
                                 &failure));
    assert_int_equal(ap_count_equal_logits(ideal, a, N, 10), 0);
    must(ap_datapath_network_run(hw, &devices[d], 0, images, AP_SPLIT_TEST, N, three, NULL, b,
                                 &again, &failure));
    assert_int_equal(ap_count_equal_logits(a, b, N, 10), N);
    assert_true(stats.conversions == again.conversions && stats.saturated == again.saturated);
    must(ap_datapath_network_run(hw, &devices[d], 0, images, AP_SPLIT_TEST, 2, three, NULL, b, NULL,
                                 &failure));
    assert_int_equal(ap_count_equal_logits(a, b, 2, 10), 2);
    must(ap_datapath_network_run(hw, &devices[d], 1, images, AP_SPLIT_TEST, N, pool, NULL, b, NULL,
                                 &failure));
    assert_int_equal(ap_count_equal_logits(a, b, N, 10), 0);
    other.seed = 9;
    must(ap_datapath_network_run(hw, &other, 0, images, AP_SPLIT_TEST, N, pool, NULL, b, NULL,
                                 &failure));
    assert_int_equal(ap_count_equal_logits(a, b, N, 10), 0);
  }
  ap_pool_destroy(one);
  ap_pool_destroy(three);
  ap_datapath_network_destroy(coarse);
  ap_datapath_network_destroy(hw);
  ap_integer_network_destroy(in);
  ap_network_destroy(net);
}

/* Differential cells that all read 0 leave the last bias; cells that all read the most cancel. */
static void all_cells_stuck(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  ap_network *net = every_kind(5);
  const float *bias = net->nodes[net->n_nodes - 1].bias;
  ap_integer_network *in;
  ap_datapath_network *hw;
  float y[N * 10];
  (void)state;
  spec.encoding = AP_ENCODING_DIFFERENTIAL;
  in = quantised(net, &spec, images, 1);
  hw = mapped(in, &spec, "dense");
  for (int high = 0; high < 2; high++) {
    ap_device device = {.stuck_low = high ? 0 : 1, .stuck_high = high ? 1 : 0};
    must(ap_datapath_network_run(hw, &device, 0, images, AP_SPLIT_TEST, N, pool, NULL, y, NULL,
                                 &failure));
    for (size_t i = 0; i < (size_t)N * 10; i++) {
      const ap_integer_layer *last =
          ap_integer_network_layer(in, ap_integer_network_layers(in) - 1);
      assert_int_equal(last->zero_point, 0); /* it follows a ReLU */
      assert_true(y[i] == bias[i % 10]);
    }
  }
  ap_datapath_network_destroy(hw);
  ap_integer_network_destroy(in);
  ap_network_destroy(net);
}

static void ranges(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  ap_network *net = small_network(6), *folded = NULL;
  const uint8_t *pixels = ap_dataset_pixels(images, AP_SPLIT_CALIBRATION);
  size_t n = ap_dataset_describe(images, AP_SPLIT_CALIBRATION).n_images;
  ap_integer_network *full, *part;
  const ap_integer_layer *first, *second;
  double lo = 255, hi = 0, scale;
  (void)state;
  must(ap_network_fold(net, &folded, &failure));
  full = quantised(folded, &spec, images, 1);
  part = quantised(folded, &spec, images, 0.9);
  for (size_t i = 0; i < n * SIDE * SIDE; i++) {
    lo = pixels[i] < lo ? pixels[i] : lo;
    hi = pixels[i] > hi ? pixels[i] : hi;
  }
  lo = (lo / 255 - 0.3) / 0.25;
  hi = (hi / 255 - 0.3) / 0.25;
  scale = (hi - lo) / 255;
  first = ap_integer_network_layer(full, 0);
  second = ap_integer_network_layer(full, 1);
  assert_true(fabs(first->input_scale - scale) < 1e-6);
  assert_int_equal(first->zero_point, (int)(-lo / scale + 0.5));
  assert_int_equal(second->zero_point, 0);
  assert_true(ap_integer_network_layer(part, 0)->input_scale < 0.98 * first->input_scale);
  assert_true(ap_integer_network_layer(part, 1)->input_scale < 0.98 * second->input_scale);
  assert_true(ap_integer_network_layer(part, 1)->input_scale > 0.1 * second->input_scale);
  ap_integer_network_destroy(full);
  ap_integer_network_destroy(part);
  ap_network_destroy(net);
  ap_network_destroy(folded);
}

static void errors(void **state) {
  ap_array_spec spec = ap_array_spec_default(), other = spec;
  ap_network *net = every_kind(5);
  ap_integer_network *in = quantised(net, &spec, images, 1), *none = NULL;
  ap_datapath_network *hw = NULL;
  ap_range_options options = ap_range_defaults();
  ap_granularity dense = {AP_GRANULARITY_DENSE, 0, 0};
  ap_device device = {.sigma = -1};
  ap_score score;
  (void)state;
  other.weight_bits = 7;
  assert_int_equal(ap_datapath_network_create(in, &other, dense, &hw, &failure), AP_ERR_ARG);
  assert_null(hw);
  assert_int_equal(
      ap_integer_network_run(in, images, AP_SPLIT_TEST, 41, pool, &score, NULL, &failure),
      AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "has 40"));
  assert_int_equal(ap_integer_network_run(in, big, AP_SPLIT_TEST, 1, pool, &score, NULL, &failure),
                   AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "28x28"));
  options.coverage = 0.5;
  assert_int_equal(ap_integer_network_create(net, &spec, images, &options, pool, &none, &failure),
                   AP_ERR_ARG);
  assert_null(none);
  hw = mapped(in, &spec, "dense");
  assert_int_equal(ap_datapath_network_run(hw, &device, 0, images, AP_SPLIT_TEST, 0, pool, &score,
                                           NULL, NULL, &failure),
                   AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "sigma is"));
  ap_datapath_network_destroy(hw);
  ap_integer_network_destroy(in);
  net->nodes[1].weight[0] = NAN;
  options.images = 0;
  assert_int_equal(ap_integer_network_create(net, &spec, images, &options, pool, &none, &failure),
                   AP_ERR_ARG);
  ap_network_destroy(net);
}

/* Each allocation of create and run fails once; then everything succeeds. */
static void out_of_memory(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  ap_network *net = small_network(6), *folded = NULL;
  ap_range_options options = {.images = 0, .coverage = 0.99};
  ap_granularity g = {AP_GRANULARITY_COLUMN_VECTOR, 0, 0};
  size_t failed = 0;
  ap_status st = AP_ERR_MEMORY;
  (void)state;
  must(ap_network_fold(net, &folded, &failure));
  for (size_t n = 0; st; n++) {
    ap_integer_network *in = NULL;
    ap_datapath_network *hw = NULL;
    ap_score score;
    ap_alloc_fail_after(n);
    st = ap_integer_network_create(folded, &spec, images, &options, pool, &in, &failure);
    if (!st) st = ap_datapath_network_create(in, &spec, g, &hw, &failure);
    if (!st) {
      st = ap_datapath_network_run(hw, NULL, 0, images, AP_SPLIT_TEST, 1, pool, &score, NULL, NULL,
                                   &failure);
    }
    ap_alloc_fail_after(SIZE_MAX);
    assert_true(st == AP_OK || st == AP_ERR_MEMORY);
    failed += st != AP_OK;
    ap_datapath_network_destroy(hw);
    ap_integer_network_destroy(in);
  }
  assert_true(failed > 30);
  ap_network_destroy(net);
  ap_network_destroy(folded);
}

static int open_all(void **state) {
  static const char *const files[] = {"big/train-images-idx3-ubyte", "big/train-labels-idx1-ubyte",
                                      "big/t10k-images-idx3-ubyte", "big/t10k-labels-idx1-ubyte"};
  if (open_images(state)) return -1;
  if (mkdir(scratch_path("big"), 0700)) return -1;
  write_noise("big", "train", 60);
  write_noise("big", "t10k", 5);
  if (ap_dataset_open(scratch_path("big"), &big, &failure)) return -1;
  for (size_t i = 0; i < 4; i++) (void)unlink(scratch_path(files[i]));
  if (rmdir(scratch_path("big"))) return -1;
  return ap_pool_create(2, &pool, &failure) ? -1 : 0;
}

static int close_all(void **state) {
  ap_pool_destroy(pool);
  ap_dataset_destroy(big);
  return close_images(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fine_integers_are_the_float_network),
      cmocka_unit_test(few_bits_follow_the_formula),
      cmocka_unit_test(exact_hardware_is_the_integer_network),
      cmocka_unit_test(lenet5_on_crossbars),
      cmocka_unit_test(an_empty_layer_is_no_error),
      cmocka_unit_test(imperfect_hardware),
      cmocka_unit_test(all_cells_stuck),
      cmocka_unit_test(ranges),
      cmocka_unit_test(errors),
      cmocka_unit_test(out_of_memory),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
