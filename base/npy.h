/* base/npy.h - NumPy .npy files (format versions 1.0 to 3.0). Arrays in memory are in C order and
 * little endian; files in Fortran order or big endian are converted. Booleans are read as bytes. */
#ifndef AP_BASE_NPY_H
#define AP_BASE_NPY_H
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef enum {
  AP_NPY_F32,
  AP_NPY_F64,
  AP_NPY_I8,
  AP_NPY_U8,
  AP_NPY_I16,
  AP_NPY_U16,
  AP_NPY_I32,
  AP_NPY_U32,
  AP_NPY_I64,
  AP_NPY_U64,
  AP_NPY_F16
} ap_npy_type;

#define AP_NPY_MAX_DIMS 8

typedef struct {
  ap_npy_type type;
  size_t n_dims; /* 0 is a scalar */
  size_t dims[AP_NPY_MAX_DIMS];
  size_t count; /* product of dims */
  void *data;   /* count elements, row-major (Fortran order is converted); owned */
} ap_npy;

/* Errors: IO; FORMAT with file and byte offset (magic, header, type, truncated or trailing bytes,
 * more than max_bytes of data). Release with ap_npy_release. */
AP_NODISCARD ap_status ap_npy_load(const char *path, size_t max_bytes, ap_npy *out, ap_error *err);
AP_NODISCARD ap_status ap_npy_parse(const char *bytes, size_t size, const char *name, ap_npy *out,
                                    ap_error *err);
AP_NODISCARD ap_status ap_npy_save(const char *path, ap_npy_type type, const size_t *dims,
                                   size_t n_dims, const void *data, bool force, ap_error *err);
void ap_npy_release(ap_npy *array);
size_t ap_npy_item_size(ap_npy_type type);
bool ap_npy_is_integer(ap_npy_type type);
/* A file's array where it lies: mapped into memory and read-only, so that only what is read takes
 * memory. The file must not shrink meanwhile. */
typedef struct {
  ap_npy shape;     /* type, dims, count; its data is NULL */
  const void *data; /* count elements, row-major; valid until ap_npy_unmap */
  void *map;
  size_t map_bytes;
} ap_npy_map;

/* Errors: as ap_npy_load; UNSUPPORTED for Fortran order of more than one dimension, and for big endian
 * elements of more than one byte. */
AP_NODISCARD ap_status ap_npy_map_open(const char *path, ap_npy_map *out, ap_error *err);
void ap_npy_unmap(ap_npy_map *map); /* NULL and a zeroed map are allowed */

double ap_npy_get(const ap_npy *array, size_t index); /* as double: from 2^53 on the nearest */

AP_EXTERN_C_END
#endif
