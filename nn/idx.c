/* nn/idx.c - the IDX form of mnist: big-endian magic (type 8 = bytes, number of dimensions), one
 * 32-bit count a dimension, then the bytes. Images have 3 dimensions, labels 1.
 * Source: http://yann.lecun.com/exdb/mnist (the description of the file format). */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "nn/dataset_impl.h"

#define MAGIC_LABELS 0x00000801u
#define MAGIC_IMAGES 0x00000803u

static uint32_t big_endian(const char *bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; i++) value = value << 8 | (unsigned char)bytes[i];
  return value;
}

/* One file whose content is checked against its own header: dims[0..n_dims-1], body of their
 * product, which starts at *body within *bytes. */
static ap_status read_idx(const char *path, uint32_t magic, size_t n_dims, size_t *dims,
                          char **bytes, size_t *body, ap_error *err) {
  size_t size, count = 1;
  ap_status st = ap_file_read_packed(path, AP_DATASET_FILE_BYTES, bytes, &size, err);
  if (st) return st;
  *body = 4 + 4 * n_dims;
  if (size >= 4 && big_endian(*bytes) != magic)
    return ap_fail(err, AP_ERR_FORMAT, "%s: byte 0: magic 0x%08x, expected 0x%08x (IDX %s)", path,
                   big_endian(*bytes), magic, magic == MAGIC_IMAGES ? "images" : "labels");
  if (size < *body)
    return ap_fail(err, AP_ERR_FORMAT, "%s: byte %zu: ends within the header of %zu bytes", path,
                   size, *body);
  for (size_t i = 0; i < n_dims; i++) {
    dims[i] = big_endian(*bytes + 4 + 4 * i);
    size_t most = i ? AP_DATASET_MAX_SIDE : AP_DATASET_FILE_BYTES;
    if (dims[i] < 1 || dims[i] > most)
      return ap_fail(err, AP_ERR_FORMAT, "%s: byte %zu: %s of %zu, expected 1..%zu", path,
                     4 + 4 * i, i ? "side" : "count", dims[i], most);
    count *= dims[i]; /* below 2^50 */
  }
  if (size - *body != count)
    return ap_fail(err, AP_ERR_FORMAT,
                   "%s: byte %zu: %s, expected %zu bytes after the header of %zu", path,
                   size - *body < count ? size : *body + count,
                   size - *body < count ? "file ends" : "trailing bytes", count, *body);
  return AP_OK;
}

/* The one file of a folder that is named PREFIX, '-' or '.', SUFFIX. */
static ap_status find_one(const char *dir, const char *prefix, const char *suffix,
                          ap_file_list *files, ap_error *err) {
  ap_status st = ap_file_list_find(dir, prefix, suffix, files, err);
  if (st) return st;
  if (files->n == 0)
    return ap_fail(err, AP_ERR_IO, "%s: no file %s-%s (plain, .gz or .xz)", dir, prefix, suffix);
  if (files->n > 1)
    return ap_fail(err, AP_ERR_FORMAT, "%s: more than one file %s*%s, expected one", dir, prefix,
                   suffix);
  return AP_OK;
}

static ap_status read_part(const char *dir, const char *images, const char *labels,
                           ap_raw_images *out, ap_error *err) {
  ap_file_list image_files = {0}, label_files = {0};
  char *bytes = NULL;
  size_t dims[3] = {0}, n_labels = 0, body = 0;
  ap_status st = find_one(dir, images, "idx3-ubyte", &image_files, err);
  if (!st) st = find_one(dir, labels, "idx1-ubyte", &label_files, err);
  if (!st) st = read_idx(image_files.paths[0], MAGIC_IMAGES, 3, dims, &bytes, &body, err);
  if (st) goto done;
  *out = (ap_raw_images){.n = dims[0], .c = 1, .h = dims[1], .w = dims[2]};
  memmove(bytes, bytes + body, dims[0] * dims[1] * dims[2]);
  out->pixels = (uint8_t *)bytes;
  bytes = NULL;
  st = read_idx(label_files.paths[0], MAGIC_LABELS, 1, &n_labels, &bytes, &body, err);
  if (st) goto done;
  if (n_labels != out->n) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: byte 4: %zu labels, expected %zu as there are images",
                 label_files.paths[0], n_labels, out->n);
    goto done;
  }
  for (size_t i = 0; i < n_labels && !st; i++) {
    unsigned label = (unsigned char)bytes[body + i];
    if (label >= AP_DATASET_CLASSES)
      st = ap_fail(err, AP_ERR_FORMAT, "%s: byte %zu: label %u, expected 0..%d",
                   label_files.paths[0], body + i, label, AP_DATASET_CLASSES - 1);
  }
  if (st) goto done;
  memmove(bytes, bytes + body, n_labels);
  out->labels = (uint8_t *)bytes;
  bytes = NULL;
done:
  if (st) ap_raw_images_release(out);
  ap_free(bytes);
  ap_file_list_release(&image_files);
  ap_file_list_release(&label_files);
  return st;
}

bool ap_idx_present(const char *dir) {
  ap_file_list files = {0};
  bool present = !ap_file_list_find(dir, "train-images", "idx3-ubyte", &files, NULL) && files.n > 0;
  ap_file_list_release(&files);
  return present;
}

ap_status ap_idx_read(const char *dir, ap_raw_images *train, ap_raw_images *test, ap_error *err) {
  memset(train, 0, sizeof *train);
  memset(test, 0, sizeof *test);
  ap_status st = read_part(dir, "train-images", "train-labels", train, err);
  if (!st) st = read_part(dir, "t10k-images", "t10k-labels", test, err);
  if (!st && (train->h != test->h || train->w != test->w))
    st = ap_fail(err, AP_ERR_FORMAT,
                 "%s: t10k-images: byte 8: images of %zu x %zu, expected %zu x %zu as in training",
                 dir, test->h, test->w, train->h, train->w);
  if (st) {
    ap_raw_images_release(train);
    ap_raw_images_release(test);
  }
  return st;
}
