/* The evaluator in integers against the quantised network: equal outputs, bit for bit, of whole
 * networks, by every instruction set, for any number of threads; levels; errors. */
#include <sys/stat.h>

#include "nn/evaluator.h"
#include "pruners/integer_network.h"
#include "pruners/pruner.h"
#include "pruners/quantised_layer.h"
#include "tests/nn/odd_network.h"

enum { MNIST_IMAGES = 70, CIFAR_IMAGES = 66, CLASSES = 10, LAYERS = 32 };
static ap_dataset *mnist_like, *cifar_like; /* random pixels in the sizes of the real sets */
static ap_pool *pool;

static const char *const vectors[] = {"plain", "avx2", "avx512"};
enum { N_VECTORS = 3 };

/* ---- data ------------------------------------------------------------------------------------ */
static void write_noise(const char *name, const char *head, size_t head_size, size_t records,
                        size_t labels, size_t pixels, uint64_t seed) {
  FILE *f = fopen(scratch_path(name), "wb");
  ap_rng rng;
  assert_non_null(f);
  ap_rng_seed(&rng, seed, 7);
  assert_int_equal(fwrite(head, 1, head_size, f), head_size);
  for (size_t i = 0; i < records; i++) {
    for (size_t j = 0; j < labels; j++) (void)fputc((int)ap_rng_below(&rng, 10), f);
    for (size_t j = 0; j < pixels; j++) (void)fputc((int)ap_rng_below(&rng, 256), f);
  }
  assert_int_equal(fclose(f), 0);
}

static const char *const files[] = {"m/train-images-idx3-ubyte", "m/train-labels-idx1-ubyte",
                                    "m/t10k-images-idx3-ubyte",  "m/t10k-labels-idx1-ubyte",
                                    "c/data_batch_1.bin",        "c/test_batch.bin"};

static int open_all(void **state) {
  const char pixels[16] = {0, 0, 8, 3, 0, 0, 0, MNIST_IMAGES, 0, 0, 0, 28, 0, 0, 0, 28};
  const char labels[8] = {0, 0, 8, 1, 0, 0, 0, MNIST_IMAGES};
  if (open_images(state)) return -1;
  if (mkdir(scratch_path("m"), 0700) || mkdir(scratch_path("c"), 0700)) return -1;
  for (size_t i = 0; i < 4; i++) {
    write_noise(files[i], i % 2 ? labels : pixels, i % 2 ? 8 : 16, MNIST_IMAGES, i % 2,
                i % 2 ? 0 : 784, i);
  }
  for (size_t i = 4; i < 6; i++) write_noise(files[i], "", 0, CIFAR_IMAGES, 1, 3072, i);
  must(ap_dataset_open(scratch_path("m"), &mnist_like, &failure));
  must(ap_dataset_open(scratch_path("c"), &cifar_like, &failure));
  return ap_pool_create(2, &pool, &failure) ? -1 : 0;
}

static int close_all(void **state) {
  ap_pool_destroy(pool);
  ap_dataset_destroy(mnist_like);
  ap_dataset_destroy(cifar_like);
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) (void)unlink(scratch_path(files[i]));
  if (rmdir(scratch_path("m")) || rmdir(scratch_path("c"))) return -1;
  return close_images(state);
}

/* ---- networks -------------------------------------------------------------------------------- */
static ap_network *builtin(const char *name, ap_shape3 input) {
  ap_network *net = NULL, *folded = NULL;
  must(ap_network_builtin(name, input, CLASSES, 11, &net, &failure));
  randomise(net, 12);
  for (size_t i = 0; i < input.c; i++) {
    net->mean[i] = 0.4F;
    net->std[i] = 0.3F;
  }
  must(ap_network_fold(net, &folded, &failure));
  ap_network_destroy(net);
  return folded;
}

