/* bench/micro/forms.c - single layers in several forms of kernels/packed.h: what the work of an entry
 * (kernels/cpu/packed_weights.c) is read off. One thread, a block of 16 images or two. */
#include <float.h>
#include <math.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "bench/micro/micro_impl.h"
#include "kernels/packed.h"

enum { MOST_BLOCKS = 2, MOST_FORMS = 5 };

/* In parts of 100 the vectors that are kept, of so many rows and columns of the matrix each. */
typedef struct {
  size_t percent, rows, columns;
} keeping;

/* What a case is about; its forms are the ways, in their order (AUTO: the one that is chosen). */
typedef struct {
  const ap_packed_form *forms;
  size_t n_forms, n_blocks;
  /* The layer of a point: in, out, kernel, groups, padding; and what is kept of it. */
  void (*layer)(const int64_t *point, ap_packed_conv *g, keeping *kept);
} subject;

typedef struct {
  const subject *of;
  ap_packed_conv g;
  ap_packed_weights *w[MOST_FORMS];
  void *scratch;
  float *in, *out, *truth, *matrix;
  double bound, kept; /* of an output's rounding; weights */
} forms_problem;

static void teardown(void *problem) {
  forms_problem *p = problem;
  for (size_t f = 0; f < MOST_FORMS; f++) ap_packed_weights_destroy(p->w[f]);
  ap_free(p->scratch);
  ap_free(p->in);
  ap_free(p->out);
  ap_free(p->truth);
  ap_free(p->matrix);
  ap_free(p);
}

/* Pixel (y, x) of a channel, image 0 of block 0. */
static size_t place(const ap_packed_shape *s, size_t c, size_t y, size_t x) {
  return c * s->channel + s->origin + y * s->row + x * AP_PACKED_LANES;
}

static void fill_inputs(forms_problem *p, ap_rng *rng) {
  const ap_packed_shape *s = &p->g.in;
  for (size_t b = 0; b < p->of->n_blocks; b++)
    for (size_t c = 0; c < s->c; c++)
      for (size_t y = 0; y < s->h; y++)
        for (size_t i = 0; i < s->w * AP_PACKED_LANES; i++)
          p->in[b * s->block + place(s, c, y, 0) + i] = (float)ap_rng_uniform(rng) - 0.5f;
}

/* A vector whose first weight is at (r, first). */
static void keep_vector(forms_problem *p, const keeping *k, size_t r, size_t first, ap_rng *rng) {
  const size_t n = p->g.out.c;
  for (size_t i = r; i < r + k->rows; i++)
    for (size_t j = first; j < first + k->columns && j < n; j++, p->kept++)
      p->matrix[i * n + j] = (float)ap_rng_uniform(rng) - 0.5f;
}

static ap_status fill(forms_problem *p, const keeping *k, ap_error *err) {
  const ap_packed_isa *isa = NULL;
  const ap_packed_conv *g = &p->g;
  const size_t rows = g->in.c / g->groups * g->kh * g->kw, n = g->out.c;
  ap_rng rng;
  ap_status st = ap_packed_isa_find(NULL, &isa, err);
  if (st) return st;
  p->matrix = ap_calloc(rows * n, sizeof *p->matrix);
  p->in = ap_calloc(p->of->n_blocks * g->in.block, sizeof *p->in);
  p->out = ap_calloc(p->of->n_blocks * g->out.block, sizeof *p->out);
  p->truth = ap_calloc(g->out.block, sizeof *p->truth);
  p->scratch = ap_calloc(ap_packed_scratch_bytes(isa, g), 1);
  if (!p->matrix || !p->in || !p->out || !p->truth || !p->scratch)
    return ap_fail(err, AP_ERR_MEMORY, "a layer of %zu x %zu weights", rows, n);
  ap_rng_seed(&rng, 1, 0);
  for (size_t r = 0; r < rows; r += k->rows)
    for (size_t first = 0; first < n; first += k->columns)
      if (ap_rng_below(&rng, 100) < k->percent) keep_vector(p, k, r, first, &rng);
  fill_inputs(p, &rng);
  p->bound = 2.0 * (double)rows * (double)FLT_EPSILON; /* |x||w| < 1/4 */
  for (size_t f = 0; f < p->of->n_forms && !st; f++)
    st = ap_packed_weights_create(isa, g, p->matrix, NULL, p->of->forms[f], &p->w[f], err);
  return st;
}

