/* nn/dataset.c - data sets in memory and their splits. */
#include "nn/dataset.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/text.h"
#include "nn/dataset_impl.h"
#include "nn/dataset_places.h"

/* Of the splits: fixed, so that they are the same for everyone. */
#define SPLIT_SEED UINT64_C(20210614)
#define FULL_SPLITS_FROM 12000 /* training images */

struct ap_dataset {
  char *name;
  size_t c, h, w, classes;
  uint8_t *pixels;   /* all images that are not mapped, one split behind the other */
  ap_npy_map mapped; /* the test images, where they stay in their file */
  int32_t *labels;
  size_t first[AP_SPLIT_COUNT], count[AP_SPLIT_COUNT];
  float mean[4], std[4];
  char hash[AP_SHA256_TEXT];
};

static const char *const split_names[AP_SPLIT_COUNT] = {"train", "calibration", "search",
                                                        "selection", "test"};

const char *ap_split_name(ap_split split) {
  return (int)split >= 0 && split < AP_SPLIT_COUNT ? split_names[split] : "?";
}

ap_status ap_split_parse(const char *name, ap_split *out, ap_error *err) {
  for (int i = 0; i < AP_SPLIT_COUNT; i++) {
    if (name && strcmp(name, split_names[i]) == 0) {
      *out = (ap_split)i;
      return AP_OK;
    }
  }
  return ap_fail(err, AP_ERR_ARG,
                 "%s: no such split; there are train, calibration, search, selection and test",
                 name ? name : "(none)");
}

static size_t share(size_t n, size_t full, size_t divisor) {
  size_t part = n / divisor;
  if (n == 0) return 0;
  if (n >= FULL_SPLITS_FROM) return full;
  return part ? part : 1;
}

/* Sizes of the splits, and where each begins: the training images in shuffled order, then the
 * test images in file order. */
static void lay_out(ap_dataset *data, size_t n_train, size_t n_test) {
  static const ap_split order[AP_SPLIT_COUNT] = {AP_SPLIT_CALIBRATION, AP_SPLIT_SEARCH,
                                                 AP_SPLIT_SELECTION, AP_SPLIT_TRAIN, AP_SPLIT_TEST};
  size_t at = 0;
  data->count[AP_SPLIT_CALIBRATION] = share(n_train, 1000, 60);
  data->count[AP_SPLIT_SEARCH] = share(n_train, 2500, 24);
  data->count[AP_SPLIT_SELECTION] = share(n_train, 2500, 24);
  data->count[AP_SPLIT_TRAIN] = n_train - data->count[AP_SPLIT_CALIBRATION] -
                                data->count[AP_SPLIT_SEARCH] - data->count[AP_SPLIT_SELECTION];
  data->count[AP_SPLIT_TEST] = n_test;
  for (int i = 0; i < AP_SPLIT_COUNT; i++) {
    data->first[order[i]] = at;
    at += data->count[order[i]];
  }
}

static const uint8_t *pixels_of(const ap_raw_images *raw) {
  return raw->pixels ? raw->pixels : raw->mapped.data;
}

static int32_t label_of(const ap_raw_images *raw, size_t i) {
  return raw->wide_labels ? raw->wide_labels[i] : (int32_t)raw->labels[i];
}

/* Training images are copied in their shuffled order; test images that are mapped stay where they are. */
static ap_status fill(ap_dataset *data, const ap_raw_images *train, ap_raw_images *test,
                      ap_error *err) {
  size_t total = train->n + test->n, bytes = data->c * data->h * data->w;
  size_t copied = test->pixels ? total : train->n;
  ap_rng rng;
  uint32_t *order = ap_calloc(train->n + 1, sizeof *order);
  data->pixels = ap_calloc(copied + 1, bytes);
  data->labels = ap_calloc(total, sizeof *data->labels);
  if (!order || !data->pixels || !data->labels) {
    ap_free(order);
    return ap_fail(err, AP_ERR_MEMORY, "%s: %zu images of %zu bytes", data->name, total, bytes);
  }
  for (size_t i = 0; i < train->n; i++) order[i] = (uint32_t)i;
  ap_rng_seed(&rng, SPLIT_SEED, 0);
  ap_rng_shuffle(&rng, order, train->n);
  for (size_t i = 0; i < train->n; i++) {
    memcpy(data->pixels + i * bytes, pixels_of(train) + order[i] * bytes, bytes);
    data->labels[i] = label_of(train, order[i]);
  }
  for (size_t i = 0; i < test->n; i++) data->labels[train->n + i] = label_of(test, i);
  if (test->pixels) {
    memcpy(data->pixels + train->n * bytes, test->pixels, test->n * bytes);
  } else {
    data->mapped = test->mapped;
    memset(&test->mapped, 0, sizeof test->mapped);
  }
  ap_free(order);
  return AP_OK;
}

/* Exact: from the histogram of each channel's byte values. */
static void measure(ap_dataset *data) {
  size_t plane = data->h * data->w, n = data->count[AP_SPLIT_TRAIN];
  const uint8_t *from = ap_dataset_pixels(data, AP_SPLIT_TRAIN);
  for (size_t c = 0; c < 4; c++) {
    uint64_t histogram[256] = {0};
    double sum = 0.0, squares = 0.0, values = (double)n * (double)plane;
    data->mean[c] = 0.0f;
    data->std[c] = 1.0f;
    if (c >= data->c || n == 0) continue;
    for (size_t i = 0; i < n; i++) {
      const uint8_t *image = from + (i * data->c + c) * plane;
      for (size_t j = 0; j < plane; j++) histogram[image[j]]++;
    }
    for (int v = 0; v < 256; v++) sum += v * (double)histogram[v];
    double mean = sum / values;
    for (int v = 0; v < 256; v++) squares += (v - mean) * (v - mean) * (double)histogram[v];
    data->mean[c] = (float)(mean / 255.0);
    if (squares > 0.0) data->std[c] = (float)(sqrt(squares / values) / 255.0);
  }
}

