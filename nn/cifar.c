/* nn/cifar.c - the binary form of CIFAR-10: records of 1 label byte, then 3 planes (red, green,
 * blue) of 32 x 32 bytes, row by row. data_batch*.bin are training, test_batch*.bin test images.
 * Source: https://www.cs.toronto.edu/~kriz/cifar.html. */
#include <string.h>

#include "base/alloc.h"
#include "base/threads.h"
#include "nn/dataset_impl.h"

#define SIDE 32
#define PIXELS ((size_t)3 * SIDE * SIDE)
#define RECORD (1 + PIXELS)

typedef struct {
  const char *path;
  char *bytes;
  size_t size;
  ap_status st;
  ap_error err;
} batch_file;

static ap_status check_records(const char *path, const char *bytes, size_t size, ap_error *err) {
  if (size < RECORD)
    return ap_fail(err, AP_ERR_FORMAT, "%s: byte %zu: file ends, expected records of %zu bytes",
                   path, size, RECORD);
  if (size % RECORD)
    return ap_fail(err, AP_ERR_FORMAT,
                   "%s: byte %zu: file ends within record %zu, expected whole records of %zu bytes",
                   path, size, size / RECORD, RECORD);
  for (size_t at = 0; at < size; at += RECORD) {
    unsigned label = (unsigned char)bytes[at];
    if (label >= AP_DATASET_CLASSES)
      return ap_fail(err, AP_ERR_FORMAT, "%s: byte %zu: label %u, expected 0..%d", path, at, label,
                     AP_DATASET_CLASSES - 1);
  }
  return AP_OK;
}

static void read_one(void *context, size_t block, size_t worker) {
  batch_file *file = &((batch_file *)context)[block];
  (void)worker;
  file->st =
      ap_read_unpacked(file->path, AP_DATASET_FILE_BYTES, &file->bytes, &file->size, &file->err);
  if (!file->st) file->st = check_records(file->path, file->bytes, file->size, &file->err);
}

/* Moves the records of files [0, n) into one block; the files are released on the way. */
static ap_status join(batch_file *files, size_t n, ap_raw_images *out, ap_error *err) {
  size_t count = 0, at = 0;
  for (size_t i = 0; i < n; i++) count += files[i].size / RECORD;
  *out = (ap_raw_images){.n = count, .c = 3, .h = SIDE, .w = SIDE};
  out->pixels = ap_calloc(count, PIXELS);
  out->labels = ap_calloc(count, 1);
  if (!out->pixels || !out->labels)
    return ap_fail(err, AP_ERR_MEMORY, "%zu CIFAR images of %zu bytes", count, PIXELS);
  for (size_t i = 0; i < n; i++) {
    for (size_t byte = 0; byte < files[i].size; byte += RECORD, at++) {
      out->labels[at] = (uint8_t)files[i].bytes[byte];
      memcpy(out->pixels + at * PIXELS, files[i].bytes + byte + 1, PIXELS);
    }
    ap_free(files[i].bytes);
    files[i].bytes = NULL;
  }
  return AP_OK;
}

bool ap_cifar_present(const char *dir) {
  ap_file_list files = {0};
  bool present = !ap_file_list_find(dir, "data_batch", ".bin", &files, NULL) && files.n > 0;
  ap_file_list_release(&files);
  return present;
}

ap_status ap_cifar_read(const char *dir, ap_raw_images *train, ap_raw_images *test, ap_error *err) {
  ap_file_list train_files = {0}, test_files = {0};
  batch_file *files = NULL;
  ap_pool *pool = NULL;
  size_t n = 0;
  memset(train, 0, sizeof *train);
  memset(test, 0, sizeof *test);
  ap_status st = ap_file_list_find(dir, "data_batch", ".bin", &train_files, err);
  if (!st) st = ap_file_list_find(dir, "test_batch", ".bin", &test_files, err);
  if (st) goto done;
  if (!train_files.n || !test_files.n) {
    st = ap_fail(err, AP_ERR_IO, "%s: no file %s_batch*.bin (plain, .gz or .xz)", dir,
                 train_files.n ? "test" : "data");
    goto done;
  }
  n = train_files.n + test_files.n;
  files = ap_calloc(n, sizeof *files);
  if (!files) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s: list of files", dir);
    goto done;
  }
  for (size_t i = 0; i < n; i++)
    files[i].path = i < train_files.n ? train_files.paths[i] : test_files.paths[i - train_files.n];
  st = ap_pool_create(0, &pool, err); /* unpacking .xz is what takes the time */
  if (st) goto done;
  ap_pool_run(pool, n, read_one, files);
  for (size_t i = 0; i < n && !st; i++) {
    st = files[i].st;
    if (st && err) *err = files[i].err;
  }
  if (!st) st = join(files, train_files.n, train, err);
  if (!st) st = join(files + train_files.n, test_files.n, test, err);
done:
  if (st) {
    ap_raw_images_release(train);
    ap_raw_images_release(test);
  }
  for (size_t i = 0; files && i < n; i++) ap_free(files[i].bytes);
  ap_free(files);
  ap_pool_destroy(pool);
  ap_file_list_release(&train_files);
  ap_file_list_release(&test_files);
  return st;
}
