/* Inference against loops written out here, folding, and what callers can do wrong. */
#include "nn/infer.h"

#include "kernels/backend.h"
#include "nn/train.h"
#include "tests/nn/train_testing.h"

static const char *const backends[] = {"cpu-ref", "cpu"};

static float pixel(const ap_network *net, const uint8_t *image, size_t p) {
  return ((float)image[p] / 255.0F - net->mean[0]) / net->std[0];
}

/* small_network on one image, in double. */
static void plain_logits(const ap_network *net, const uint8_t *image, double logits[10]) {
  const ap_node *conv = &net->nodes[1], *bn = &net->nodes[2], *fc = &net->nodes[6];
  double pooled[6][4][4];
  for (size_t c = 0; c < 6; c++) {
    for (size_t p = 0; p < 16; p++) pooled[c][p / 4][p % 4] = 0; /* ReLU: nothing is below */
    for (size_t y = 0; y < SIDE; y++) {
      for (size_t x = 0; x < SIDE; x++) {
        double sum = 0;
        for (size_t k = 0; k < 9; k++) {
          size_t row = y + k / 3, column = x + k % 3; /* one past the pixel's own */
          if (row < 1 || column < 1 || row > SIDE || column > SIDE) continue;
          sum += (double)conv->weight[c * 9 + k] *
                 (double)pixel(net, image, (row - 1) * SIDE + column - 1);
        }
        sum = (sum - (double)bn->mean[c]) / sqrt((double)bn->var[c] + (double)bn->epsilon);
        sum = sum * (double)bn->weight[c] + (double)bn->bias[c];
        pooled[c][y / 2][x / 2] = fmax(pooled[c][y / 2][x / 2], sum);
      }
    }
  }
  for (size_t k = 0; k < 10; k++) {
    logits[k] = (double)fc->bias[k];
    for (size_t i = 0; i < 96; i++) {
      logits[k] += (double)fc->weight[k * 96 + i] * pooled[i / 16][i / 4 % 4][i % 4];
    }
  }
}

static void test_outputs(void **state) {
  const size_t n = 131; /* a batch of 128 and a rest */
  ap_network *net = small_network(3);
  float *logits = ap_calloc(n * 10, sizeof *logits);
  (void)state;
  assert_non_null(logits);
  for (size_t b = 0; b < 2; b++) {
    ap_backend *be = NULL;
    ap_score score;
    size_t correct = 0;
    double loss = 0;
    must(ap_backend_open(backends[b], 2, &be, &failure));
    must(ap_infer(be, net, images, AP_SPLIT_TRAIN, n, &score, logits, &failure));
    for (size_t i = 0; i < n; i++) {
      double expected[10], sum = 0;
      size_t best = 0, label = (size_t)ap_dataset_labels(images, AP_SPLIT_TRAIN)[i];
      plain_logits(net, ap_dataset_pixels(images, AP_SPLIT_TRAIN) + i * SIDE * SIDE, expected);
      for (size_t k = 0; k < 10; k++) {
        assert_true(fabs((double)logits[i * 10 + k] - expected[k]) < 1e-4);
        if (expected[k] > expected[best]) best = k;
        sum += exp(expected[k]);
      }
      correct += best == label;
      loss += log(sum) - expected[label];
    }
    assert_int_equal(score.images, n);
    assert_int_equal(score.correct, correct);
    assert_true(score.accuracy == (double)correct / (double)n);
    assert_true(fabs(score.loss - loss / (double)n) < 1e-5);
    must(ap_infer(be, net, images, AP_SPLIT_TEST, 0, &score, NULL, &failure));
    assert_int_equal(score.images, 40);
    ap_backend_close(be);
  }
  ap_free(logits);
  ap_network_destroy(net);
}

/* Two linear layers, on an image or on a row of its values. */
static ap_network *flat_network(ap_shape3 in) {
  ap_network *net = NULL;
  size_t at;
  must(ap_network_create("flat", in, &net, &failure));
  at = put_linear(net, 12, true, put_plain(net, AP_NODE_FLATTEN, 0));
  (void)put_linear(net, 10, true, put_plain(net, AP_NODE_RELU, at));
  net->classes = 10;
  net->mean[0] = 0.3F;
  net->std[0] = 0.25F;
  randomise(net, 9);
  return net;
}

