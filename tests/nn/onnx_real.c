/* A network of others: ResNet-20 for CIFAR-10 (weights of akamaster/pytorch_resnet_cifar10, exported
 * by PyTorch 1.13), $AUTOPRUNE_MODELS/resnet20_cifar10.onnx. Its layers are those of the built-in
 * resnet20, and with the normalisation it was trained with it recognises 915 of the first 1,000 test
 * images (91.5 %, as ONNX Runtime does). Skipped (77) where the files are not. */
#include "base/alloc.h"
#include "base/file.h"
#include "kernels/backend.h"
#include "nn/infer.h"
#include "tests/nn/onnx_writer.h"

enum { LAYERS = 20, IMAGES = 1000, CORRECT = 915 };
static char *path;
static ap_error failure;

static ap_network *load(void) {
  static const float mean[3] = {.485f, .456f, .406f}, std[3] = {.229f, .224f, .225f};
  ap_network *net = NULL;
  if (ap_onnx_import(path, &net, NULL, &failure)) fail_msg("%s", failure.text);
  memcpy(net->mean, mean, sizeof mean);
  memcpy(net->std, std, sizeof std);
  return net;
}

static void test_layers(void **state) {
  ap_network *net = load(), *ours = NULL;
  ap_layer_info a[LAYERS], b[LAYERS];
  (void)state;
  assert_int_equal(ap_network_builtin("resnet20", (ap_shape3){3, 32, 32}, 10, 1, &ours, NULL),
                   AP_OK);
  assert_int_equal(ap_network_layers(net, a, LAYERS), LAYERS);
  assert_int_equal(ap_network_layers(ours, b, LAYERS), LAYERS);
  for (size_t i = 0; i < LAYERS; i++) {
    assert_int_equal(a[i].k, b[i].k);
    assert_int_equal(a[i].n, b[i].n);
    assert_int_equal(a[i].positions, b[i].positions);
    assert_int_equal(a[i].macs, b[i].macs);
    assert_int_equal(a[i].is_conv, b[i].is_conv);
    assert_int_equal(a[i].stride, b[i].stride);
  }
  assert_int_equal(ap_network_macs(net), ap_network_macs(ours));
  ap_network_destroy(net);
  ap_network_destroy(ours);
}

static void test_round_trip(void **state) {
  ap_network *net = load(), *again = NULL;
  char left[65], right[65];
  (void)state;
  assert_int_equal(ap_onnx_export(scratch_path("r.onnx"), net, NULL, false, &failure), AP_OK);
  assert_int_equal(ap_onnx_import(scratch_path("r.onnx"), &again, NULL, &failure), AP_OK);
  assert_int_equal(ap_network_hash(net, left, NULL), AP_OK);
  assert_int_equal(ap_network_hash(again, right, NULL), AP_OK);
  assert_string_equal(left, right);
  ap_network_destroy(net);
  ap_network_destroy(again);
}

static void test_accuracy(void **state) {
  ap_network *net = load();
  ap_dataset *data = NULL;
  ap_backend *be = NULL;
  ap_score score;
  (void)state;
  if (ap_dataset_open("cifar10", &data, &failure)) {
    print_message("accuracy skipped: %s\n", failure.text);
    ap_network_destroy(net);
    skip();
  }
  assert_int_equal(ap_backend_open("cpu", 0, &be, &failure), AP_OK);
  assert_int_equal(ap_infer(be, net, data, AP_SPLIT_TEST, IMAGES, &score, NULL, &failure), AP_OK);
  print_message("%zu of %zu test images\n", score.correct, score.images);
  assert_int_equal(score.correct, CORRECT);
  ap_backend_close(be);
  ap_dataset_destroy(data);
  ap_network_destroy(net);
}

int main(void) {
  SKIP_WITHOUT_ONNX();
  const char *folder = getenv("AUTOPRUNE_MODELS");
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_layers),
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_accuracy),
  };
  path = folder ? ap_path_join(folder, "resnet20_cifar10.onnx") : NULL;
  if (!path || !ap_file_exists(path)) {
    (void)printf("skipped: no $AUTOPRUNE_MODELS/resnet20_cifar10.onnx\n");
    ap_free(path);
    return 77;
  }
  int failed = cmocka_run_group_tests(tests, scratch_make, scratch_remove);
  ap_free(path);
  return failed;
}