/* Vectors out of every layer but the first, `kept_of_3` of three stay. */
static void prune(ap_network *net, const char *granularity, uint64_t kept_of_3) {
  const ap_array_spec spec = ap_array_spec_default();
  ap_layer_info info[LAYERS];
  ap_granularity g;
  ap_rng rng;
  size_t layers = ap_network_layers(net, info, LAYERS);
  must(ap_granularity_parse(granularity, &g, &failure));
  ap_rng_seed(&rng, 12, 0);
  for (size_t l = 1; l < layers; l++) {
    float *matrix = ap_calloc(info[l].k * info[l].n, sizeof *matrix);
    uint8_t *kept;
    ap_partition p;
    must(ap_partition_init(g, &spec, info[l].k, info[l].n, &p, &failure));
    kept = ap_calloc(p.count, 1);
    for (size_t i = 0; i < p.count; i++) kept[i] = ap_rng_below(&rng, 3) < kept_of_3;
    ap_layer_get_matrix(net, info[l].node, matrix);
    ap_partition_mask_f32(&p, kept, matrix);
    ap_layer_set_matrix(net, info[l].node, matrix);
    ap_free(matrix);
    ap_free(kept);
  }
}

static ap_integer_network *quantised(const ap_network *net, const ap_dataset *data, unsigned w_bits,
                                     unsigned a_bits, double coverage) {
  const ap_range_options options = {.images = 20, .coverage = coverage};
  ap_array_spec spec = ap_array_spec_default();
  ap_integer_network *in = NULL;
  spec.weight_bits = w_bits;
  spec.activation_bits = a_bits;
  must(ap_integer_network_create(net, &spec, data, &options, pool, &in, &failure));
  return in;
}

static ap_status open_evaluator(const ap_network *net, const ap_integer_network *in,
                                const ap_dataset *data, size_t n, size_t threads, const char *name,
                                ap_evaluator **out) {
  const ap_evaluator_integers integers = {ap_integer_network_all_layers(in),
                                          ap_integer_network_activation_bits(in)};
  const ap_evaluator_options options = {
      .n_threads = threads, .vectors = name, .integer = &integers};
  return ap_evaluator_create(net, data, AP_SPLIT_TEST, n, &options, out, &failure);
}

/* ---- equal outputs --------------------------------------------------------------------------- */
static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static void equal_outputs(const ap_network *net, const ap_dataset *data, size_t n, unsigned w_bits,
                          unsigned a_bits, double coverage) {
  static const uint32_t given[LAYERS] = {0};
  ap_integer_network *in = quantised(net, data, w_bits, a_bits, coverage);
  float *want = ap_calloc(n * CLASSES, sizeof *want), *got = ap_calloc(n * CLASSES, sizeof *got);
  ap_score expected, score;
  must(ap_integer_network_run(in, data, AP_SPLIT_TEST, n, pool, &expected, want, &failure));
  if (n > 1 && a_bits == 8) assert_memory_not_equal(want, want + CLASSES, CLASSES * sizeof *want);
  for (size_t v = 0; v < N_VECTORS; v++) {
    ap_evaluator *ev = NULL;
    ap_status st = open_evaluator(net, in, data, n, 1 + v, vectors[v], &ev);
    if (st == AP_ERR_UNSUPPORTED) continue; /* this machine lacks it */
    must(st);
    assert_true(ap_evaluator_is_integer(ev));
    assert_string_equal(ap_evaluator_vectors(ev), vectors[v]);
    memset(got, 0xFF, n * CLASSES * sizeof *got);
    must(ap_evaluator_logits(ev, given, got, &failure));
    for (size_t i = 0; i < n * CLASSES; i++) {
      if (bits_of(got[i]) != bits_of(want[i])) {
        fail_msg("%s, %s, %u and %u bits: image %zu, class %zu is %.9g, expected %.9g", net->name,
                 vectors[v], w_bits, a_bits, i / CLASSES, i % CLASSES, (double)got[i],
                 (double)want[i]);
      }
    }
    must(ap_evaluator_run(ev, 1, given, &score, &failure));
    assert_int_equal(score.correct, expected.correct);
    assert_true(fabs(score.loss - expected.loss) < 1e-9 * (1 + expected.loss));
    ap_evaluator_destroy(ev);
  }
  ap_integer_network_destroy(in);
  ap_free(want);
  ap_free(got);
}

/* Activations that become part of layers, and such that do not: swish, hard swish in an addition and behind a ReLU,
 * GELU that no layer reads, a clipped scale of its own a channel; a layer that is read once more, one that has a
 * ReLU before, a product of two layers, a curve that stays apart. */
