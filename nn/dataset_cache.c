/* nn/dataset_cache.c - unpacked copies of large packed files, in the user's cache.
 *
 * cifar10 takes some 7 s of processor time to unpack from .xz, at every start. A copy is named by
 * the SHA-256 of the packed bytes, so that it can never be out of date, and ends with the SHA-256
 * of its content, so that a damaged one is seen and replaced. A cache that cannot be written
 * changes nothing but the time. */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "nn/dataset_impl.h"
#include "nn/dataset_places.h"

#define CACHED_FROM ((size_t)1 << 20) /* packed bytes; unpacking less takes no time worth saving */
#define DIGEST (AP_SHA256_TEXT - 1)

/* Path of the copy of a packed file; NULL where there is no cache folder. */
static char *copy_path(const char *packed, size_t size) {
  char key[AP_SHA256_TEXT], *dir = NULL, *path = NULL;
  if (ap_dataset_cache_dir(&dir, NULL)) return NULL;
  ap_sha256(packed, size, key);
  path = ap_sprintf("%s/unpacked/%s.bin", dir, key);
  ap_free(dir);
  return path;
}

static bool read_copy(const char *path, size_t max_bytes, char **bytes, size_t *size) {
  char digest[AP_SHA256_TEXT];
  if (!ap_file_exists(path) || ap_file_read(path, max_bytes + DIGEST, bytes, size, NULL))
    return false;
  if (*size >= DIGEST) {
    *size -= DIGEST;
    ap_sha256(*bytes, *size, digest);
    if (memcmp(*bytes + *size, digest, DIGEST) == 0) return true;
  }
  ap_free(*bytes);
  *bytes = NULL;
  return false;
}

static void write_copy(const char *path, const char *bytes, size_t size) {
  char digest[AP_SHA256_TEXT], *dir = ap_strdup(path);
  ap_output *output = NULL;
  if (!dir) return;
  *strrchr(dir, '/') = '\0';
  ap_status st = ap_dir_create(dir, NULL);
  ap_free(dir);
  if (st || ap_output_open(path, true, &output, NULL)) return;
  ap_sha256(bytes, size, digest);
  bool written = fwrite(bytes, 1, size, ap_output_stream(output)) == size &&
                 fwrite(digest, 1, DIGEST, ap_output_stream(output)) == DIGEST;
  if (!written) {
    ap_output_abandon(output);
  } else if (ap_output_commit(output, NULL)) {
    return; /* it has removed its temporary file */
  }
}

ap_status ap_read_unpacked(const char *path, size_t max_bytes, char **bytes, size_t *size,
                           ap_error *err) {
  char *packed = NULL, *copy = NULL;
  size_t n_packed;
  size_t length = strlen(path);
  bool is_packed = length > 3 &&
                   (strcmp(path + length - 3, ".xz") == 0 || strcmp(path + length - 3, ".gz") == 0);
  if (is_packed && !ap_file_read(path, max_bytes, &packed, &n_packed, NULL)) {
    if (n_packed >= CACHED_FROM) copy = copy_path(packed, n_packed);
    ap_free(packed);
  }
  if (copy && read_copy(copy, max_bytes, bytes, size)) {
    ap_free(copy);
    return AP_OK;
  }
  ap_status st = ap_file_read_packed(path, max_bytes, bytes, size, err);
  if (!st && copy) write_copy(copy, *bytes, *size);
  ap_free(copy);
  return st;
}
