/* kernels/cpu/packed_norm.c - normalisation of an image by itself: three passes, the sums, the squares of the
 * deviations, the values. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/packed_impl.h"

enum { LANES = AP_PACKED_LANES, PIXELS = 16 }; /* PIXELS: whose sums are on the stack */

typedef struct {
  const ap_packed_isa *isa;
  const ap_packed_norm *norm;
  const ap_packed_shape *in_shape, *out_shape;
  const float *in, *scale, *shift; /* in: the block's */
  float *out;
  const ap_packed_epilogue *epilogue;
  size_t block;
} norm_task;

static const float *input(const norm_task *t, size_t c, size_t y, size_t x) {
  const ap_packed_shape *s = t->in_shape;
  return t->in + c * s->channel + s->origin + y * s->row + x * LANES;
}

/* n pixels of a row of channel c; mean and inverse as isa->norm_row has them. */
static void write(const norm_task *t, size_t c, size_t y, size_t x, size_t n, const float *mean,
                  const float *inverse, size_t step) {
  const ap_packed_shape *s = t->out_shape;
  const ap_packed_source *res = &t->epilogue->residual;
  const size_t from = c - res->first, column = res->stride_w * LANES; /* wraps below `first` */
  const float *residual = NULL;
  if (res->data && from < res->shape->c)
    residual = res->data + t->block * res->shape->block + from * res->shape->channel +
               res->shape->origin + y * res->stride_h * res->shape->row + x * column;
  t->isa->norm_row(input(t, c, y, x), mean, inverse, step, t->scale ? t->scale[c] : 1.0F,
                   t->shift ? t->shift[c] : 0.0F, residual, column, n, t->epilogue->low,
                   t->epilogue->high, t->out + c * s->channel + s->origin + y * s->row + x * LANES);
}

/* Sums of the rows of `count` channels, in double. centre: as isa->moment_row has it. */
static void add_rows(const norm_task *t, size_t first, size_t count, const float *centre,
                     double totals[LANES]) {
  const ap_packed_shape *s = t->in_shape;
  memset(totals, 0, LANES * sizeof *totals);
  for (size_t c = first; c < first + count; ++c)
    for (size_t y = 0; y < s->h; ++y) {
      float sums[LANES] __attribute__((aligned(64))) = {0};
      t->isa->moment_row(input(t, c, y, 0), LANES, s->w, centre, sums, 0);
      for (size_t i = 0; i < LANES; ++i) totals[i] += (double)sums[i];
    }
}

static void run_group(const norm_task *t, size_t first, size_t count) {
  const ap_packed_shape *s = t->in_shape;
  const double values = (double)count * (double)s->h * (double)s->w;
  float mean[LANES] __attribute__((aligned(64))), inverse[LANES] __attribute__((aligned(64)));
  double totals[LANES];
  add_rows(t, first, count, NULL, totals);
  for (size_t i = 0; i < LANES; ++i) mean[i] = (float)(totals[i] / values);
  add_rows(t, first, count, mean, totals);
  for (size_t i = 0; i < LANES; ++i)
    inverse[i] = (float)(1 / sqrt(totals[i] / values + (double)t->norm->epsilon));
  for (size_t c = first; c < first + count; ++c)
    for (size_t y = 0; y < s->h; ++y) write(t, c, y, 0, s->w, mean, inverse, 0);
}

/* Up to PIXELS neighbours of a row. */
static void run_pixels(const norm_task *t, size_t y, size_t x, size_t n) {
  const ap_packed_shape *s = t->in_shape;
  float mean[PIXELS * LANES] __attribute__((aligned(64))) = {0};
  float inverse[PIXELS * LANES] __attribute__((aligned(64))) = {0};
  const float values = (float)s->c;
  for (size_t c = 0; c < s->c; ++c)
    t->isa->moment_row(input(t, c, y, x), LANES, n, NULL, mean, LANES);
  for (size_t i = 0; i < n * LANES; ++i) mean[i] /= values;
  for (size_t c = 0; c < s->c; ++c)
    t->isa->moment_row(input(t, c, y, x), LANES, n, mean, inverse, LANES);
  for (size_t i = 0; i < n * LANES; ++i)
    inverse[i] = 1.0F / sqrtf(inverse[i] / values + t->norm->epsilon);
  for (size_t c = 0; c < s->c; ++c) write(t, c, y, x, n, mean, inverse, LANES);
}

void ap_packed_norm_run(const ap_packed_isa *isa, const ap_packed_norm *norm,
                        const ap_packed_shape *in_shape, const float *in, const float *scale,
                        const float *shift, const ap_packed_shape *out_shape, size_t n_blocks,
                        float *out, const ap_packed_epilogue *epilogue) {
  const size_t each = in_shape->c / norm->groups;
  for (size_t b = 0; b < n_blocks; ++b) {
    const norm_task t = {isa,
                         norm,
                         in_shape,
                         out_shape,
                         in + b * in_shape->block,
                         scale,
                         shift,
                         out + b * out_shape->block,
                         epilogue,
                         b};
    for (size_t g = 0; g < norm->groups && !norm->each_pixel; ++g) run_group(&t, g * each, each);
    for (size_t y = 0; y < in_shape->h && norm->each_pixel; ++y)
      for (size_t x = 0; x < in_shape->w; x += PIXELS)
        run_pixels(&t, y, x, in_shape->w - x < PIXELS ? in_shape->w - x : PIXELS);
  }
}