static ap_network *active_network(void) {
  ap_network *net = NULL;
  const ap_node relu3 = {.kind = AP_NODE_RELU, .ceiling = 3};
  const ap_node add = {.kind = AP_NODE_ADD}, multiply = {.kind = AP_NODE_MULTIPLY};
  must(ap_network_create("active", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  const size_t stem = put_conv(net, 10, 3, 1, 1, true, 0);
  const size_t swish = put(net, multiply, stem, put_curve(net, AP_CURVE_LOGISTIC, stem));
  const size_t own = put_conv(net, 10, 3, 1, 10, true, swish);
  const size_t ramp = put(net, relu3, put_plain(net, AP_NODE_BATCHNORM, own), 0);
  const size_t hard =
      put_plain(net, AP_NODE_RELU, put(net, add, put(net, multiply, ramp, own), swish));
  const size_t down = put_conv(net, 9, 3, 2, 1, false, hard);
  const size_t gelu = put(net, multiply, put_curve(net, AP_CURVE_NORMAL, down), down);
  const size_t more = put_conv(net, 9, 1, 2, 1, true, hard);
  const size_t read_again =
      put(net, add, put(net, multiply, more, put_curve(net, AP_CURVE_LOGISTIC, more)), more);
  const size_t sum = put(net, add, gelu, read_again);
  const size_t clipped = put_plain(net, AP_NODE_RELU, put_conv(net, 9, 3, 1, 1, true, sum));
  const size_t gated = put(net, multiply, clipped, put_curve(net, AP_CURVE_LOGISTIC, clipped));
  const size_t one = put_conv(net, 9, 1, 1, 3, true, gated),
               two = put_conv(net, 9, 1, 1, 1, true, gated);
  const size_t mish = put(net, multiply, one, put_curve(net, AP_CURVE_MISH, two));
  const size_t wide = put_conv(net, 17, 1, 1, 1, true, mish);
  const size_t last =
      put(net, multiply, wide, put(net, relu3, put_plain(net, AP_NODE_BATCHNORM, wide), 0));
  const size_t flat = put_plain(net, AP_NODE_FLATTEN, last);
  const size_t deep = put_linear(net, 20, true, flat);
  (void)put_linear(net, 10, true, put(net, multiply, deep, put_curve(net, AP_CURVE_NORMAL, deep)));
  net->classes = 10;
  net->mean[0] = 0.3F;
  net->std[0] = 0.25F;
  randomise(net, 6);
  return net;
}

static void odd_and_pruned(ap_network *net) {
  static const unsigned bits[][2] = {{8, 8}, {8, 4}, {3, 8}, {2, 1}, {6, 7}};
  for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
    equal_outputs(net, images, i % 2 ? 39 : 40, bits[i][0], bits[i][1], i % 2 ? 0.97 : 1);
  }
  equal_outputs(net, images, 1, 8, 8, 1);
  prune(net, "column-vector", 2);
  equal_outputs(net, images, 40, 8, 8, 0.9);
  prune(net, "row-vector", 1);
  equal_outputs(net, images, 37, 8, 8, 1);
  ap_network_destroy(net);
}
static void odd_networks(void **state) {
  (void)state;
  odd_and_pruned(odd_network());
}
static void active_networks(void **state) {
  (void)state;
  odd_and_pruned(active_network());
}

static void builtin_networks(void **state) {
  (void)state;
  static const struct {
    const char *name, *granularity;
    size_t n;
  } nets[] = {{"lenet5", NULL, MNIST_IMAGES},
              {"lenet5", "column-vector", 65},
              {"lenet5", "row-vector", 3},
              {"resnet8", NULL, CIFAR_IMAGES},
              {"resnet8", "row-vector", 20},
              {"resnet8", "unstructured", 17},
              {"resnet20", "column-vector", 5},
              {"vgg16:0.125", "column-vector", 9},
              {"vgg16:0.125", NULL, 3},
              {"vgg16:0.125", "row-vector", 5},
              {"resnet18:0.125", "column-vector", 5},
              {"resnet8", "column-vector", CIFAR_IMAGES}};
  for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
    const bool small = strcmp(nets[i].name, "lenet5") == 0;
    ap_network *net =
        builtin(nets[i].name, small ? (ap_shape3){1, 28, 28} : (ap_shape3){3, 32, 32});
    if (nets[i].granularity) prune(net, nets[i].granularity, 1);
    equal_outputs(net, small ? mnist_like : cifar_like, nets[i].n, 8, 8, i % 2 ? 0.999 : 1);
    ap_network_destroy(net);
  }
}

