/* The device of engine "cuda": one stream, recorded launches as a CUDA graph, pinned host memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/cuda/cuda_device_impl.h"
#include "kernels/cuda/cuda_impl.h"
#include "kernels/cuda/grouped_launch.h"
#include "kernels/grouped/pack_impl.h"

static void forget(ap_device *device, ap_device_graph *graph) {
  if (!graph) return;
  (void)cudaStreamSynchronize(ap_cuda_device_of(device)->stream);
  if (graph->exec) (void)cudaGraphExecDestroy(graph->exec);
  grouped_list_release(&graph->list);
  ap_free(graph);
}

static void close_device(ap_device *device) {
  ap_cuda_device *d = ap_cuda_device_of(device);
  if (d->stream) (void)cudaStreamSynchronize(d->stream);
  ap_cuda_measure_release(d);
  for (size_t i = 0; i < d->n_marks; i++) (void)cudaEventDestroy(d->marks[i]);
  if (d->stream) (void)cudaStreamDestroy(d->stream);
  ap_free(d);
}

/* ---- memory ----------------------------------------------------------------------------------- */
static void release(ap_device *device, void *data) {
  if (!data) return;
  (void)cudaStreamSynchronize(ap_cuda_device_of(device)->stream);
  (void)cudaFree(data);
}

static ap_status alloc(ap_device *device, size_t bytes, void **out, ap_error *err) {
  *out = NULL;
  ap_status st = ap_cuda_check("device memory", cudaMalloc(out, bytes), err);
  if (st) {
    *out = NULL;
    return ap_fail_context(err, st, "%zu bytes", bytes);
  }
  st = ap_cuda_check("device memory",
                     cudaMemsetAsync(*out, 0, bytes, ap_cuda_device_of(device)->stream), err);
  if (st) {
    release(device, *out);
    *out = NULL;
  }
  return st;
}

static ap_status alloc_host(ap_device *device, size_t bytes, void **out, ap_error *err) {
  (void)device;
  *out = NULL;
  return ap_cuda_check("pinned memory", cudaHostAlloc(out, bytes, cudaHostAllocDefault), err);
}
static void release_host(ap_device *device, void *data) {
  if (!data) return;
  (void)cudaStreamSynchronize(ap_cuda_device_of(device)->stream);
  (void)cudaFreeHost(data);
}

static ap_status queue_copy(ap_device *device, void *to, const void *from, size_t bytes,
                            enum cudaMemcpyKind kind, ap_error *err) {
  return ap_cuda_check(
      "transfer", cudaMemcpyAsync(to, from, bytes, kind, ap_cuda_device_of(device)->stream), err);
}
static ap_status queue_write(ap_device *device, void *to, const void *host, size_t bytes,
                             ap_error *err) {
  return queue_copy(device, to, host, bytes, cudaMemcpyHostToDevice, err);
}
static ap_status queue_read(ap_device *device, const void *from, void *host, size_t bytes,
                            ap_error *err) {
  return queue_copy(device, host, from, bytes, cudaMemcpyDeviceToHost, err);
}
static ap_status sync(ap_device *device, ap_error *err) {
  return ap_cuda_check("sync", cudaStreamSynchronize(ap_cuda_device_of(device)->stream), err);
}
static ap_status write_wait(ap_device *device, void *to, const void *from, size_t bytes,
                            ap_error *err) {
  const ap_status st = queue_write(device, to, from, bytes, err);
  return st ? st : sync(device, err);
}
static ap_status read_wait(ap_device *device, const void *from, void *to, size_t bytes,
                           ap_error *err) {
  const ap_status st = queue_read(device, from, to, bytes, err);
  return st ? st : sync(device, err);
}
static ap_status mark(ap_device *device, size_t i, ap_error *err) {
  ap_cuda_device *d = ap_cuda_device_of(device);
  return ap_cuda_check("mark", cudaEventRecord(d->marks[i], d->stream), err);
}
static ap_status wait_mark(ap_device *device, size_t i, ap_error *err) {
  return ap_cuda_check("batch", cudaEventSynchronize(ap_cuda_device_of(device)->marks[i]), err);
}

/* ---- launches --------------------------------------------------------------------------------- */
static const char *const kernel_names[GROUPED_KERNELS] = {
    [GROUPED_CONV_BF16] = "grouped layer, bfloat16",
    [GROUPED_CONV_F32] = "grouped layer, float32",
    [GROUPED_INPUT] = "grouped input",
    [GROUPED_POOL] = "grouped pooling",
    [GROUPED_MAP] = "grouped map",
    [GROUPED_GATE] = "grouped gate",
    [GROUPED_FLATTEN] = "grouped flattening",
    [GROUPED_NORM] = "grouped normalisation",
    [GROUPED_SCORE] = "grouped score",
    [GROUPED_TOTAL] = "grouped total"};

static ap_status launch_now(ap_cuda_device *d, const grouped_launch *l, ap_error *err) {
  cudaError_t error;
  if (l->kernel == GROUPED_CONV_BF16 || l->kernel == GROUPED_CONV_F32) {
    const grouped_conv *g = &l->with.conv;
    error = ap_cuda_launch_grouped_conv(d->stream, g, l->kernel == GROUPED_CONV_F32, l->n_nodes,
                                        grouped_shared_bytes(&g->feed.tile), d->n_blocks);
  } else if (l->kernel == GROUPED_TOTAL) {
    error = ap_cuda_launch_grouped_total(d->stream, &l->with.total, l->n_nodes);
  } else {
    error = ap_cuda_launch_grouped_items(d->stream, l);
  }
  if (error == cudaSuccess && d->wait_each && !d->recording)
    error = cudaStreamSynchronize(d->stream);
  return ap_cuda_check(kernel_names[l->kernel], error, err);
}