static ap_status identify(ap_dataset *data, ap_error *err) {
  size_t total = data->first[AP_SPLIT_TEST] + data->count[AP_SPLIT_TEST];
  size_t image = data->c * data->h * data->w;
  ap_hash *hash = NULL;
  ap_status st = ap_hash_create(&hash, err);
  if (st) return st;
  const uint64_t sizes[] = {data->first[AP_SPLIT_TEST], data->count[AP_SPLIT_TEST], data->c,
                            data->h, data->w};
  ap_hash_add(hash, sizes, sizeof sizes);
  ap_hash_add(hash, data->pixels, data->first[AP_SPLIT_TEST] * image);
  ap_hash_add(hash, ap_dataset_pixels(data, AP_SPLIT_TEST), data->count[AP_SPLIT_TEST] * image);
  ap_hash_add(hash, data->labels, total * sizeof *data->labels);
  ap_hash_text(hash, data->hash);
  ap_hash_destroy(hash);
  return AP_OK;
}

static ap_status read_folder(const char *dir, ap_raw_images *train, ap_raw_images *test,
                             ap_error *err) {
  bool idx = ap_idx_present(dir), cifar = ap_cifar_present(dir), npy = ap_npy_images_present(dir);
  if (idx + cifar + npy > 1)
    return ap_fail(err, AP_ERR_FORMAT, "%s: holds %s files, expected one form", dir,
                   npy ? ".npy arrays and other data" : "both IDX and CIFAR");
  if (npy) return ap_npy_images_read(dir, train, test, err);
  if (idx) return ap_idx_read(dir, train, test, err);
  if (cifar) return ap_cifar_read(dir, train, test, err);
  return ap_fail(err, AP_ERR_IO,
                 "%s: no training files, expected train-images-idx3-ubyte or data_batch*.bin "
                 "(plain, .gz or .xz), or test_images.npy and test_labels.npy",
                 dir);
}

bool ap_dataset_fits(const ap_dataset_info *info, size_t c, size_t h, size_t w) {
  if (c == 1 && h == 1) return info->channels * info->height * info->width == w;
  return info->channels == c && info->height == h && info->width == w;
}

ap_status ap_dataset_open(const char *name, ap_dataset **out, ap_error *err) {
  ap_raw_images train = {0}, test = {0};
  ap_dataset *data = NULL;
  char *dir = NULL;
  *out = NULL;
  ap_status st = ap_dataset_find(name, &dir, err);
  if (!st) st = read_folder(dir, &train, &test, err);
  if (st) goto done;
  if (train.n < 4 &&
      !(train.n == 0 && test.classes > 0)) { /* .npy folders may have no training images */
    st = ap_fail(err, AP_ERR_FORMAT, "%s: %zu training images, expected at least 4", dir, train.n);
    goto done;
  }
  data = ap_calloc(1, sizeof *data);
  if (data) data->name = ap_strdup(name);
  if (!data || !data->name) {
    st = ap_fail(err, AP_ERR_MEMORY, "data set record");
    goto done;
  }
  ap_text_clean(data->name); /* it goes into results */
  data->c = test.c;
  data->h = test.h;
  data->w = test.w;
  data->classes = test.classes ? test.classes : AP_DATASET_CLASSES;
  lay_out(data, train.n, test.n);
  st = fill(data, &train, &test, err);
  if (st) goto done;
  measure(data);
  st = identify(data, err);
  if (st) goto done;
  *out = data;
  data = NULL;
done:
  ap_dataset_destroy(data);
  ap_raw_images_release(&train);
  ap_raw_images_release(&test);
  ap_free(dir);
  return st;
}

void ap_dataset_destroy(ap_dataset *data) {
  if (!data) return;
  ap_free(data->name);
  ap_free(data->pixels);
  ap_free(data->labels);
  ap_npy_unmap(&data->mapped);
  ap_free(data);
}

const char *ap_dataset_name(const ap_dataset *data) { return data->name; }

ap_dataset_info ap_dataset_describe(const ap_dataset *data, ap_split split) {
  return (ap_dataset_info){.n_images = data->count[split],
                           .channels = data->c,
                           .height = data->h,
                           .width = data->w,
                           .classes = data->classes};
}

const char *ap_dataset_hash(const ap_dataset *data) { return data->hash; }

const uint8_t *ap_dataset_pixels(const ap_dataset *data, ap_split split) {
  if (split == AP_SPLIT_TEST && data->mapped.map) return data->mapped.data;
  return data->pixels + data->first[split] * data->c * data->h * data->w;
}

const int32_t *ap_dataset_labels(const ap_dataset *data, ap_split split) {
  return data->labels + data->first[split];
}

void ap_dataset_statistics(const ap_dataset *data, float mean[4], float std[4]) {
  memcpy(mean, data->mean, sizeof data->mean);
  memcpy(std, data->std, sizeof data->std);
}