/* A layer whose ranges are far too small: everything saturates, equally. */
static void saturated_ranges(void **state) {
  (void)state;
  static const uint32_t given[LAYERS] = {0};
  ap_network *net = small_network(3), *folded = NULL;
  float want[40 * CLASSES], got[40 * CLASSES];
  must(ap_network_fold(net, &folded, &failure));
  ap_integer_network *in;
  folded->nodes[1].bias[0] = 1e30F; /* one channel far away from all others */
  in = quantised(folded, images, 8, 8, 1);
  must(ap_integer_network_run(in, images, AP_SPLIT_TEST, 40, pool, NULL, want, &failure));
  for (size_t v = 0; v < N_VECTORS; v++) {
    ap_evaluator *ev = NULL;
    if (open_evaluator(folded, in, images, 40, 1, vectors[v], &ev)) continue;
    must(ap_evaluator_logits(ev, given, got, &failure));
    assert_memory_equal(got, want, sizeof want);
    ap_evaluator_destroy(ev);
  }
  ap_integer_network_destroy(in);
  ap_network_destroy(folded);
  ap_network_destroy(net);
}

/* ---- levels ---------------------------------------------------------------------------------- */
/* Pruned weights of a layer as an integer level, and as level 0 of another evaluator. */
static void levels_are_networks(void **state) {
  (void)state;
  ap_network *net = odd_network(), *other = NULL;
  must(ap_network_copy(net, &other, &failure));
  prune(other, "column-vector", 2);
  ap_integer_network *in = quantised(net, images, 8, 8, 1);
  const size_t n_layers = ap_integer_network_layers(in);
  const ap_integer_layer *layers = ap_integer_network_all_layers(in);
  ap_integer_layer changed[LAYERS];
  uint32_t levels[3 * LAYERS] = {0}; /* of n_layers each */
  float a[40 * CLASSES], b[40 * CLASSES];
  ap_evaluator *ev = NULL, *direct = NULL;
  ap_score scores[3], again[3];
  must(open_evaluator(net, in, images, 40, 2, NULL, &ev));
  for (size_t l = 0; l < n_layers; l++) {
    const ap_layer_info *info = &layers[l].info;
    const size_t size = info->k * info->n;
    float *matrix = ap_calloc(size, sizeof *matrix);
    int8_t *bytes = ap_calloc(size, 1);
    size_t level = 0;
    changed[l] = layers[l];
    changed[l].weight = ap_calloc(size, sizeof *changed[l].weight);
    changed[l].scale = ap_calloc(info->n, sizeof *changed[l].scale);
    ap_layer_get_matrix(other, info->node, matrix);
    must(ap_quantise_columns(matrix, info->k, info->n, 8, changed[l].weight, changed[l].scale,
                             &failure));
    must(ap_integer_narrow(changed[l].weight, size, bytes, &failure));
    must(ap_evaluator_add_integer_level(ev, l, bytes, changed[l].scale, NULL, &level, &failure));
    assert_int_equal(level, 1);
    levels[n_layers + l] = 1;
    levels[2 * n_layers + l] = (uint32_t)(l % 2);
    ap_free(matrix);
    ap_free(bytes);
  }
  must(ap_evaluator_run(ev, 3, levels, scores, &failure));
  assert_false(scores[0].loss == scores[1].loss || scores[1].loss == scores[2].loss);
  for (size_t c = 0; c < 3; c++) {
    ap_integer_layer mixed[LAYERS];
    for (size_t l = 0; l < n_layers; l++)
      mixed[l] = levels[c * n_layers + l] ? changed[l] : layers[l];
    const ap_evaluator_integers integers = {mixed, 8};
    const ap_evaluator_options options = {.n_threads = 1, .integer = &integers};
    static const uint32_t given[LAYERS] = {0};
    must(ap_evaluator_create(net, images, AP_SPLIT_TEST, 40, &options, &direct, &failure));
    must(ap_evaluator_logits(direct, given, a, &failure));
    must(ap_evaluator_logits(ev, levels + c * n_layers, b, &failure));
    assert_memory_equal(a, b, sizeof a);
    must(ap_evaluator_run(direct, 1, given, &again[c], &failure));
    assert_true(again[c].loss == scores[c].loss && again[c].correct == scores[c].correct);
    ap_evaluator_destroy(direct);
  }
  for (size_t l = 0; l < n_layers; l++) {
    ap_free(changed[l].weight);
    ap_free(changed[l].scale);
  }
  ap_evaluator_destroy(ev);
  ap_integer_network_destroy(in);
  ap_network_destroy(net);
  ap_network_destroy(other);
}