/* A network that takes a row takes images of as many values, and trains on them. */
static void test_rows(void **state) {
  ap_network *image = flat_network((ap_shape3){1, SIDE, SIDE});
  ap_network *row = flat_network((ap_shape3){1, 1, SIDE * SIDE});
  ap_network *other = flat_network((ap_shape3){1, 1, SIDE * SIDE + 1});
  ap_train_options options = ap_train_defaults(images);
  float one[400], two[400];
  ap_backend *be = NULL, *exact = NULL; /* whose sums have one order, whatever the shape */
  ap_score score;
  (void)state;
  must(ap_backend_open("cpu", 2, &be, &failure));
  must(ap_backend_open("cpu-ref", 1, &exact, &failure));
  must(ap_infer(exact, image, images, AP_SPLIT_TEST, 0, &score, one, &failure));
  must(ap_infer(exact, row, images, AP_SPLIT_TEST, 0, &score, two, &failure));
  assert_memory_equal(one, two, sizeof one);
  assert_int_equal(ap_infer(be, other, images, AP_SPLIT_TEST, 0, &score, two, &failure),
                   AP_ERR_ARG);
  options.epochs = 1;
  options.crop = 2;
  options.flip = true;
  must(ap_train(be, row, images, &options, NULL, NULL, NULL, NULL, &failure));
  const ap_train_options of_row = ap_train_options_for(row, &options);
  const ap_train_options of_image = ap_train_options_for(image, &options);
  assert_int_equal(of_row.crop, 0);
  assert_false(of_row.flip);
  assert_int_equal(of_image.crop, 2);
  assert_true(of_image.flip);
  ap_backend_close(be);
  ap_backend_close(exact);
  ap_network_destroy(image);
  ap_network_destroy(row);
  ap_network_destroy(other);
}

/* Node 1 sees the normalised pixels, node 6 (linear) what plain_logits multiplies. */
static void test_node_input(void **state) {
  const size_t n = 130;
  ap_network *net = small_network(3);
  ap_backend *be = NULL;
  float *in = ap_calloc(n * 96, sizeof *in), *logits = ap_calloc(n * 10, sizeof *logits);
  ap_score score;
  (void)state;
  assert_non_null(in);
  assert_non_null(logits);
  must(ap_backend_open("cpu", 1, &be, &failure));
  node_input(be, net, images, AP_SPLIT_TRAIN, n, 1, in);
  for (size_t i = 0; i < n * SIDE * SIDE; i++) {
    float expected = pixel(net, ap_dataset_pixels(images, AP_SPLIT_TRAIN), i);
    assert_true(fabsf(in[i] - expected) < 1e-5F);
  }
  node_input(be, net, images, AP_SPLIT_TRAIN, n, 6, in);
  must(ap_infer(be, net, images, AP_SPLIT_TRAIN, n, &score, logits, &failure));
  for (size_t i = 0; i < n * 10; i++) {
    double sum = (double)net->nodes[6].bias[i % 10];
    for (size_t j = 0; j < 96; j++) {
      sum += (double)in[i / 10 * 96 + j] * (double)net->nodes[6].weight[i % 10 * 96 + j];
    }
    assert_true(fabs(sum - (double)logits[i]) < 1e-4);
  }
  ap_free(in);
  ap_free(logits);
  ap_backend_close(be);
  ap_network_destroy(net);
}

/* Layer after layer is what one run from the images gives, weights changed on the way count from there on,
 * and a step back runs again. */
/* Equal to the bit where the same images share a product; else sums of small maps round differently. */
static void assert_near(const float *a, const float *b, size_t n, bool exact) {
  if (exact) assert_memory_equal(a, b, n * sizeof *a);
  for (size_t i = 0; i < n; i++) assert_true(fabsf(a[i] - b[i]) <= 1e-5F * (1 + fabsf(b[i])));
}

static void walks(size_t kept_bytes) {
  const size_t n = 37;
  ap_network *net = NULL, *other = NULL;
  float *walked = ap_calloc(n * 16 * SIDE * SIDE, sizeof *walked);
  float *expected = ap_calloc(n * 16 * SIDE * SIDE, sizeof *expected);
  ap_backend *be = NULL;
  ap_walk *walk = NULL;
  ap_layer_info info[16];
  size_t layers;
  must(ap_network_builtin("resnet8:0.25", (ap_shape3){1, SIDE, SIDE}, 10, 5, &net, &failure));
  must(ap_network_fold(net, &other, &failure));
  randomise(other, 10);
  must(ap_backend_open("cpu", 2, &be, &failure));
  must(ap_walk_create(be, other, images, AP_SPLIT_TRAIN, n, kept_bytes, &walk, &failure));
  layers = ap_network_layers(other, info, 16);
  assert_true(layers > 6);
  for (size_t l = 0; l < layers; l++) {
    const size_t node = info[l].node, used = l % 2 ? n : n - 5;
    const ap_shape3 in = other->nodes[other->nodes[node].inputs[0]].shape;
    const ap_shape3 out = other->nodes[node].shape;
    node_input(be, other, images, AP_SPLIT_TRAIN, used, node, expected);
    must(ap_walk_input(walk, node, used, walked, &failure));
    assert_near(walked, expected, used * in.c * in.h * in.w, kept_bytes == 0 && used == n);
    for (size_t i = 0; i < ap_node_weight_count(other, node); i++) {
      other->nodes[node].weight[i] *= 1.25F;
    }
    must(ap_walk_reload(walk, &failure));
    must(ap_walk_output(walk, node, n, walked, &failure));
    if (node + 1 == other->n_nodes) { /* the logits of the network as it is now */
      ap_score score;
      must(ap_infer(be, other, images, AP_SPLIT_TRAIN, n, &score, expected, &failure));
      assert_near(walked, expected, n * out.c, kept_bytes == 0);
    }
  }
  node_input(be, other, images, AP_SPLIT_TRAIN, n, info[1].node, expected);
  must(ap_walk_input(walk, info[1].node, n, walked, &failure)); /* back */
  assert_near(walked, expected, n * SIDE * SIDE, kept_bytes == 0);
  assert_int_equal(ap_walk_images(walk), n);
  assert_int_equal(ap_walk_input(walk, 0, n, walked, &failure), AP_ERR_ARG);
  assert_int_equal(ap_walk_input(walk, 1, n + 1, walked, &failure), AP_ERR_ARG);
  assert_int_equal(ap_walk_output(walk, other->n_nodes, n, walked, &failure), AP_ERR_ARG);
  ap_walk_destroy(walk);
  ap_backend_close(be);
  ap_network_destroy(net);
  ap_network_destroy(other);
  ap_free(walked);
  ap_free(expected);
}

