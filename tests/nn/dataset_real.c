/* The real data sets, where they are installed (else skipped, exit status 77).
 *
 * Published: 60,000 + 10,000 images of 28x28, balanced (fashion-mnist); 50,000 of 32x32, balanced,
 * mean 0.4914 0.4822 0.4465, deviation 0.2470 0.2435 0.2616 (cifar10). The values here are those
 * of the training split, so they agree only to about 1 %. */
#include <math.h>

#include "base/alloc.h"
#include "nn/dataset.h"
#include "nn/dataset_places.h"
#include "tests/base/testing.h"

/* Labels of all splits cut from the training files, counted; returns the number of images. */
static size_t count_labels(const ap_dataset *data, size_t counts[10]) {
  static const ap_split parts[] = {AP_SPLIT_TRAIN, AP_SPLIT_CALIBRATION, AP_SPLIT_SEARCH,
                                   AP_SPLIT_SELECTION};
  size_t total = 0;
  for (int p = 0; p < 4; p++) {
    size_t n = ap_dataset_describe(data, parts[p]).n_images;
    const int32_t *labels = ap_dataset_labels(data, parts[p]);
    for (size_t i = 0; i < n; i++) counts[labels[i]]++;
    total += n;
  }
  return total;
}

static ap_dataset *open_set(const char *name) {
  ap_dataset *data = NULL;
  ap_error err;
  if (ap_dataset_open(name, &data, &err)) fail_msg("%s", err.text);
  return data;
}

static void check(const char *name, const ap_dataset *data, size_t n_train, const float *mean,
                  const float *std, size_t channels) {
  size_t counts[10] = {0};
  float m[4], s[4];
  assert_int_equal(count_labels(data, counts), n_train);
  for (int i = 0; i < 10; i++) assert_int_equal(counts[i], n_train / 10);
  assert_int_equal(ap_dataset_describe(data, AP_SPLIT_CALIBRATION).n_images, 1000);
  assert_int_equal(ap_dataset_describe(data, AP_SPLIT_SEARCH).n_images, 2500);
  assert_int_equal(ap_dataset_describe(data, AP_SPLIT_SELECTION).n_images, 2500);
  ap_dataset_statistics(data, m, s);
  for (size_t c = 0; c < channels; c++) {
    print_message("%s channel %zu: mean %.4f deviation %.4f\n", name, c, (double)m[c],
                  (double)s[c]);
    assert_true(fabsf(m[c] - mean[c]) < 0.005f && fabsf(s[c] - std[c]) < 0.005f);
  }
}

static void test_fashion(void **state) {
  static const int first[10] = {9, 2, 1, 1, 6, 1, 4, 6, 5, 7}; /* of the test files */
  const float mean[] = {0.2860f}, std[] = {0.3530f};
  (void)state;
  ap_dataset *data = open_set("fashion-mnist");
  check("fashion-mnist", data, 60000, mean, std, 1);
  ap_dataset_info info = ap_dataset_describe(data, AP_SPLIT_TEST);
  assert_true(info.n_images == 10000 && info.channels == 1 && info.height == 28 &&
              info.width == 28);
  for (int i = 0; i < 10; i++)
    assert_int_equal(ap_dataset_labels(data, AP_SPLIT_TEST)[i], first[i]);
  /* Of the files of Debian's package in our splits: every published accuracy depends on these. */
  assert_string_equal(ap_dataset_hash(data),
                      "e01a39bac4a6bbd54a1a268701c38b32381fa9a89ef92d32206f9e9d2e3d4568");
  ap_dataset_destroy(data);
}

static void test_cifar10(void **state) {
  const float mean[] = {0.4914f, 0.4822f, 0.4465f}, std[] = {0.2470f, 0.2435f, 0.2616f};
  (void)state;
  ap_dataset *data = open_set("cifar10");
  check("cifar10", data, 50000, mean, std, 3);
  ap_dataset_info info = ap_dataset_describe(data, AP_SPLIT_TEST);
  assert_true(info.channels == 3 && info.height == 32 && info.width == 32);
  assert_true(info.n_images >= 1 && info.n_images <= 10000);
  ap_dataset_destroy(data);
}

int main(int argc, char **argv) {
  const struct CMUnitTest fashion[] = {cmocka_unit_test(test_fashion)};
  const struct CMUnitTest cifar[] = {cmocka_unit_test(test_cifar10)};
  const char *name = argc > 1 ? argv[1] : "fashion-mnist";
  char *dir = NULL;
  ap_error err;
  if (ap_dataset_find(name, &dir, &err)) {
    print_message("skipped: %s\n", err.text);
    return 77;
  }
  ap_free(dir);
  return strcmp(name, "cifar10") == 0 ? cmocka_run_group_tests(cifar, NULL, NULL)
                                      : cmocka_run_group_tests(fashion, NULL, NULL);
}