/* ---- errors ---------------------------------------------------------------------------------- */
static void misuse(void **state) {
  (void)state;
  ap_network *net = odd_network();
  ap_integer_network *in = quantised(net, images, 8, 8, 1), *wide;
  ap_evaluator *ev = NULL;
  ap_integer_layer layers[LAYERS];
  ap_evaluator_integers integers = {layers, 9};
  const ap_evaluator_options options = {.n_threads = 1, .integer = &integers},
                             floats = {.n_threads = 1};
  const size_t n = ap_integer_network_layers(in);
  size_t level = 7;
  float matrix[9 * 5] = {0}, scale[5] = {0};
  int8_t bytes[9 * 5] = {0};
  memcpy(layers, ap_integer_network_all_layers(in), n * sizeof *layers);
  assert_int_equal(ap_evaluator_create(net, images, AP_SPLIT_TEST, 0, &options, &ev, &failure),
                   AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "9 bits"));
  assert_null(ev);
  integers.activation_bits = 8;
  layers[1].input_scale *= 2; /* layers 1 and 2 do not read one tensor, others do */
  layers[2].input_scale *= 3;
  assert_int_equal(ap_evaluator_create(net, images, AP_SPLIT_TEST, 0, &options, &ev, &failure),
                   AP_OK);
  ap_evaluator_destroy(ev);
  memcpy(layers, ap_integer_network_all_layers(in), n * sizeof *layers);
  wide = quantised(net, images, 10, 8, 1); /* weights of 10 bits */
  integers.layers = ap_integer_network_all_layers(wide);
  assert_int_equal(ap_evaluator_create(net, images, AP_SPLIT_TEST, 0, &options, &ev, &failure),
                   AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "-127..127"));
  integers.layers = layers;
  must(ap_evaluator_create(net, images, AP_SPLIT_TEST, 0, &options, &ev, &failure));
  assert_int_equal(ap_evaluator_add_level(ev, 0, matrix, NULL, &level, &failure), AP_ERR_ARG);
  assert_int_equal(ap_evaluator_add_integer_level(ev, n, bytes, scale, NULL, &level, &failure),
                   AP_ERR_ARG);
  scale[3] = INFINITY;
  assert_int_equal(ap_evaluator_add_integer_level(ev, 0, bytes, scale, NULL, &level, &failure),
                   AP_ERR_ARG);
  assert_int_equal(level, 0);
  ap_evaluator_destroy(ev);
  must(ap_evaluator_create(net, images, AP_SPLIT_TEST, 0, &floats, &ev, &failure));
  assert_int_equal(ap_evaluator_add_integer_level(ev, 0, bytes, scale, NULL, &level, &failure),
                   AP_ERR_ARG);
  ap_evaluator_destroy(ev);
  ap_integer_network_destroy(in);
  ap_integer_network_destroy(wide);
  ap_network_destroy(net);
}

static void out_of_memory(void **state) {
  (void)state;
  ap_network *net = odd_network();
  ap_integer_network *in = quantised(net, images, 8, 8, 1);
  ap_status st = AP_ERR_MEMORY;
  size_t failed = 0;
  for (size_t n = 0; st; n++) {
    ap_evaluator *ev = NULL;
    ap_alloc_fail_after(n);
    st = open_evaluator(net, in, images, 5, 1, NULL, &ev);
    ap_alloc_fail_after(SIZE_MAX);
    assert_true(st == AP_OK || st == AP_ERR_MEMORY);
    assert_true((ev != NULL) == (st == AP_OK));
    failed += st != AP_OK;
    ap_evaluator_destroy(ev);
  }
  assert_true(failed > 30);
  ap_integer_network_destroy(in);
  ap_network_destroy(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(odd_networks),        cmocka_unit_test(active_networks),
      cmocka_unit_test(builtin_networks),    cmocka_unit_test(saturated_ranges),
      cmocka_unit_test(levels_are_networks), cmocka_unit_test(misuse),
      cmocka_unit_test(out_of_memory)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
