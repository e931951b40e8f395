/* Images and labels as .npy arrays: layouts, splits, classes, files that do not fit, and a network that is
 * evaluated on images larger than any data set here. */
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/npy.h"
#include "nn/dataset.h"
#include "nn/infer.h"
#include "tests/base/testing.h"

static ap_error failure;

static void must(ap_status st) {
  if (st) fail_msg("%s", failure.text);
}

static void save(const char *name, ap_npy_type type, const size_t *dims, size_t n_dims,
                 const void *data) {
  must(ap_npy_save(scratch_path(name), type, dims, n_dims, data, true, &failure));
}

/* Pixel (c, y, x) of image i. */
static uint8_t pixel(size_t i, size_t c, size_t y, size_t x) {
  return (uint8_t)(31 * i + 97 * c + 5 * y + x);
}

enum { FIRST, LAST, GREY };

static void save_images(const char *name, int layout, size_t n, size_t c, size_t h, size_t w) {
  uint8_t *data = ap_calloc(n * c * h, w);
  const size_t first[4] = {n, c, h, w}, last[4] = {n, h, w, c}, grey[3] = {n, h, w};
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < c; k++) {
      for (size_t y = 0; y < h; y++) {
        for (size_t x = 0; x < w; x++) {
          size_t at =
              layout == LAST ? ((i * h + y) * w + x) * c + k : ((i * c + k) * h + y) * w + x;
          data[at] = pixel(i, k, y, x);
        }
      }
    }
  }
  save(name, AP_NPY_U8,
       layout == LAST   ? last
       : layout == GREY ? grey
                        : first,
       layout == GREY ? 3 : 4, data);
  ap_free(data);
}

static void save_labels(const char *name, size_t n, int32_t step) {
  int32_t *labels = ap_calloc(n, sizeof *labels);
  for (size_t i = 0; i < n; i++) labels[i] = (int32_t)i * step;
  save(name, AP_NPY_I32, &n, 1, labels);
  ap_free(labels);
}

static void clear(void) {
  static const char *const names[] = {"test_images.npy",  "test_labels.npy", "train_images.npy",
                                      "train_labels.npy", "classes.txt",     "data_batch_1.bin"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) (void)unlink(scratch_path(names[i]));
}

static ap_dataset *open_folder(void) {
  ap_dataset *data = NULL;
  must(ap_dataset_open(scratch, &data, &failure));
  return data;
}

static void refused(ap_status code, const char *a, const char *b) {
  ap_dataset *data = NULL;
  assert_int_equal(ap_dataset_open(scratch, &data, &failure), code);
  assert_null(data);
  if (!strstr(failure.text, a) || !strstr(failure.text, b)) fail_msg("said: %s", failure.text);
}

/* Test images alone, in three layouts: the same pixels, order and hash; no other split has images. */
static void layouts(void **state) {
  char hash[2][65];
  (void)state;
  for (int layout = FIRST; layout <= LAST; layout++) {
    ap_dataset *data;
    ap_dataset_info info;
    clear();
    save_images("test_images.npy", layout, 5, 3, 7, 4);
    save_labels("test_labels.npy", 5, 100);
    data = open_folder();
    info = ap_dataset_describe(data, AP_SPLIT_TEST);
    assert_int_equal(info.n_images, 5);
    assert_int_equal(info.channels, 3);
    assert_int_equal(info.height, 7);
    assert_int_equal(info.width, 4);
    assert_int_equal(info.classes, 401);
    assert_int_equal(ap_dataset_describe(data, AP_SPLIT_TRAIN).n_images, 0);
    assert_int_equal(ap_dataset_describe(data, AP_SPLIT_SELECTION).n_images, 0);
    for (size_t i = 0; i < 5; i++) {
      assert_int_equal(ap_dataset_labels(data, AP_SPLIT_TEST)[i], 100 * i);
      for (size_t p = 0; p < 84; p++) {
        assert_int_equal(ap_dataset_pixels(data, AP_SPLIT_TEST)[84 * i + p],
                         pixel(i, p / 28, p / 4 % 7, p % 4));
      }
    }
    (void)snprintf(hash[layout], sizeof hash[0], "%s", ap_dataset_hash(data));
    ap_dataset_destroy(data);
  }
  assert_string_equal(hash[FIRST], hash[LAST]);
  clear();
  save_images("test_images.npy", GREY, 2, 1, 3, 5);
  save_labels("test_labels.npy", 2, 1);
  {
    ap_dataset *data = open_folder();
    assert_int_equal(ap_dataset_describe(data, AP_SPLIT_TEST).channels, 1);
    ap_dataset_destroy(data);
  }
}

