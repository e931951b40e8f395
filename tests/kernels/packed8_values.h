/* tests/kernels/packed8_values.h - tensors of the integer evaluator from and to plain arrays, and the sets of vector
 * instructions that this machine has. */
#ifndef AP_TESTS_KERNELS_PACKED8_VALUES_H
#define AP_TESTS_KERNELS_PACKED8_VALUES_H
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/packed8.h"
#include "tests/kernels/packed_cases.h"

static const char *const isa_names[] = {"plain", "avx2", "avx512"};
enum { N_ISAS = 3, LANES = AP_PACKED8_LANES };
static const ap_packed8_isa *isas[N_ISAS]; /* NULL: this machine lacks it, or it is left out */
static const ap_packed8_isa *plain;        /* where one is enough */

static inline int find_isas(void **state) {
  (void)state;
  for (size_t i = 0; i < N_ISAS; ++i) {
    if (!vectors_wanted(isa_names[i])) continue;
    const ap_status st = ap_packed8_isa_find(isa_names[i], &isas[i], NULL);
    if (st && st != AP_ERR_UNSUPPORTED) return -1;
    print_message("integer vectors %s: %s\n", isa_names[i],
                  isas[i] ? "tested" : "not on this machine");
  }
  return ap_packed8_isa_find("plain", &plain, NULL) ? -1 : 0;
}

static inline void *room(size_t n, size_t size) {
  void *p = ap_calloc(n, size);
  assert_non_null(p);
  return p;
}

/* ---- tensors from and to plain arrays --------------------------------------------------------- */
typedef struct {
  ap_packed_shape shape;
  ap_packed8_tensor tensor; /* its shape is set by use() */
  size_t n, blocks;
  uint8_t *data;
} packed;

static inline void open_packed(packed *p, size_t n, bool codes, uint8_t zero) {
  p->tensor = (ap_packed8_tensor){&p->shape, codes, zero};
  p->n = n;
  p->blocks = (n + LANES - 1) / LANES;
  p->data = room(p->blocks, ap_packed8_tensor_bytes(&p->tensor));
  ap_packed8_clear(&p->tensor, p->blocks, p->data);
}

/* Of value i in [image, c, h, w]. */
static inline uint8_t *at(const packed *p, size_t i) {
  const ap_packed_shape *s = &p->shape;
  const size_t x = i % s->w, y = i / s->w % s->h, c = i / s->w / s->h % s->c;
  const size_t image = i / s->w / s->h / s->c, lane = image % LANES;
  const size_t floats = c * s->channel + s->origin + y * s->row + x * AP_PACKED_LANES;
  uint8_t *block = p->data + image / LANES * ap_packed8_tensor_bytes(&p->tensor);
  if (p->tensor.codes) return block + floats * 4 + lane;
  return block + (ap_packed8_part(lane) * s->block + floats + ap_packed8_lane(lane)) * 4;
}
static inline size_t count_of(const packed *p) {
  return p->n * p->shape.c * p->shape.h * p->shape.w;
}
static inline void put_value(const packed *p, size_t i, float v) {
  if (p->tensor.codes)
    *at(p, i) = (uint8_t)((int)v + p->tensor.zero);
  else
    memcpy(at(p, i), &v, sizeof v);
}
static inline float value(const packed *p, size_t i) {
  float v;
  if (p->tensor.codes) return (float)(*at(p, i) - p->tensor.zero);
  memcpy(&v, at(p, i), sizeof v);
  return v;
}

static inline float draw_value(ap_rng *rng, const ap_packed8_tensor *t) {
  if (t->codes) return (float)((int)ap_rng_below(rng, 256) - t->zero);
  return (float)(ap_rng_uniform(rng) * 500 - 250);
}
static inline void fill(ap_rng *rng, const packed *p) {
  for (size_t i = 0; i < count_of(p); ++i) put_value(p, i, draw_value(rng, &p->tensor));
}

/* Everything but the values must be as ap_packed8_clear left it. */
static inline void check_border(packed *p) {
  const size_t bytes = p->blocks * ap_packed8_tensor_bytes(&p->tensor);
  for (size_t i = 0; i < (p->n + LANES - 1) / LANES * LANES * p->shape.c * p->shape.h * p->shape.w;
       ++i)
    put_value(p, i, 0);
  for (size_t i = 0; i < bytes; ++i)
    assert_int_equal(p->data[i], p->tensor.codes ? p->tensor.zero : 0);
}

static inline float expected(float v, const ap_packed8_target *to, float low, float high) {
  v = v > low ? v : low;
  v = v < high ? v : high;
  if (!to->tensor.codes) return v;
  const float least = -(float)to->tensor.zero, most = (float)to->most + least;
  v = rintf(v);
  return v < least ? least : v > most ? most : v;
}

#endif
