/* Device memory: buffers, transfers, the workspace. */
#include <string.h>

#include "base/alloc.h"
#include "kernels/cuda/cuda_impl.h"

/* The workspace grows in steps of this, so that similar shapes share one growth. */
#define WORKSPACE_STEP ((size_t)4 << 20)

ap_status ap_cuda_staging_create(ap_cuda_staging **out, ap_error *err) {
  ap_cuda_staging *s = ap_calloc(1, sizeof *s);
  ap_status st;
  void *host = NULL;
  *out = NULL;
  if (!s) return ap_fail(err, AP_ERR_MEMORY, "record of the staging memory");
  st = ap_cuda_check("pinned memory",
                     cudaHostAlloc(&host, AP_CUDA_SLOTS * AP_CUDA_SLOT_BYTES, cudaHostAllocDefault),
                     err);
  if (!st) s->host = host;
  while (!st && s->n_events < AP_CUDA_SLOTS) {
    st = ap_cuda_check(
        "event", cudaEventCreateWithFlags(&s->done[s->n_events], cudaEventDisableTiming), err);
    if (!st) s->n_events++;
  }
  if (st) {
    ap_cuda_staging_destroy(s);
    return st;
  }
  *out = s;
  return AP_OK;
}

void ap_cuda_staging_destroy(ap_cuda_staging *s) {
  if (!s) return;
  for (size_t i = 0; i < s->n_events; i++) (void)cudaEventDestroy(s->done[i]);
  if (s->host) (void)cudaFreeHost(s->host);
  ap_free(s);
}

ap_status ap_cuda_sync(ap_backend *be, ap_error *err) {
  return ap_cuda_check("sync", cudaStreamSynchronize(ap_cuda_of(be)->stream), err);
}

static ap_status device_alloc(const ap_cuda *cu, const char *what, size_t bytes, void **out,
                              ap_error *err) {
  cudaError_t error = cudaErrorMemoryAllocation;
  *out = NULL;
  if (bytes <= cu->device_bytes) error = cudaMalloc(out, bytes);
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    *out = NULL;
    return ap_fail(err, AP_ERR_MEMORY, "cuda: %s of %zu bytes, the device has %zu in all", what,
                   bytes, cu->device_bytes);
  }
  return ap_cuda_check(what, error, err);
}

ap_status ap_cuda_alloc(ap_backend *be, size_t bytes, void **out, ap_error *err) {
  const ap_cuda *cu = ap_cuda_of(be);
  const size_t at_least = bytes > 0 ? bytes : 1; /* an empty buffer has an address too */
  ap_status st = device_alloc(cu, "buffer", at_least, out, err);
  if (st) return st;
  st = ap_cuda_check("buffer", cudaMemsetAsync(*out, 0, at_least, cu->stream), err);
  if (st) {
    (void)cudaFree(*out);
    *out = NULL;
  }
  return st;
}

void ap_cuda_release(ap_backend *be, void *data) {
  /* What is queued may still use it; a fault shows in the next sync or read. */
  (void)cudaStreamSynchronize(ap_cuda_of(be)->stream);
  (void)cudaFree(data);
}

ap_status ap_cuda_reserve(ap_cuda *cu, size_t bytes, void **out, ap_error *err) {
  *out = cu->workspace;
  if (bytes <= cu->workspace_bytes) return AP_OK;
  ap_status st = ap_cuda_check("workspace", cudaStreamSynchronize(cu->stream), err);
  if (st) return st;
  if (bytes <= SIZE_MAX - WORKSPACE_STEP) {
    bytes = (bytes + WORKSPACE_STEP - 1) / WORKSPACE_STEP * WORKSPACE_STEP;
  }
  /* The old one makes room first; without a new one there is none, and the next call tries again. */
  (void)cudaFree(cu->workspace);
  cu->workspace = NULL;
  cu->workspace_bytes = 0;
  st = device_alloc(cu, "workspace", bytes, &cu->workspace, err);
  if (st) return st;
  cu->workspace_bytes = bytes;
  *out = cu->workspace;
  return AP_OK;
}

/* `from` may be reused after return: a small one is copied into a free slot of the ring, a large one
 * is waited for. */
ap_status ap_cuda_write(ap_backend *be, void *to, const void *from, size_t bytes, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  ap_cuda_staging *s = cu->staging;
  cudaError_t error;
  if (bytes > AP_CUDA_SLOT_BYTES) {
    error = cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, cu->stream);
    if (error == cudaSuccess) error = cudaStreamSynchronize(cu->stream);
    return ap_cuda_check("write", error, err);
  }
  const size_t slot = s->next;
  unsigned char *host = s->host + slot * AP_CUDA_SLOT_BYTES;
  error = cudaEventSynchronize(s->done[slot]); /* at once where never recorded */
  if (error == cudaSuccess) {
    memcpy(host, from, bytes);
    error = cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, cu->stream);
  }
  if (error == cudaSuccess) error = cudaEventRecord(s->done[slot], cu->stream);
  s->next = (slot + 1) % AP_CUDA_SLOTS;
  return ap_cuda_end(cu, "write", error, err);
}

ap_status ap_cuda_read(ap_backend *be, const void *from, void *to, size_t bytes, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  cudaError_t error = cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, cu->stream);
  if (error == cudaSuccess) error = cudaStreamSynchronize(cu->stream);
  return ap_cuda_check("read", error, err);
}

ap_status ap_cuda_copy(ap_backend *be, void *to, const void *from, size_t bytes, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "copy",
                     cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, cu->stream), err);
}

ap_status ap_cuda_fill(ap_backend *be, float *to, float value, size_t count, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "fill", ap_cuda_launch_fill_f32(cu->stream, to, value, count), err);
}