static ap_status setup(const void *context, const int64_t *point, void **problem, ap_error *err) {
  forms_problem *p = ap_calloc(1, sizeof *p);
  keeping kept = {100, 1, 1};
  *problem = NULL;
  if (!p) return ap_fail(err, AP_ERR_MEMORY, "problem");
  p->of = context;
  p->of->layer(point, &p->g, &kept);
  ap_packed_conv *g = &p->g;
  const size_t side = g->in.h, pad = g->pad_top, out = side + 2 * pad - g->kh + 1;
  ap_status st = ap_packed_shape_init(g->in.c, side, side, pad, pad, pad, pad, &g->in, err);
  if (!st) st = ap_packed_shape_init(g->out.c, out, out, 1, 1, 1, 1, &g->out, err);
  if (!st) st = fill(p, &kept, err);
  if (st)
    teardown(p);
  else
    *problem = p;
  return st;
}

static ap_status run(forms_problem *p, size_t form) {
  const ap_packed_epilogue plain = ap_packed_epilogue_default();
  ap_packed_conv_run(p->w[form], p->of->n_blocks, p->in, p->out, &plain, p->scratch);
  return AP_OK;
}
static ap_status run_0(void *p, ap_error *err) { return (void)err, run(p, 0); }
static ap_status run_1(void *p, ap_error *err) { return (void)err, run(p, 1); }
static ap_status run_2(void *p, ap_error *err) { return (void)err, run(p, 2); }
static ap_status run_3(void *p, ap_error *err) { return (void)err, run(p, 3); }
static ap_status run_4(void *p, ap_error *err) { return (void)err, run(p, 4); }

/* One image of the first block by plain sums in double. */
static void compute(const forms_problem *p) {
  const ap_packed_conv *g = &p->g;
  const size_t each = g->in.c / g->groups, taps = g->kh * g->kw, pad = g->pad_top;
  for (size_t c = 0; c < g->out.c; c++)
    for (size_t y = 0; y < g->out.h; y++)
      for (size_t x = 0; x < g->out.w; x++) {
        const size_t first = c / (g->out.c / g->groups) * each;
        double sum = 0;
        for (size_t k = 0; k < each * taps; k++) {
          const size_t row = y + k % taps / g->kw, column = x + k % g->kw; /* from the border */
          const float *corner = p->in + g->in.origin - pad * g->in.row - pad * AP_PACKED_LANES;
          sum += (double)p->matrix[k * g->out.c + c] *
                 (double)corner[(first + k / taps) * g->in.channel + row * g->in.row +
                                column * AP_PACKED_LANES];
        }
        p->truth[place(&g->out, c, y, x)] = (float)sum;
      }
}

static ap_status verify(void *problem, ap_error *err) {
  forms_problem *p = problem;
  const ap_packed_shape *s = &p->g.out;
  compute(p);
  for (size_t f = 0; f < p->of->n_forms; f++) {
    for (size_t i = 0; i < s->block; i++) p->out[i] = NAN;
    (void)run(p, f);
    for (size_t c = 0; c < s->c; c++)
      for (size_t i = 0; i < s->h * s->w; i++) {
        const size_t at = place(s, c, i / s->w, i % s->w);
        if (!(fabs((double)p->out[at] - (double)p->truth[at]) <= p->bound))
          return ap_fail(err, AP_ERR_INTERNAL, "%s, channel %zu: %.9g, expected %.9g",
                         ap_packed_form_name(p->of->forms[f]), c, (double)p->out[at],
                         (double)p->truth[at]);
      }
  }
  return AP_OK;
}

static void report(void *problem, size_t way, ap_bench_meter *meter) {
  const forms_problem *p = problem;
  (void)way;
  ap_bench_counter(meter, "macs_nonzero",
                   p->kept * (double)(p->g.out.h * p->g.out.w * p->of->n_blocks * AP_PACKED_LANES),
                   AP_BENCH_RATE);
}

static ap_status put(const char *name, const subject *of, const ap_bench_way *ways,
                     const char *const *axes, size_t n_axes, const int64_t *points, size_t n_values,
                     ap_error *err) {
  return ap_bench_register(&(ap_bench_case){.name = name,
                                            .context = of,
                                            .n_axes = n_axes,
                                            .axes = axes,
                                            .n_points = n_values / n_axes,
                                            .points = points,
                                            .n_ways = of->n_forms,
                                            .ways = ways,
                                            .setup = setup,
                                            .verify = verify,
                                            .report = report,
                                            .teardown = teardown},
                           err);
}

/* ---- the layers ------------------------------------------------------------------------------- */
static ap_packed_conv layer_of(size_t c_in, size_t c_out, size_t side, size_t kernel,
                               size_t groups) {
  return (ap_packed_conv){.in = {.c = c_in, .h = side, .w = side},
                          .out = {.c = c_out},
                          .kh = kernel,
                          .kw = kernel,
                          .stride_h = 1,
                          .stride_w = 1,
                          .pad_top = kernel / 2,
                          .pad_left = kernel / 2,
                          .groups = groups};
}

