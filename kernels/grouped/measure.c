/* kernels/grouped/measure.c - times of a batch, and of the dense products that it stands beside. */
#include <stdint.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "kernels/grouped/engine_impl.h"
#include "kernels/grouped/simt.h"

/* Rows of one product: more images go through in several, as an implementation with limited memory
 * for patches would do it. */
#define PRODUCT_ROWS ((size_t)131072)
#define PATTERN_BYTES ((size_t)1 << 20)

ap_status ap_engine_measure(ap_engine *e, bool cold, double *seconds, ap_error *err) {
  const ap_device_ops *ops = e->device->ops;
  if (e->n_under_way > 0 || !e->graphs[e->last_graph])
    return ap_fail(err, AP_ERR_ARG, "a batch that was collected is expected");
  ap_status st = cold ? ops->flush(e->device, err) : AP_OK;
  if (!st) st = ops->clock_begin(e->device, err);
  if (!st) st = ops->replay(e->device, e->graphs[e->last_graph], err);
  if (!st) st = ops->clock_end(e->device, seconds, err);
  return st;
}

/* Random numbers in [-1, 1): zeros would cost less power, and so less time. */
static ap_status fill(ap_engine *e, void *to, size_t bytes, ap_error *err) {
  unsigned char *pattern = ap_calloc(PATTERN_BYTES, 1);
  ap_status st = AP_OK;
  ap_rng rng;
  if (!pattern) return ap_fail(err, AP_ERR_MEMORY, "random numbers");
  ap_rng_seed(&rng, 1, 0);
  for (size_t i = 0; i < PATTERN_BYTES; i += 4) {
    const float a = (float)(ap_rng_uniform(&rng) * 2 - 1),
                b = (float)(ap_rng_uniform(&rng) * 2 - 1);
    const uint32_t pair = simt_to_bf16(a, b);
    memcpy(pattern + i, e->wide ? (const void *)&a : (const void *)&pair, 4);
  }
  for (size_t at = 0; at < bytes && !st; at += PATTERN_BYTES) {
    const size_t left = bytes - at;
    st = e->device->ops->write(e->device, (unsigned char *)to + at, pattern,
                               left < PATTERN_BYTES ? left : PATTERN_BYTES, err);
  }
  ap_free(pattern);
  return st;
}

typedef struct {
  void *a, *b, *c;
} operands;

static ap_status products(ap_engine *e, const operands *o, ap_error *err) {
  ap_status st = AP_OK;
  for (size_t i = 0; i < e->program.n_layers; i++) {
    const grouped_geometry *g = &e->layers[i].geometry;
    const size_t k = g->c_in / g->groups * g->kh * g->kw;
    const size_t rows = e->n_images * g->out_h * g->out_w;
    for (size_t row = 0; row < rows && !st; row += PRODUCT_ROWS) {
      const size_t left = rows - row;
      st = e->device->ops->product(e->device, e->wide, left < PRODUCT_ROWS ? left : PRODUCT_ROWS,
                                   g->c_out, k, o->a, o->b, o->c, err);
    }
  }
  return st;
}

ap_status ap_engine_measure_products(ap_engine *e, bool cold, double *seconds, ap_error *err) {
  const ap_device_ops *ops = e->device->ops;
  const size_t size = e->wide ? 4 : 2;
  size_t a = 0, b = 0, c = 0;
  operands o = {NULL, NULL, NULL};
  for (size_t i = 0; i < e->program.n_layers; i++) {
    const grouped_geometry *g = &e->layers[i].geometry;
    const size_t k = g->c_in / g->groups * g->kh * g->kw, n = g->c_out;
    size_t rows = e->n_images * g->out_h * g->out_w;
    if (rows > PRODUCT_ROWS) rows = PRODUCT_ROWS;
    if (rows * k * size > a) a = rows * k * size;
    if (k * n * size > b) b = k * n * size;
    if (rows * n * size > c) c = rows * n * size;
  }
  ap_status st = ops->alloc(e->device, a, &o.a, err);
  if (!st) st = ops->alloc(e->device, b, &o.b, err);
  if (!st) st = ops->alloc(e->device, c, &o.c, err);
  if (!st) st = fill(e, o.a, a, err);
  if (!st) st = fill(e, o.b, b, err);
  if (!st) st = products(e, &o, err); /* the library's first use is not timed */
  if (!st && cold) st = ops->flush(e->device, err);
  if (!st) st = ops->clock_begin(e->device, err);
  if (!st) st = products(e, &o, err);
  if (!st) st = ops->clock_end(e->device, seconds, err);
  ops->release(e->device, o.a);
  ops->release(e->device, o.b);
  ops->release(e->device, o.c);
  return st;
}
