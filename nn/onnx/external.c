#include "nn/onnx/external.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

/* Only names that go down: parts that are neither empty nor "." nor "..". */
static bool goes_down(const char *location) {
  if (!*location || strchr(location, '\\')) return false;
  for (const char *part = location;;) {
    size_t n = strcspn(part, "/");
    if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
      return false;
    if (!part[n]) return true;
    part += n + 1;
  }
}

/* Does `file`, links resolved, lie in `folder`, links resolved? */
static bool lies_in(const char *folder, const char *file) {
  char *root = realpath(folder, NULL), *real = realpath(file, NULL);
  size_t n = root ? strlen(root) : 0;
  bool inside =
      root && real && strncmp(real, root, n) == 0 && (real[n] == '/' || (n == 1 && root[0] == '/'));
  free(root);
  free(real);
  return inside;
}

static ap_status read_at(const char *path, uint64_t offset, size_t bytes, char *data,
                         ap_error *err) {
  int file = -1;
  size_t size = 0;
  ap_status st = ap_file_open(path, SIZE_MAX, &file, &size, err);
  if (!st && (size < offset || size - offset < bytes)) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: %zu bytes at %llu, the file has %zu", path, bytes,
                 (unsigned long long)offset, size);
  }
  for (size_t done = 0; !st && done < bytes;) {
    ssize_t n = pread(file, data + done, bytes - done, (off_t)(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) st = ap_fail(err, AP_ERR_IO, "%s: %s", path, n < 0 ? strerror(errno) : "cut off");
    if (n > 0) done += (size_t)n;
  }
  if (file >= 0) (void)close(file);
  return st;
}

ap_status ap_onnx_external_read(const char *model, const char *location, uint64_t offset,
                                size_t bytes, char **data, ap_error *err) {
  const char *slash = strrchr(model, '/');
  char *folder = slash ? ap_sprintf("%.*s", (int)(slash - model + 1), model) : ap_strdup("./");
  char *path = folder ? ap_sprintf("%s%s", folder, location) : NULL;
  ap_status st = AP_OK;
  *data = NULL;
  if (!path) {
    st = ap_fail(err, AP_ERR_MEMORY, "path of external data");
  } else if (!goes_down(location) || (access(path, F_OK) == 0 && !lies_in(folder, path))) {
    st = ap_fail(err, AP_ERR_FORMAT,
                 "external data at \"%.200s\": a relative path within the model's folder expected",
                 location);
  } else {
    *data = ap_calloc(bytes, 1);
    st = *data ? read_at(path, offset, bytes, *data, err)
               : ap_fail(err, AP_ERR_MEMORY, "%zu bytes of external data", bytes);
  }
  if (st) {
    ap_free(*data);
    *data = NULL;
  }
  ap_free(folder);
  ap_free(path);
  return st;
}
