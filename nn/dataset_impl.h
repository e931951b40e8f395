/* nn/dataset_impl.h - what the readers of the image formats hand over; stays in this folder. */
#ifndef AP_NN_DATASET_IMPL_H
#define AP_NN_DATASET_IMPL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/npy.h"
#include "base/status.h"
AP_EXTERN_C_BEGIN

#define AP_DATASET_CLASSES 10
#define AP_DATASET_MAX_SIDE 1024
#define AP_DATASET_FILE_BYTES ((size_t)1 << 30) /* most that one unpacked file may have */

/* Images in file order; all is owned. */
typedef struct {
  size_t n, c, h, w;
  uint8_t *pixels; /* [n, c, h, w]; NULL where they are mapped */
  uint8_t *labels; /* of the ten-class formats; or wide_labels */
  int32_t *wide_labels;
  size_t classes;    /* 0: AP_DATASET_CLASSES */
  ap_npy_map mapped; /* [n, c, h, w] in a file */
} ap_raw_images;
void ap_raw_images_release(ap_raw_images *raw);

/* Paths of a folder's data files, sorted by name; packed and plain versions of one file count once
 * (the plain one is taken). */
typedef struct {
  char **paths;
  size_t n;
} ap_file_list;
void ap_file_list_release(ap_file_list *list);

/* Files named PREFIX*SUFFIX, or that with .gz or .xz behind. No match is an empty list.
 * Errors: IO (the folder cannot be read), MEMORY. */
AP_NODISCARD ap_status ap_file_list_find(const char *dir, const char *prefix, const char *suffix,
                                         ap_file_list *out, ap_error *err);

/* ap_file_read_packed with a copy of large packed files in the user's cache. */
AP_NODISCARD ap_status ap_read_unpacked(const char *path, size_t max_bytes, char **bytes,
                                        size_t *size, ap_error *err);

/* Does the folder hold training files of the format? false for a folder that cannot be read. */
bool ap_idx_present(const char *dir);
bool ap_cifar_present(const char *dir);
bool ap_npy_images_present(const char *dir); /* test images are enough */

/* Reads train and test images of a folder. On error nothing is owned. */
AP_NODISCARD ap_status ap_idx_read(const char *dir, ap_raw_images *train, ap_raw_images *test,
                                   ap_error *err);
AP_NODISCARD ap_status ap_cifar_read(const char *dir, ap_raw_images *train, ap_raw_images *test,
                                     ap_error *err);
AP_NODISCARD ap_status ap_npy_images_read(const char *dir, ap_raw_images *train,
                                          ap_raw_images *test, ap_error *err);

AP_EXTERN_C_END
#endif