static ap_status launch(ap_device *device, const grouped_launch *l, ap_error *err) {
  ap_cuda_device *d = ap_cuda_device_of(device);
  if (d->recording && d->wait_each) return grouped_list_add(&d->recording->list, l, err);
  return launch_now(d, l, err);
}

static ap_status record_begin(ap_device *device, ap_error *err) {
  ap_cuda_device *d = ap_cuda_device_of(device);
  ap_device_graph *graph = ap_calloc(1, sizeof *graph);
  if (!graph) return ap_fail(err, AP_ERR_MEMORY, "recorded launches");
  if (!d->wait_each) {
    const ap_status st = ap_cuda_check(
        "graph", cudaStreamBeginCapture(d->stream, cudaStreamCaptureModeThreadLocal), err);
    if (st) {
      ap_free(graph);
      return st;
    }
  }
  d->recording = graph;
  return AP_OK;
}

static ap_status record_end(ap_device *device, ap_device_graph **out, ap_error *err) {
  ap_cuda_device *d = ap_cuda_device_of(device);
  ap_device_graph *graph = d->recording;
  cudaGraph_t captured = NULL;
  ap_status st = AP_OK;
  d->recording = NULL;
  if (!d->wait_each) st = ap_cuda_check("graph", cudaStreamEndCapture(d->stream, &captured), err);
  if (!st && captured && out)
    st = ap_cuda_check("graph", cudaGraphInstantiate(&graph->exec, captured, 0), err);
  if (captured) (void)cudaGraphDestroy(captured);
  if (st || !out)
    forget(device, graph);
  else
    *out = graph;
  return st;
}

static ap_status replay(ap_device *device, ap_device_graph *graph, ap_error *err) {
  ap_cuda_device *d = ap_cuda_device_of(device);
  ap_status st = AP_OK;
  if (graph->exec) return ap_cuda_check("graph", cudaGraphLaunch(graph->exec, d->stream), err);
  for (size_t i = 0; i < graph->list.n && !st; i++)
    st = launch_now(d, &graph->list.launches[i], err);
  return st;
}

/* ---- opening ---------------------------------------------------------------------------------- */
static ap_status open_queue(ap_cuda_device *d, ap_error *err) {
  size_t free_bytes = 0, all = 0;
  ap_status st =
      ap_cuda_check("stream", cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking), err);
  while (!st && d->n_marks < AP_DEVICE_MARKS) {
    st = ap_cuda_check(
        "event", cudaEventCreateWithFlags(&d->marks[d->n_marks], cudaEventDisableTiming), err);
    if (!st) d->n_marks++;
  }
  if (!st) st = ap_cuda_check("shared memory", ap_cuda_grouped_prepare(d->base.shared_bytes), err);
  if (!st) st = ap_cuda_check("loading of kernels", ap_cuda_grouped_items_prepare(), err);
  if (!st) st = ap_cuda_check("free memory", cudaMemGetInfo(&free_bytes, &all), err);
  d->base.free_bytes = free_bytes;
  return st;
}

ap_status ap_cuda_device_open(ap_device **out, ap_error *err) {
  static const ap_device_ops ops = {.close = close_device,
                                    .alloc = alloc,
                                    .release = release,
                                    .alloc_host = alloc_host,
                                    .release_host = release_host,
                                    .write = write_wait,
                                    .read = read_wait,
                                    .queue_write = queue_write,
                                    .queue_read = queue_read,
                                    .mark = mark,
                                    .wait = wait_mark,
                                    .record_begin = record_begin,
                                    .record_end = record_end,
                                    .launch = launch,
                                    .replay = replay,
                                    .forget = forget,
                                    .flush = ap_cuda_measure_flush,
                                    .clock_begin = ap_cuda_measure_begin,
                                    .clock_end = ap_cuda_measure_end,
                                    .product = ap_cuda_measure_product};
  struct cudaDeviceProp p = {0};
  const char *wait_each = getenv("AP_CUDA_SYNC");
  *out = NULL;
  ap_status st = ap_cuda_find_device(&p, err);
  if (st) return st;
  if (p.major < 8)
    return ap_fail(err, AP_ERR_UNSUPPORTED,
                   "cuda: %s has compute capability %d.%d; the candidate evaluator needs 8.0 "
                   "(bfloat16 products)",
                   p.name, p.major, p.minor);
  ap_cuda_device *d = ap_calloc(1, sizeof *d);
  if (!d) return ap_fail(err, AP_ERR_MEMORY, "device record");
  d->base.ops = &ops;
  d->base.shared_bytes = p.sharedMemPerBlockOptin;
  d->cache_bytes = (size_t)p.l2CacheSize;
  d->n_blocks = (unsigned)p.multiProcessorCount;
  d->wait_each = wait_each && strcmp(wait_each, "1") == 0;
  (void)snprintf(d->base.description, sizeof d->base.description,
                 "cuda: %.96s, compute capability %d.%d, %d multiprocessors", p.name, p.major,
                 p.minor, p.multiProcessorCount);
  st = open_queue(d, err);
  if (st) {
    close_device(&d->base);
    return st;
  }
  *out = &d->base;
  return AP_OK;
}
