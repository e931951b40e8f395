#include "kernels/backend.h"

#include <string.h>

#include "base/alloc.h"
#include "kernels/checks_impl.h"

#define BUFFER_ALIGNMENT ((size_t)64)

typedef ap_status open_function(size_t n_threads, ap_backend **out, ap_error *err);

static const struct {
  const char *name;
  open_function *open;
} known[] = {
    {"cpu", ap_cpu_backend_open},
    {"cpu-ref", ap_cpu_ref_backend_open},
    {"cuda", ap_cuda_backend_open},
    {"cuda-tf32", ap_cuda_tf32_backend_open},
};

static open_function *find(const char *name, ap_error *err) {
  for (size_t i = 0; name && i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(name, known[i].name) == 0) return known[i].open;
  }
  (void)ap_fail(err, AP_ERR_ARG, "unknown backend \"%s\"; known are: cpu, cpu-ref, cuda, cuda-tf32",
                name ? name : "");
  return NULL;
}

ap_status ap_backend_check(const char *name, ap_error *err) {
  return find(name, err) ? AP_OK : AP_ERR_ARG;
}

ap_status ap_backend_open(const char *name, size_t n_threads, ap_backend **out, ap_error *err) {
  open_function *open = find(name, err);
  *out = NULL;
  return open ? open(n_threads, out, err) : AP_ERR_ARG;
}

void ap_backend_close(ap_backend *be) {
  if (be) be->ops->close(be);
}

const char *ap_backend_name(const ap_backend *be) { return be->name; }

const char *ap_backend_describe(const ap_backend *be) { return be->description; }

ap_status ap_backend_sync(ap_backend *be, ap_error *err) { return be->ops->sync(be, err); }

/* ---- buffers ------------------------------------------------------------------------------- */

ap_status ap_buffer_create(ap_backend *be, size_t bytes, ap_buffer **out, ap_error *err) {
  ap_status st = AP_OK;
  void *data = NULL;
  ap_buffer *buffer = ap_calloc(1, sizeof *buffer);
  *out = NULL;
  if (!buffer) return ap_fail(err, AP_ERR_MEMORY, "record of a buffer");
  st = be->ops->alloc(be, bytes, &data, err);
  if (st) {
    ap_free(buffer);
    return st;
  }
  buffer->be = be;
  buffer->data = data;
  buffer->bytes = bytes;
  *out = buffer;
  return AP_OK;
}

static ap_status check_range(const char *what, const ap_buffer *buffer, size_t offset, size_t bytes,
                             ap_error *err) {
  if (!buffer) return ap_fail(err, AP_ERR_ARG, "%s: no buffer", what);
  if (offset > buffer->bytes || bytes > buffer->bytes - offset) {
    return ap_fail(err, AP_ERR_ARG, "%s: %zu bytes at offset %zu, the buffer has %zu", what, bytes,
                   offset, buffer->bytes);
  }
  return AP_OK;
}

ap_status ap_buffer_view(ap_buffer *parent, size_t offset, size_t bytes, ap_buffer **out,
                         ap_error *err) {
  ap_buffer *buffer;
  ap_status st = check_range("view", parent, offset, bytes, err);
  *out = NULL;
  if (st) return st;
  if (offset % BUFFER_ALIGNMENT != 0) {
    return ap_fail(err, AP_ERR_ARG, "view: offset %zu is no multiple of %zu", offset,
                   BUFFER_ALIGNMENT);
  }
  buffer = ap_calloc(1, sizeof *buffer);
  if (!buffer) return ap_fail(err, AP_ERR_MEMORY, "record of a buffer");
  buffer->be = parent->be;
  buffer->data = parent->data + offset;
  buffer->bytes = bytes;
  buffer->view = true;
  *out = buffer;
  return AP_OK;
}

void ap_buffer_destroy(ap_buffer *buffer) {
  if (!buffer) return;
  if (!buffer->view) buffer->be->ops->release(buffer->be, buffer->data);
  ap_free(buffer);
}

size_t ap_buffer_bytes(const ap_buffer *buffer) { return buffer->bytes; }

ap_status ap_buffer_write(ap_buffer *buffer, size_t offset, const void *data, size_t bytes,
                          ap_error *err) {
  ap_status st = check_range("write", buffer, offset, bytes, err);
  if (st || bytes == 0) return st;
  if (!data) return ap_fail(err, AP_ERR_ARG, "write: no data");
  return buffer->be->ops->write(buffer->be, buffer->data + offset, data, bytes, err);
}

ap_status ap_buffer_read(ap_buffer *buffer, size_t offset, void *data, size_t bytes,
                         ap_error *err) {
  ap_status st = check_range("read", buffer, offset, bytes, err);
  if (st || bytes == 0) return st;
  if (!data) return ap_fail(err, AP_ERR_ARG, "read: no data");
  return buffer->be->ops->read(buffer->be, buffer->data + offset, data, bytes, err);
}

ap_status ap_buffer_copy(ap_buffer *to, size_t to_offset, ap_buffer *from, size_t from_offset,
                         size_t bytes, ap_error *err) {
  uintptr_t begin_to, begin_from;
  ap_status st = check_range("copy: destination", to, to_offset, bytes, err);
  if (!st) st = check_range("copy: source", from, from_offset, bytes, err);
  if (st || bytes == 0) return st;
  if (to->be != from->be) return ap_fail(err, AP_ERR_ARG, "copy: buffers of two backends");
  begin_to = (uintptr_t)to->data + to_offset;
  begin_from = (uintptr_t)from->data + from_offset;
  if (begin_to < begin_from + bytes && begin_from < begin_to + bytes) {
    return ap_fail(err, AP_ERR_ARG, "copy: source and destination overlap");
  }
  return to->be->ops->copy(to->be, to->data + to_offset, from->data + from_offset, bytes, err);
}

ap_status ap_buffer_fill(ap_buffer *buffer, float value, size_t count, ap_error *err) {
  ap_status st = check_range("fill", buffer, 0, ap_saturating_mul(count, sizeof(float)), err);
  if (st || count == 0) return st;
  return buffer->be->ops->fill(buffer->be, (void *)buffer->data, value, count, err);
}