static void row_vectors(const int64_t *point, ap_packed_conv *g, keeping *kept) {
  *g = layer_of((size_t)point[0], (size_t)point[0], (size_t)point[1], 3, 1);
  *kept = (keeping){10, 1, 8};
}
static void kernels(const int64_t *point, ap_packed_conv *g, keeping *kept) {
  *g = layer_of((size_t)point[0], (size_t)point[0], (size_t)point[1], 3, 1);
  *kept = (keeping){(size_t)point[2], 9, 1};
}
static void pointwise(const int64_t *point, ap_packed_conv *g, keeping *kept) {
  *g = layer_of((size_t)point[0], (size_t)point[1], (size_t)point[2], 1, 1);
  kept->percent = (size_t)point[3];
}
static void depthwise(const int64_t *point, ap_packed_conv *g, keeping *kept) {
  const size_t channels = (size_t)point[0];
  *g = layer_of(channels, channels, (size_t)point[1], (size_t)point[2], channels);
  (void)kept; /* all */
}

#define COUNT(x) (sizeof(x) / sizeof(x)[0])

ap_status ap_micro_forms(ap_error *err) {
  static const ap_packed_form lists[] = {AP_PACKED_LIST8, AP_PACKED_LIST4, AP_PACKED_LIST2,
                                         AP_PACKED_LIST1};
  static const ap_packed_form strips[] = {AP_PACKED_LIST4, AP_PACKED_LIST1, AP_PACKED_STRIP4,
                                          AP_PACKED_STRIP1, AP_PACKED_AUTO};
  static const ap_packed_form planes[] = {AP_PACKED_LIST1, AP_PACKED_PLANE, AP_PACKED_AUTO};
  static const ap_packed_form whole[] = {AP_PACKED_KERNEL3, AP_PACKED_WINOGRAD, AP_PACKED_AUTO};
  static const subject of_rows = {lists, COUNT(lists), 2, row_vectors};
  static const subject of_kernels = {whole, COUNT(whole), 2, kernels};
  static const subject of_points = {strips, COUNT(strips), 1, pointwise};
  static const subject of_planes = {planes, COUNT(planes), 1, depthwise};
  static const char *const row_axes[] = {"channels", "side"};
  static const char *const kernel_axes[] = {"channels", "side", "percent_kept"};
  static const char *const point_axes[] = {"inputs", "outputs", "side", "percent_kept"};
  static const char *const plane_axes[] = {"channels", "side", "kernel"};
  static const int64_t row_points[] = {16,  32, 32,  16, 64,  8, 64,  32,
                                       128, 16, 256, 8,  512, 4, 512, 2};
  static const int64_t kernel_points[] = {16,  32, 10, 16,  32, 30, 32,  16, 10, 32,  16, 30,
                                          64,  8,  10, 64,  8,  30, 64,  32, 10, 128, 16, 10,
                                          256, 8,  10, 512, 4,  10, 512, 2,  10, 64,  8,  100};
  static const int64_t point_points[] = {
      64, 64, 32, 100, 24, 144, 32, 100, 144, 24, 32, 100, 256, 256, 8, 100, 960, 160, 4, 100,
      64, 64, 32, 30,  24, 144, 32, 30,  144, 24, 32, 30,  256, 256, 8, 30,  960, 160, 4, 30,
      64, 64, 32, 10,  24, 144, 32, 10,  144, 24, 32, 10,  256, 256, 8, 10,  960, 160, 4, 10};
  static const int64_t plane_points[] = {144, 32, 3, 384, 8, 3, 960, 4, 3, 96, 32, 5, 672, 8, 5};
  /* in the order of the forms */
  static const ap_bench_way list_ways[] = {
      {"list8", run_0}, {"list4", run_1}, {"list2", run_2}, {"list1", run_3}};
  static const ap_bench_way kernel_ways[] = {
      {"kernel3", run_0}, {"winograd", run_1}, {"chosen", run_2}};
  static const ap_bench_way strip_ways[] = {
      {"list4", run_0}, {"list1", run_1}, {"strip4", run_2}, {"strip1", run_3}, {"chosen", run_4}};
  static const ap_bench_way plane_ways[] = {{"list1", run_0}, {"plane", run_1}, {"chosen", run_2}};
  ap_status st = put("forms/row_vectors", &of_rows, list_ways, row_axes, COUNT(row_axes),
                     row_points, COUNT(row_points), err);
  if (!st)
    st = put("forms/kernels", &of_kernels, kernel_ways, kernel_axes, COUNT(kernel_axes),
             kernel_points, COUNT(kernel_points), err);
  if (!st)
    st = put("forms/pointwise", &of_points, strip_ways, point_axes, COUNT(point_axes), point_points,
             COUNT(point_points), err);
  if (!st)
    st = put("forms/depthwise", &of_planes, plane_ways, plane_axes, COUNT(plane_axes), plane_points,
             COUNT(plane_points), err);
  return st;
}
