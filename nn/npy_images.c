/* nn/npy_images.c - images and labels as .npy arrays:
 *   test_images.npy   uint8 [n, c, h, w], [n, h, w, c] or [n, h, w]; c is 1, 3 or 4
 *   test_labels.npy   integers [n], 0 and up
 *   train_images.npy, train_labels.npy   the same; may be absent
 *   classes.txt       one class a line; may be absent: then the largest label tells how many there are */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "nn/dataset_impl.h"

#define LARGEST_LABEL 65535
#define LABEL_BYTES ((size_t)1 << 30)
#define CLASSES_BYTES ((size_t)1 << 24)

static bool is_channels(size_t c) { return c == 1 || c == 3 || c == 4; }

static bool present(const char *dir, const char *name) {
  char *path = ap_path_join(dir, name);
  bool found = path && ap_file_exists(path);
  ap_free(path);
  return found;
}

bool ap_npy_images_present(const char *dir) {
  return present(dir, "test_images.npy") || present(dir, "test_labels.npy") ||
         present(dir, "train_images.npy");
}

/* [n, h, w, c] -> [n, c, h, w], in memory. */
static ap_status channels_first(const char *path, ap_raw_images *out, ap_error *err) {
  const uint8_t *from = out->mapped.data;
  size_t plane = out->h * out->w;
  out->pixels = ap_calloc(out->n, out->c * plane);
  if (!out->pixels) return ap_fail(err, AP_ERR_MEMORY, "%s: %zu images", path, out->n);
  for (size_t i = 0; i < out->n; i++) {
    for (size_t p = 0; p < plane; p++) {
      for (size_t c = 0; c < out->c; c++) {
        out->pixels[(i * out->c + c) * plane + p] = from[(i * plane + p) * out->c + c];
      }
    }
  }
  ap_npy_unmap(&out->mapped);
  return AP_OK;
}

static ap_status read_images(const char *path, ap_raw_images *out, ap_error *err) {
  bool last = false; /* channels are the last dimension */
  ap_status st = ap_npy_map_open(path, &out->mapped, err);
  const size_t *d = out->mapped.shape.dims;
  size_t n_dims = out->mapped.shape.n_dims;
  if (st) return st;
  if (out->mapped.shape.type != AP_NPY_U8) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: pixels are uint8 (|u1), another type is there", path);
  }
  if (n_dims == 3) {
    *out = (ap_raw_images){.n = d[0], .c = 1, .h = d[1], .w = d[2], .mapped = out->mapped};
  } else if (n_dims == 4 && is_channels(d[1])) {
    *out = (ap_raw_images){.n = d[0], .c = d[1], .h = d[2], .w = d[3], .mapped = out->mapped};
  } else if (n_dims == 4 && is_channels(d[3])) {
    last = true;
    *out = (ap_raw_images){.n = d[0], .c = d[3], .h = d[1], .w = d[2], .mapped = out->mapped};
  } else {
    return ap_fail(err, AP_ERR_FORMAT,
                   "%s: %zu dimensions, expected images x channels x rows x columns (or channels "
                   "last) with 1, 3 or 4 channels",
                   path, n_dims);
  }
  if (out->n == 0 || out->h == 0 || out->w == 0 || out->h > AP_DATASET_MAX_SIDE ||
      out->w > AP_DATASET_MAX_SIDE || out->n > INT32_MAX) {
    return ap_fail(err, AP_ERR_FORMAT,
                   "%s: %zu images of %zu x %zu, 1 to %d images with sides from 1 to %d expected",
                   path, out->n, out->h, out->w, INT32_MAX, AP_DATASET_MAX_SIDE);
  }
  return last && out->c > 1 ? channels_first(path, out, err) : AP_OK;
}

static ap_status read_labels(const char *path, ap_raw_images *out, ap_error *err) {
  ap_npy array = {0};
  ap_status st = ap_npy_load(path, LABEL_BYTES, &array, err);
  if (st) return st;
  if (!ap_npy_is_integer(array.type) || array.n_dims != 1 || array.count != out->n) {
    st = ap_fail(err, AP_ERR_FORMAT,
                 "%s: %zu %s in %zu dimension%s, expected one line of one integer for each of %zu "
                 "images",
                 path, array.count, ap_npy_is_integer(array.type) ? "integers" : "floats",
                 array.n_dims, array.n_dims == 1 ? "" : "s", out->n);
  } else if (!(out->wide_labels = ap_calloc(out->n, sizeof *out->wide_labels))) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s: %zu labels", path, out->n);
  }
  for (size_t i = 0; i < out->n && !st; i++) {
    double label = ap_npy_get(&array, i);
    if (!(label >= 0 && label <= LARGEST_LABEL)) {
      st = ap_fail(err, AP_ERR_FORMAT, "%s: label %zu is %.0f, expected 0..%d", path, i, label,
                   LARGEST_LABEL);
    } else {
      out->wide_labels[i] = (int32_t)label;
      if ((size_t)label + 1 > out->classes) out->classes = (size_t)label + 1;
    }
  }
  ap_npy_release(&array);
  return st;
}

static ap_status read_part(const char *dir, const char *part, ap_raw_images *out, ap_error *err) {
  char *images = ap_sprintf("%s/%s_images.npy", dir, part);
  char *labels = ap_sprintf("%s/%s_labels.npy", dir, part);
  ap_status st = images && labels ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "paths of %s", dir);
  if (!st) st = read_images(images, out, err);
  if (!st) st = read_labels(labels, out, err);
  ap_free(images);
  ap_free(labels);
  return st;
}

/* Lines of classes.txt, if it is there. */
static ap_status read_classes(const char *dir, size_t least, size_t *classes, ap_error *err) {
  char *path = ap_path_join(dir, "classes.txt"), *text = NULL;
  size_t size = 0, lines = 0;
  ap_status st = path ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "path of %s", dir);
  *classes = least;
  if (!st && ap_file_exists(path)) {
    st = ap_file_read(path, CLASSES_BYTES, &text, &size, err);
    for (size_t i = 0; i < size && !st; i++) {
      lines += text[i] == '\n' || (i + 1 == size && text[i] != '\n');
    }
    if (!st && lines < least) {
      st = ap_fail(err, AP_ERR_FORMAT, "%s: %zu classes, but a label is %zu", path, lines,
                   least - 1);
    }
    *classes = lines;
  }
  ap_free(text);
  ap_free(path);
  return st;
}

ap_status ap_npy_images_read(const char *dir, ap_raw_images *train, ap_raw_images *test,
                             ap_error *err) {
  ap_status st;
  size_t classes = 0;
  memset(train, 0, sizeof *train);
  memset(test, 0, sizeof *test);
  st = read_part(dir, "test", test, err);
  if (!st && present(dir, "train_images.npy")) st = read_part(dir, "train", train, err);
  if (!st && train->n > 0 && (train->c != test->c || train->h != test->h || train->w != test->w)) {
    st = ap_fail(err, AP_ERR_FORMAT,
                 "%s: test images of %zux%zux%zu, expected %zux%zux%zu as in training", dir,
                 test->c, test->h, test->w, train->c, train->h, train->w);
  }
  if (!st) {
    classes = train->classes > test->classes ? train->classes : test->classes;
    st = read_classes(dir, classes, &classes, err);
  }
  train->classes = test->classes = classes;
  if (st) {
    ap_raw_images_release(train);
    ap_raw_images_release(test);
  }
  return st;
}
