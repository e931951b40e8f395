/* kernels/grouped/host_device.c - the device of "cuda-emulated": memory of the host, kernels lane by
 * lane on the calling thread, a queue that is always empty. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "kernels/grouped/conv_kernel.h"
#include "kernels/grouped/device_impl.h"
#include "kernels/grouped/item_kernels.h"
#include "kernels/grouped/pack_impl.h"

/* As a Hopper GPU has; memory is what a test may take. */
#define SHARED_BYTES ((size_t)227 << 10)
#define MEMORY_BYTES ((size_t)256 << 20)
#define BLOCKS 3 /* that share a layer */

struct ap_device_graph {
  grouped_list list;
};

typedef struct {
  ap_device base;
  ap_device_graph *recording; /* NULL: launches run */
  unsigned char *shared;
  conv_warp *warps;       /* [SIMT_WARPS] */
  struct simt_crew *crew; /* NULL: the calling thread plays all warps */
  double begun;
} host_device;

static host_device *host_of(ap_device *device) { return (void *)device; }

static void forget(ap_device *device, ap_device_graph *graph) {
  (void)device;
  if (!graph) return;
  grouped_list_release(&graph->list);
  ap_free(graph);
}

static void close_host(ap_device *device) {
  host_device *d = host_of(device);
  forget(device, d->recording);
  simt_crew_destroy(d->crew);
  ap_free(d->shared);
  ap_free(d->warps);
  ap_free(d);
}

static ap_status alloc(ap_device *device, size_t bytes, void **out, ap_error *err) {
  (void)device;
  *out = ap_calloc(1, bytes);
  return *out ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "%zu bytes of device memory", bytes);
}
static void release(ap_device *device, void *data) {
  (void)device;
  ap_free(data);
}
static ap_status copy(ap_device *device, void *to, const void *from, size_t bytes, ap_error *err) {
  (void)device, (void)err;
  memcpy(to, from, bytes);
  return AP_OK;
}
static ap_status copy_back(ap_device *device, const void *from, void *to, size_t bytes,
                           ap_error *err) {
  return copy(device, to, from, bytes, err);
}
static ap_status nothing(ap_device *device, size_t i, ap_error *err) {
  (void)device, (void)i, (void)err;
  return AP_OK;
}

/* ---- launches --------------------------------------------------------------------------------- */
typedef struct {
  const grouped_conv *g;
  bool wide;
  uint32_t number;
  unsigned char *shared;
  conv_warp *warps;
} conv_block_call;
static void call_block(void *data) {
  const conv_block_call *c = data;
  conv_block(c->g, c->wide, c->g->feed.tile.joins, c->number, BLOCKS, c->shared, c->warps);
}

static void run_conv(host_device *d, const grouped_conv *g, bool wide) {
  /* It ends where the allocation ends: AddressSanitizer sees who goes further. */
  const size_t bytes = grouped_shared_bytes(&g->feed.tile);
  unsigned char *shared = d->shared + (SHARED_BYTES - bytes);
  for (uint32_t i = 0; i < BLOCKS; i++) {
    conv_block_call c = {g, wide, i, shared, d->warps};
    memset(shared, 0xff, bytes); /* NaN: nothing that no one wrote may count */
    if (d->crew)
      simt_crew_run(d->crew, call_block, &c);
    else
      call_block(&c);
  }
}

static void run(host_device *d, const grouped_launch *l) {
  if (l->kernel == GROUPED_TOTAL) {
    const uint32_t n = *l->with.total.n_candidates;
    for (uint32_t i = 0; i < n && i < l->n_nodes; i++)
      grouped_total_block(&l->with.total, i, (grouped_shares *)(void *)d->shared);
    return;
  }
  /* All other records begin with the batch. */
  const grouped_batch *batch = &l->with.input.batch;
  const uint32_t n = *batch->n_nodes < l->n_nodes ? *batch->n_nodes : l->n_nodes;
  if (l->kernel == GROUPED_CONV_BF16 || l->kernel == GROUPED_CONV_F32) {
    run_conv(d, &l->with.conv, l->kernel == GROUPED_CONV_F32);
    return;
  }
  for (uint32_t node = 0; node < n; node++)
    for (uint64_t item = 0; item < l->items; item++) switch (l->kernel) {
        case GROUPED_INPUT:
          grouped_input_item(&l->with.input, node, item);
          break;
        case GROUPED_POOL:
          grouped_pool_item(&l->with.pool, node, item);
          break;
        case GROUPED_MAP:
          grouped_map_item(&l->with.map, node, item);
          break;
        case GROUPED_FLATTEN:
          grouped_flatten_item(&l->with.map, node, item);
          break;
        case GROUPED_GATE:
          grouped_gate_item(&l->with.map, node, item);
          break;
        case GROUPED_NORM:
          grouped_norm_item(&l->with.norm, node, item);
          break;
        default:
          grouped_score_item(&l->with.score, node, item);
          break;
      }
}

