#include <string.h>

#include "base/alloc.h"
#include "kernels/cpu/cpu_impl.h"

ap_status ap_cpu_sync(ap_backend *be, ap_error *err) {
  (void)be;
  (void)err;
  return AP_OK;
}

ap_status ap_cpu_alloc(ap_backend *be, size_t bytes, void **out, ap_error *err) {
  (void)be;
  *out = ap_calloc(bytes, 1);
  if (!*out) return ap_fail(err, AP_ERR_MEMORY, "buffer of %zu bytes", bytes);
  return AP_OK;
}

void ap_cpu_release(ap_backend *be, void *data) {
  (void)be;
  ap_free(data);
}

ap_status ap_cpu_write(ap_backend *be, void *to, const void *from, size_t bytes, ap_error *err) {
  (void)be;
  (void)err;
  memcpy(to, from, bytes);
  return AP_OK;
}

ap_status ap_cpu_read(ap_backend *be, const void *from, void *to, size_t bytes, ap_error *err) {
  (void)be;
  (void)err;
  memcpy(to, from, bytes);
  return AP_OK;
}

ap_status ap_cpu_copy(ap_backend *be, void *to, const void *from, size_t bytes, ap_error *err) {
  (void)be;
  (void)err;
  memcpy(to, from, bytes);
  return AP_OK;
}

ap_status ap_cpu_fill(ap_backend *be, float *to, float value, size_t count, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < count; i++) to[i] = value;
  return AP_OK;
}
