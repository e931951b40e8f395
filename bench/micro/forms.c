/* bench/micro/forms.c - one 3x3 layer of 90 % sparse row-vectors of eight columns, as lists of eight, four, two and one
 * weights: what the work of an entry (kernels/cpu/packed_weights.c) is read off. One thread. */
#include <float.h>
#include <math.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "bench/micro/micro_impl.h"
#include "kernels/packed.h"

enum { BLOCKS = 2, FORMS = 4 };

typedef struct {
  ap_packed_conv g;
  ap_packed_weights *w[FORMS]; /* LIST1, 2, 4, 8 */
  float *in, *out, *truth, *matrix;
  double bound, kept; /* of an output's rounding; weights */
} forms_problem;

static void teardown(void *problem) {
  forms_problem *p = problem;
  for (size_t f = 0; f < FORMS; f++) ap_packed_weights_destroy(p->w[f]);
  ap_free(p->in);
  ap_free(p->out);
  ap_free(p->truth);
  ap_free(p->matrix);
  ap_free(p);
}

static ap_status fill(forms_problem *p, size_t channels, ap_error *err) {
  const ap_packed_isa *isa;
  const size_t rows = channels * 9, floats = BLOCKS * p->g.in.block;
  ap_rng rng;
  p->matrix = ap_calloc(rows * channels, sizeof *p->matrix);
  p->in = ap_calloc(floats, sizeof *p->in);
  p->out = ap_calloc(floats, sizeof *p->out);
  p->truth = ap_calloc(floats, sizeof *p->truth);
  if (!p->matrix || !p->in || !p->out || !p->truth)
    return ap_fail(err, AP_ERR_MEMORY, "a layer of %zu channels", channels);
  ap_rng_seed(&rng, 1, 0);
  for (size_t i = 0; i < rows * channels; i += 8) {
    if (ap_rng_below(&rng, 10) > 0) continue;
    for (size_t j = 0; j < 8; j++) p->matrix[i + j] = (float)ap_rng_uniform(&rng) - 0.5f;
    p->kept += 8;
  }
  for (size_t b = 0; b < BLOCKS; b++)
    for (size_t c = 0; c < channels; c++)
      for (size_t y = 0; y < p->g.in.h; y++)
        for (size_t i = 0; i < p->g.in.w * AP_PACKED_LANES; i++)
          p->in[b * p->g.in.block + p->g.in.origin + c * p->g.in.channel + y * p->g.in.row + i] =
              (float)ap_rng_uniform(&rng) - 0.5f;
  p->bound = 2.0 * (double)rows * (double)FLT_EPSILON; /* |x||w| < 1/4 */
  ap_status st = ap_packed_isa_find(NULL, &isa, err);
  for (size_t f = 0; f < FORMS && !st; f++)
    st = ap_packed_weights_create(isa, &p->g, p->matrix, NULL,
                                  (ap_packed_form)(AP_PACKED_LIST1 + f), &p->w[f], err);
  return st;
}

static ap_status setup(const void *context, const int64_t *point, void **problem, ap_error *err) {
  const size_t c = (size_t)point[0], side = (size_t)point[1];
  forms_problem *p = ap_calloc(1, sizeof *p);
  (void)context;
  *problem = NULL;
  if (!p) return ap_fail(err, AP_ERR_MEMORY, "problem");
  p->g = (ap_packed_conv){
      .kh = 3, .kw = 3, .stride_h = 1, .stride_w = 1, .pad_top = 1, .pad_left = 1, .groups = 1};
  ap_status st = ap_packed_shape_init(c, side, side, 1, 1, 1, 1, &p->g.in, err);
  p->g.out = p->g.in;
  if (!st) st = fill(p, c, err);
  if (st)
    teardown(p);
  else
    *problem = p;
  return st;
}

static ap_status run(forms_problem *p, size_t form) {
  const ap_packed_epilogue plain = ap_packed_epilogue_default();
  ap_packed_conv_run(p->w[form], BLOCKS, p->in, p->out, &plain, NULL);
  return AP_OK;
}
static ap_status list1(void *p, ap_error *err) { return (void)err, run(p, 0); }
static ap_status list2(void *p, ap_error *err) { return (void)err, run(p, 1); }
static ap_status list4(void *p, ap_error *err) { return (void)err, run(p, 2); }
static ap_status list8(void *p, ap_error *err) { return (void)err, run(p, 3); }

/* One image of the first block by plain sums in double. */
static void compute(const forms_problem *p) {
  const ap_packed_shape *s = &p->g.in;
  for (size_t c = 0; c < s->c; c++)
    for (size_t y = 0; y < s->h; y++)
      for (size_t x = 0; x < s->w; x++) {
        double sum = 0;
        for (size_t k = 0; k < s->c * 9; k++) {
          const size_t row = y + k % 9 / 3, column = x + k % 3; /* from the border */
          const float *from = p->in + s->origin - s->row - AP_PACKED_LANES + k / 9 * s->channel;
          sum += (double)p->matrix[k * s->c + c] *
                 (double)from[row * s->row + column * AP_PACKED_LANES];
        }
        p->truth[s->origin + c * s->channel + y * s->row + x * AP_PACKED_LANES] = (float)sum;
      }
}

static ap_status verify(void *problem, ap_error *err) {
  forms_problem *p = problem;
  const ap_packed_shape *s = &p->g.out;
  compute(p);
  for (size_t f = 0; f < FORMS; f++) {
    for (size_t i = 0; i < s->block; i++) p->out[i] = NAN;
    (void)run(p, f);
    for (size_t c = 0; c < s->c; c++)
      for (size_t i = 0; i < s->h * s->w; i++) {
        const size_t at =
            s->origin + c * s->channel + i / s->w * s->row + i % s->w * AP_PACKED_LANES;
        if (!(fabs((double)p->out[at] - (double)p->truth[at]) <= p->bound))
          return ap_fail(err, AP_ERR_INTERNAL, "list%d, channel %zu: %.9g, expected %.9g", 1 << f,
                         c, (double)p->out[at], (double)p->truth[at]);
      }
  }
  return AP_OK;
}

static void report(void *problem, size_t way, ap_bench_meter *meter) {
  const forms_problem *p = problem;
  (void)way;
  ap_bench_counter(meter, "macs_nonzero",
                   p->kept * (double)(p->g.out.h * p->g.out.w * BLOCKS * AP_PACKED_LANES),
                   AP_BENCH_RATE);
}

ap_status ap_micro_forms(ap_error *err) {
  static const char *const axes[] = {"channels", "side"};
  static const int64_t points[] = {16, 32, 32, 16, 64, 8, 64, 32, 128, 16, 256, 8, 512, 4, 512, 2};
  static const ap_bench_way ways[] = {
      {"list8", list8}, {"list4", list4}, {"list2", list2}, {"list1", list1}};
  return ap_bench_register(&(ap_bench_case){.name = "forms/row_vectors",
                                            .n_axes = 2,
                                            .axes = axes,
                                            .n_points = sizeof points / sizeof points[0] / 2,
                                            .points = points,
                                            .n_ways = FORMS,
                                            .ways = ways,
                                            .setup = setup,
                                            .verify = verify,
                                            .report = report,
                                            .teardown = teardown},
                           err);
}