static ap_status launch(ap_device *device, const grouped_launch *l, ap_error *err) {
  host_device *d = host_of(device);
  ap_device_graph *g = d->recording;
  if (!g) {
    run(d, l);
    return AP_OK;
  }
  return grouped_list_add(&g->list, l, err);
}

static ap_status record_begin(ap_device *device, ap_error *err) {
  host_device *d = host_of(device);
  d->recording = ap_calloc(1, sizeof *d->recording);
  return d->recording ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "recorded launches");
}
static ap_status record_end(ap_device *device, ap_device_graph **out, ap_error *err) {
  host_device *d = host_of(device);
  (void)err;
  if (out)
    *out = d->recording;
  else
    forget(device, d->recording);
  d->recording = NULL;
  return AP_OK;
}
static ap_status replay(ap_device *device, ap_device_graph *graph, ap_error *err) {
  (void)err;
  for (size_t i = 0; i < graph->list.n; i++) run(host_of(device), &graph->list.launches[i]);
  return AP_OK;
}

/* ---- times ------------------------------------------------------------------------------------ */
static ap_status flush(ap_device *device, ap_error *err) { return nothing(device, 0, err); }
static ap_status clock_begin(ap_device *device, ap_error *err) {
  (void)err;
  host_of(device)->begun = ap_seconds();
  return AP_OK;
}
static ap_status clock_end(ap_device *device, double *seconds, ap_error *err) {
  (void)err;
  *seconds = ap_seconds() - host_of(device)->begun;
  return AP_OK;
}
static ap_status product(ap_device *device, bool wide, size_t m, size_t n, size_t k, const void *a,
                         const void *b, void *c, ap_error *err) {
  (void)device, (void)wide, (void)a, (void)b, (void)c;
  return ap_fail(err, AP_ERR_UNSUPPORTED,
                 "a product of %zux%zu by %zux%zu: cuda-emulated has no library for it", m, k, k,
                 n);
}

ap_status ap_host_device_open(bool threads, ap_device **out, ap_error *err) {
  static const ap_device_ops ops = {.close = close_host,
                                    .alloc = alloc,
                                    .release = release,
                                    .alloc_host = alloc,
                                    .release_host = release,
                                    .write = copy,
                                    .read = copy_back,
                                    .queue_write = copy,
                                    .queue_read = copy_back,
                                    .mark = nothing,
                                    .wait = nothing,
                                    .record_begin = record_begin,
                                    .record_end = record_end,
                                    .launch = launch,
                                    .replay = replay,
                                    .forget = forget,
                                    .flush = flush,
                                    .clock_begin = clock_begin,
                                    .clock_end = clock_end,
                                    .product = product};
  host_device *d = ap_calloc(1, sizeof *d);
  *out = NULL;
  if (!d) return ap_fail(err, AP_ERR_MEMORY, "device record");
  d->base.ops = &ops;
  d->base.shared_bytes = SHARED_BYTES;
  d->base.free_bytes = MEMORY_BYTES;
  (void)snprintf(d->base.description, sizeof d->base.description,
                 "cuda-emulated: the kernels of the CUDA evaluator on the processor%s",
                 threads ? ", a thread for every warp" : "");
  d->shared = ap_calloc(1, SHARED_BYTES);
  d->warps = ap_calloc(SIMT_WARPS, sizeof *d->warps);
  if (threads) d->crew = simt_crew_create();
  if (!d->shared || !d->warps || (threads && !d->crew)) {
    close_host(&d->base);
    return ap_fail(err, AP_ERR_MEMORY, "a block's state");
  }
  *out = &d->base;
  return AP_OK;
}