/* All activations kept; few images at a time (a shorter last one); one at a time. */
static void test_walk(void **state) {
  (void)state;
  walks(0);
  walks((size_t)7 * 16 * SIDE * SIDE * sizeof(float));
  walks(1);
}

static void test_folding_keeps_outputs(void **state) {
  const size_t n = 24;
  ap_network *net = NULL, *folded = NULL;
  float *one = ap_calloc(n * 10, sizeof *one), *two = ap_calloc(n * 10, sizeof *two);
  ap_backend *be = NULL;
  (void)state;
  must(ap_network_builtin("resnet8", (ap_shape3){1, SIDE, SIDE}, 10, 5, &net, &failure));
  net->mean[0] = 0.3F;
  net->std[0] = 0.25F;
  randomise(net, 9);
  must(ap_network_fold(net, &folded, &failure));
  assert_true(folded->n_nodes < net->n_nodes);
  must(ap_backend_open("cpu", 2, &be, &failure));
  ap_score score;
  double largest = 0;
  must(ap_infer(be, net, images, AP_SPLIT_TRAIN, n, &score, one, &failure));
  must(ap_infer(be, folded, images, AP_SPLIT_TRAIN, n, &score, two, &failure));
  for (size_t i = 0; i < n * 10; i++) largest = fmax(largest, fabs((double)one[i]));
  assert_true(largest > 0.1);
  for (size_t i = 0; i < n * 10; i++) {
    assert_true(fabs((double)one[i] - (double)two[i]) <= 1e-4 * largest);
  }
  ap_free(one);
  ap_free(two);
  ap_backend_close(be);
  ap_network_destroy(net);
  ap_network_destroy(folded);
}

static void test_misfits_are_refused(void **state) {
  ap_network *net = small_network(3), *wide = NULL, *few = NULL;
  ap_backend *be = NULL;
  ap_score score;
  (void)state;
  must(ap_backend_open("cpu-ref", 1, &be, &failure));
  assert_int_equal(ap_infer(be, net, images, AP_SPLIT_TEST, 41, &score, NULL, &failure),
                   AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "41"));
  must(ap_network_builtin("resnet8", (ap_shape3){3, SIDE, SIDE}, 10, 5, &wide, &failure));
  assert_int_equal(ap_infer(be, wide, images, AP_SPLIT_TEST, 0, &score, NULL, &failure),
                   AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "3x8x8"));
  must(ap_network_builtin("resnet8", (ap_shape3){1, SIDE, SIDE}, 9, 5, &few, &failure));
  assert_int_equal(ap_infer(be, few, images, AP_SPLIT_TEST, 0, &score, NULL, &failure), AP_ERR_ARG);
  for (size_t n = 0;; n++) { /* every allocation fails once */
    ap_status st;
    ap_alloc_fail_after(n);
    st = ap_infer(be, net, images, AP_SPLIT_TEST, 3, &score, NULL, &failure);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) break;
    assert_int_equal(st, AP_ERR_MEMORY);
  }
  ap_backend_close(be);
  ap_network_destroy(net);
  ap_network_destroy(wide);
  ap_network_destroy(few);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_outputs),
      cmocka_unit_test(test_rows),
      cmocka_unit_test(test_node_input),
      cmocka_unit_test(test_walk),
      cmocka_unit_test(test_folding_keeps_outputs),
      cmocka_unit_test(test_misfits_are_refused),
  };
  return cmocka_run_group_tests(tests, open_images, close_images);
}