/* Training images give the usual splits; classes.txt tells of classes that no label shows. */
static void training_images(void **state) {
  ap_dataset *data;
  size_t sum = 0;
  (void)state;
  clear();
  save_images("test_images.npy", FIRST, 3, 1, 6, 6);
  save_labels("test_labels.npy", 3, 1);
  save_images("train_images.npy", LAST, 60, 1, 6, 6);
  save_labels("train_labels.npy", 60, 0);
  scratch_write("classes.txt", "cat\ndog\nfox\nowl", 15);
  data = open_folder();
  for (int s = 0; s < AP_SPLIT_TEST; s++) sum += ap_dataset_describe(data, (ap_split)s).n_images;
  assert_int_equal(sum, 60);
  assert_int_equal(ap_dataset_describe(data, AP_SPLIT_CALIBRATION).n_images, 1);
  assert_int_equal(ap_dataset_describe(data, AP_SPLIT_TEST).n_images, 3);
  assert_int_equal(ap_dataset_describe(data, AP_SPLIT_TEST).classes, 4);
  ap_dataset_destroy(data);
}

static void what_does_not_fit(void **state) {
  const size_t shape[4] = {2, 5, 5, 5}, five = 5;
  const int64_t far[5] = {0, 1, 2, 3, 70000};
  const float pixels[250] = {0};
  (void)state;
  clear();
  save_images("train_images.npy", FIRST, 5, 3, 4, 4); /* without test images */
  refused(AP_ERR_IO, "test_images.npy", "No such file");
  (void)unlink(scratch_path("train_images.npy"));
  save_images("test_images.npy", FIRST, 5, 3, 4, 4);
  refused(AP_ERR_IO, "test_labels.npy", "");
  save_labels("test_labels.npy", 4, 1);
  refused(AP_ERR_FORMAT, "test_labels.npy: 4 integers in 1 dimension", "each of 5 images");
  save("test_labels.npy", AP_NPY_F32, &five, 1, pixels);
  refused(AP_ERR_FORMAT, "test_labels.npy: 5 floats in 1 dimension", "each of 5 images");
  save("test_labels.npy", AP_NPY_I64, &five, 1, far);
  refused(AP_ERR_FORMAT, "label 4 is 70000", "0..65535");
  save_labels("test_labels.npy", 5, 1);
  scratch_write("classes.txt", "one\ntwo\n", 8);
  refused(AP_ERR_FORMAT, "classes.txt: 2 classes", "a label is 4");
  (void)unlink(scratch_path("classes.txt"));
  save_images("train_images.npy", FIRST, 8, 3, 5, 4);
  save_labels("train_labels.npy", 8, 1);
  refused(AP_ERR_FORMAT, "test images of 3x4x4", "3x5x4");
  (void)unlink(scratch_path("train_images.npy"));
  scratch_write("data_batch_1.bin", "x", 1);
  refused(AP_ERR_FORMAT, "expected one form", "");
  (void)unlink(scratch_path("data_batch_1.bin"));
  save("test_images.npy", AP_NPY_F32, shape, 4, pixels);
  refused(AP_ERR_FORMAT, "test_images.npy", "uint8");
  save("test_images.npy", AP_NPY_U8, shape, 4,
       pixels); /* neither 5 first nor 5 last are channels */
  refused(AP_ERR_FORMAT, "4 dimensions", "1, 3 or 4 channels");
  scratch_write("test_images.npy", "\x93NUMPY", 6);
  refused(AP_ERR_FORMAT, "test_images.npy", "");
  scratch_write("test_images.npy", "", 0);
  refused(AP_ERR_FORMAT, "test_images.npy", "not a .npy file");
}

/* 300 classes, 96 x 96 images: what comes out for an image does not depend on how many there are, and an
 * empty split is refused. */
static void evaluation(void **state) {
  ap_network *net = NULL;
  ap_backend *be = NULL;
  ap_dataset *data;
  ap_score all, few;
  float *logits, *first;
  (void)state;
  clear();
  save_images("test_images.npy", LAST, 9, 3, 96, 96);
  save_labels("test_labels.npy", 9, 37);
  data = open_folder();
  assert_int_equal(ap_dataset_describe(data, AP_SPLIT_TEST).classes, 297);
  must(ap_network_builtin("resnet8:0.25", (ap_shape3){3, 96, 96}, 300, 1, &net, &failure));
  must(ap_backend_open("cpu", 2, &be, &failure));
  logits = ap_calloc(9 * 300, sizeof *logits);
  first = ap_calloc(2 * 300, sizeof *first);
  must(ap_infer(be, net, data, AP_SPLIT_TEST, 0, &all, logits, &failure));
  must(ap_infer(be, net, data, AP_SPLIT_TEST, 2, &few, first, &failure));
  assert_int_equal(all.images, 9);
  assert_int_equal(few.images, 2);
  for (size_t i = 0; i < 600; i++) {
    assert_true(fabs((double)first[i] - (double)logits[i]) <= 1e-5 * (1 + fabs((double)logits[i])));
  }
  assert_int_equal(ap_infer(be, net, data, AP_SPLIT_SELECTION, 0, &few, NULL, &failure),
                   AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "selection split"));
  assert_int_equal(ap_infer(be, net, data, AP_SPLIT_TEST, 10, &few, NULL, &failure), AP_ERR_ARG);
  ap_free(logits);
  ap_free(first);
  ap_backend_close(be);
  ap_network_destroy(net);
  ap_dataset_destroy(data);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(layouts), cmocka_unit_test(training_images),
                                     cmocka_unit_test(what_does_not_fit),
                                     cmocka_unit_test(evaluation)};
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
