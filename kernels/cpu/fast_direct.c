#include <string.h>

#include "kernels/checks_impl.h"
#include "kernels/cpu/direct_impl.h"

/* Of the vectors' lanes at least 3 in 4 must be outputs; below, matrix products are faster. */
#define MIN_USE_NUMERATOR 3
#define MIN_USE_DENOMINATOR 4
/* Vectors over which a tile of the filters' gradient runs before its lanes are added up: wanted, and
 * at least. */
#define FILTER_VECTORS ((size_t)128)
#define FILTER_LEAST ((size_t)32)
/* Planes and gradients of one pass, at most: three quarters of a second-level cache of 1 MiB. */
#define FILTER_FLOATS ((size_t)192 << 10)
/* Vectors per pass of the panels: the planes of a pass stay in the first cache. */
#define PASS_VECTORS ((size_t)3)
#define FEW_VECTORS ((size_t)12)

static size_t round_up(size_t n, size_t multiple) { return ap_ceil_div(n, multiple) * multiple; }

/* Everything except the tables. */
static ap_direct_plan geometry(const ap_conv_shape *s) {
  const size_t height = s->h + s->pad_top + s->pad_bottom,
               width = s->w + s->pad_left + s->pad_right;
  ap_direct_plan p = {.s = s};
  p.c_group = s->c_in / s->groups;
  p.m = s->c_out / s->groups;
  p.k = p.c_group * s->kh * s->kw;
  p.ow = ap_conv_out_w(s);
  p.pixels = ap_conv_out_h(s) * p.ow;
  p.shared_columns = p.ow % AP_LANES == 0;
  p.pitch = p.shared_columns ? ap_ceil_div(width, s->stride_w) : p.ow;
  p.rows = ap_ceil_div(height, s->stride_h);
  p.plane = p.rows * p.pitch;
  p.columns = p.shared_columns ? ap_min_size(s->stride_w, s->kw) : s->kw;
  p.planes = ap_min_size(s->stride_h, s->kh) * p.columns;
  p.image = round_up(p.c_group * p.planes * p.plane + AP_LANES, AP_LANES);
  p.exact = p.pixels % AP_LANES == 0;
  p.vectors = ap_ceil_div(p.pixels, AP_LANES);
  p.out_row = p.vectors * AP_LANES;
  /* Few vectors do not fill passes of PASS_VECTORS, those of PASS_VECTORS images do. */
  p.block = p.vectors < FEW_VECTORS && p.vectors % PASS_VECTORS != 0 ? PASS_VECTORS : 1;
  return p;
}

/* Whether vectors can run over the maps at all. */
static bool possible(const ap_conv_shape *s) {
  ap_direct_plan p;
  if (s->c_in == 0 || s->c_out / s->groups < AP_TILE_ROWS || ap_is_dilated(s)) return false;
  p = geometry(s);
  return ap_saturating_mul(p.block, p.image) <= UINT32_MAX &&
         ap_saturating_mul3(p.block, s->c_out, p.out_row) <= UINT32_MAX;
}

static bool pays(size_t useful, size_t computed) {
  return useful * MIN_USE_DENOMINATOR >= computed * MIN_USE_NUMERATOR;
}

bool ap_direct_suits(const ap_conv_shape *s) {
  ap_direct_plan p;
  if (!possible(s)) return false;
  p = geometry(s);
  return pays(p.pixels, p.vectors * AP_LANES);
}

ap_status ap_direct_plan_make(ap_fast_backend *fast, const ap_conv_shape *s, ap_direct_plan *plan,
                              ap_error *err) {
  const size_t taps = s->kh * s->kw;
  ap_direct_plan p = geometry(s);
  const size_t n_offsets = round_up(p.k, AP_TILE_TAPS);
  /* Between the same channel of two images, where vectors are stored. */
  const size_t out_image = p.exact ? s->c_out * p.pixels : p.m * p.out_row;
  ap_status st = ap_fast_reserve_table(fast, n_offsets + 2 * p.block * p.vectors, err);
  if (st) return st;
  p.offset = fast->table;
  p.in = p.offset + n_offsets;
  p.out = p.in + p.block * p.vectors;
  for (size_t k = 0; k < n_offsets; k++) {
    const size_t c = k / taps, ky = k % taps / s->kw, kx = k % s->kw;
    const size_t column = p.shared_columns ? kx / s->stride_w : 0;
    const size_t plane = ky % s->stride_h * p.columns + (p.shared_columns ? kx % s->stride_w : kx);
    const size_t offset = (c * p.planes + plane) * p.plane + ky / s->stride_h * p.pitch + column;
    p.offset[k] = k < p.k ? (uint32_t)offset : 0;
  }
  for (size_t i = 0; i < p.block * p.vectors; i++) {
    const size_t at = i % p.vectors * AP_LANES, image = i / p.vectors;
    p.out[i] = (uint32_t)(image * out_image + at);
    p.in[i] = (uint32_t)(image * p.image + at / p.ow * p.pitch + at % p.ow);
  }
  *plan = p;
  return AP_OK;
}

/* ---- the padded planes ------------------------------------------------------------------------ */

#define INLINE static inline __attribute__((always_inline))

/* count floats from `from` in steps of `step`. */
INLINE void copy_row(float *to, const float *from, size_t count, size_t step) {
  if (step == 1) {
    for (size_t i = 0; i < count; i++) to[i] = from[i];
  } else if (step == 2) {
    for (size_t i = 0; i < count; i++) to[i] = from[2 * i];
  } else {
    for (size_t i = 0; i < count; i++) to[i] = from[step * i];
  }
}

/* The plane that holds, in row r and column q, the padded pixel (r * stride_h + a, q * stride_w + b). */
INLINE void fill_plane(const ap_direct_plan *p, const float *x, size_t a, size_t b, float *plane) {
  const ap_conv_shape *s = p->s;
  /* Rows and columns inside the picture: first, and one past the last. */
  const size_t r0 = s->pad_top > a ? ap_ceil_div(s->pad_top - a, s->stride_h) : 0;
  const size_t q0 = s->pad_left > b ? ap_ceil_div(s->pad_left - b, s->stride_w) : 0;
  const size_t bottom = s->h + s->pad_top, right = s->w + s->pad_left;
  const size_t r1 = bottom > a ? ap_min_size(ap_ceil_div(bottom - a, s->stride_h), p->rows) : 0;
  const size_t q1 = right > b ? ap_min_size(ap_ceil_div(right - b, s->stride_w), p->pitch) : 0;
  if (r0 >= r1 || q0 >= q1) {
    memset(plane, 0, p->plane * sizeof *plane);
    return;
  }
  memset(plane, 0, r0 * p->pitch * sizeof *plane);
  memset(plane + r1 * p->pitch, 0, (p->rows - r1) * p->pitch * sizeof *plane);
  for (size_t r = r0; r < r1; r++) {
    float *row = plane + r * p->pitch;
    const float *from = x + (r * s->stride_h + a - s->pad_top) * s->w;
    for (size_t q = 0; q < q0; q++) row[q] = 0;
    for (size_t q = q1; q < p->pitch; q++) row[q] = 0;
    copy_row(row + q0, from + (q0 * s->stride_w + b - s->pad_left), q1 - q0, s->stride_w);
  }
}

/* x: the group's first channel of one image. */
AP_CLONES
static void fill_planes(const ap_direct_plan *p, const float *x, float *planes) {
  const ap_conv_shape *s = p->s;
  float *to = planes;
  for (size_t c = 0; c < p->c_group; c++) {
    for (size_t i = 0; i < p->planes; i++, to += p->plane) {
      fill_plane(p, x + c * s->h * s->w, i / p->columns, i % p->columns, to);
    }
  }
  memset(to, 0, (p->image - (size_t)(to - planes)) * sizeof *to);
}

/* ---- forward ----------------------------------------------------------------------------------- */

typedef struct {
  ap_direct_plan plan;
  const float *x, *panels, *bias; /* bias: one per packed row */
  float *y;
  bool accumulate;
  float **scratch; /* per worker: planes, then outputs between which rows are dropped */
} forward_task;

/* Packed panels and biases of one group. */
static size_t panel_rows_of(const ap_direct_plan *p) { return round_up(p->m, AP_PANEL); }

AP_CLONES
static void add_to(const float *from, float *to, size_t count) {
  for (size_t i = 0; i < count; i++) to[i] += from[i];
}

/* The outputs among the vectors' lanes: all but the end of each channel. */
static void keep_outputs(const ap_direct_plan *p, const float *wide, float *y, bool accumulate) {
  for (size_t row = 0; row < p->m; row++, wide += p->out_row, y += p->pixels) {
    if (accumulate) {
      add_to(wide, y, p->pixels);
    } else {
      memcpy(y, wide, p->pixels * sizeof *y);
    }
  }
}

static void forward_block(void *context, size_t block, size_t worker) {
  const forward_task *t = context;
  const ap_direct_plan *p = &t->plan;
  const ap_conv_shape *s = p->s;
  const ap_direct_tiles *tiles = ap_direct_tiles_get(0);
  const size_t first = block * p->block, n = ap_min_size(p->block, s->n - first);
  const size_t x_image = s->c_in * s->h * s->w, y_image = s->c_out * p->pixels;
  float *planes = t->scratch[worker], *wide = planes + p->block * p->image;
  for (size_t group = 0; group < s->groups; group++) {
    const size_t first_row = group * panel_rows_of(p);
    const float *x = t->x + first * x_image + group * p->c_group * s->h * s->w;
    float *y = t->y + first * y_image + group * p->m * p->pixels;
    for (size_t i = 0; i < n; i++) fill_planes(p, x + i * x_image, planes + i * p->image);
    for (size_t v = 0; v < n * p->vectors; v += PASS_VECTORS) {
      for (size_t row = 0; row < p->m; row += AP_PANEL) {
        const ap_direct_panel panel = {.planes = planes,
                                       .w = t->panels + (first_row + row) * p->k,
                                       .bias = t->bias + first_row + row,
                                       .offset = p->offset,
                                       .in = p->in + v,
                                       .at = p->out + v,
                                       .k = p->k,
                                       .n_vectors = ap_min_size(PASS_VECTORS, n * p->vectors - v),
                                       .out_row = p->out_row,
                                       .n_rows = ap_min_size(AP_PANEL, p->m - row),
                                       .out = (p->exact ? y : wide) + row * p->out_row,
                                       .accumulate = p->exact && t->accumulate};
        tiles->panel(&panel);
      }
    }
    for (size_t i = 0; !p->exact && i < n; i++) {
      keep_outputs(p, wide + i * p->m * p->out_row, y + i * y_image, t->accumulate);
    }
  }
}

/* Where filter (output o of the group, tap k) lies in w. */
typedef size_t source_of(const ap_direct_plan *p, size_t group, size_t o, size_t k);

static size_t same_source(const ap_direct_plan *p, size_t group, size_t o, size_t k) {
  return (group * p->m + o) * p->k + k;
}

/* The plan convolves dy: its outputs are input channels, its taps (c_out, mirrored ky, kx). */
static size_t mirrored_source(const ap_direct_plan *p, size_t group, size_t o, size_t k) {
  const size_t taps = p->s->kh * p->s->kw;
  return ((group * p->c_group + k / taps) * p->m + o) * taps + (taps - 1 - k % taps);
}

static ap_status run_forward(ap_fast_backend *fast, const ap_conv_shape *s, const float *x,
                             const float *w, source_of *source, const float *bias, float *y,
                             bool accumulate, ap_error *err) {
  forward_task t = {.x = x, .y = y, .accumulate = accumulate};
  ap_status st = ap_direct_plan_make(fast, s, &t.plan, err);
  const ap_direct_plan *p = &t.plan;
  size_t rows;
  float *panels, *biases;
  if (st) return st;
  rows = panel_rows_of(p);
  st = ap_fast_reserve(fast, p->block * (p->image + (p->exact ? 0 : p->m * p->out_row)),
                       s->groups * rows * (p->k + 1), err);
  if (st) return st;
  panels = fast->shared;
  biases = panels + s->groups * rows * p->k;
  for (size_t group = 0; group < s->groups; group++) {
    for (size_t row = 0; row < rows; row++) {
      float *to = panels + (group * rows + row / AP_PANEL * AP_PANEL) * p->k + row % AP_PANEL;
      biases[group * rows + row] = bias && row < p->m ? bias[group * p->m + row] : 0;
      for (size_t k = 0; k < p->k; k++) {
        to[k * AP_PANEL] = row < p->m ? w[source(p, group, row, k)] : 0;
      }
    }
  }
  t.panels = panels;
  t.bias = biases;
  t.scratch = fast->scratch;
  ap_pool_run(fast->pool, ap_ceil_div(s->n, p->block), forward_block, &t);
  return AP_OK;
}

ap_status ap_direct_forward(ap_fast_backend *fast, const ap_conv_shape *s, const float *x,
                            const float *w, const float *bias, float *y, ap_error *err) {
  return run_forward(fast, s, x, w, same_source, bias, y, false, err);
}

/* ---- gradient of the input ------------------------------------------------------------------- */

/* The convolution of dy that gives dx. */
static ap_conv_shape mirrored(const ap_conv_shape *s) {
  ap_conv_shape r = *s;
  r.c_in = s->c_out;
  r.c_out = s->c_in;
  r.h = ap_conv_out_h(s);
  r.w = ap_conv_out_w(s);
  r.pad_top = s->kh - 1 - s->pad_top;
  r.pad_bottom = s->kh - 1 - s->pad_bottom;
  r.pad_left = s->kw - 1 - s->pad_left;
  r.pad_right = s->kw - 1 - s->pad_right;
  return r;
}

bool ap_direct_suits_data(const ap_conv_shape *s) {
  ap_conv_shape r;
  if (s->stride_h != 1 || s->stride_w != 1 || s->pad_top >= s->kh || s->pad_bottom >= s->kh ||
      s->pad_left >= s->kw || s->pad_right >= s->kw) {
    return false;
  }
  r = mirrored(s);
  if (!possible(&r)) return false;
  /* Sums over the padding of dy are wasted too, so the useful pixels are those of dy. */
  return pays(r.h * r.w, geometry(&r).vectors * AP_LANES);
}

ap_status ap_direct_backward_data(ap_fast_backend *fast, const ap_conv_shape *s, const float *dy,
                                  const float *w, float *dx, bool accumulate, ap_error *err) {
  const ap_conv_shape r = mirrored(s);
  return run_forward(fast, &r, dy, w, mirrored_source, NULL, dx, accumulate, err);
}

/* ---- gradient of the filters ------------------------------------------------------------------ */

static size_t pass_floats(const ap_direct_plan *p) { return p->image + p->m * p->out_row; }

/* Images that one pass of the tiles takes; 0: not even FILTER_LEAST vectors fit the cache. */
static size_t images_per_pass(const ap_direct_plan *p) {
  const size_t n =
      ap_min_size(ap_ceil_div(FILTER_VECTORS, p->vectors), FILTER_FLOATS / pass_floats(p));
  return n * p->vectors < FILTER_LEAST ? 0 : n;
}

bool ap_direct_suits_filter(const ap_conv_shape *s) {
  ap_direct_plan p;
  if (!possible(s)) return false;
  p = geometry(s);
  return images_per_pass(&p) > 0 &&
         pays(p.pixels * p.m * p.k,
              p.vectors * AP_LANES * round_up(p.m, AP_TILE_ROWS) * round_up(p.k, AP_TILE_TAPS));
}

size_t ap_direct_filter_floats(const ap_direct_plan *p) {
  return images_per_pass(p) * (p->image + (p->exact ? 0 : p->m * p->out_row));
}

/* dy with zeros in the lanes that are no outputs. */
static void widen(const ap_direct_plan *p, const float *dy, float *wide) {
  for (size_t c = 0; c < p->m; c++, dy += p->pixels, wide += p->out_row) {
    memcpy(wide, dy, p->pixels * sizeof *wide);
    memset(wide + p->pixels, 0, (p->out_row - p->pixels) * sizeof *wide);
  }
}

/* All tiles of one group over `n` images; dy_image floats lie between images of dy. */
static void filter_pass(const ap_direct_plan *p, const float *planes, const float *dy,
                        size_t dy_image, size_t n, float *partial, bool add) {
  const ap_direct_tiles *tiles = ap_direct_tiles_get(0);
  for (size_t row = 0; row < p->m; row += AP_TILE_ROWS) {
    const size_t n_rows = ap_min_size(AP_TILE_ROWS, p->m - row);
    for (size_t k = 0; k < p->k; k += AP_TILE_TAPS) {
      ap_direct_filter_tile tile = {.planes = planes,
                                    .offset = p->offset + k,
                                    .in = p->in,
                                    .at = p->out,
                                    .n_images = n,
                                    .n_vectors = p->vectors,
                                    .image = p->image,
                                    .dy_image = dy_image};
      float sums[AP_TILE_ROWS * AP_TILE_TAPS];
      for (size_t r = 0; r < AP_TILE_ROWS; r++) {
        tile.dy[r] = dy + (row + ap_min_size(r, n_rows - 1)) * p->out_row;
      }
      tiles->filter(&tile, sums);
      for (size_t r = 0; r < n_rows; r++) {
        for (size_t j = 0; j < AP_TILE_TAPS && k + j < p->k; j++) {
          float *to = &partial[(row + r) * p->k + k + j];
          *to = sums[r * AP_TILE_TAPS + j] + (add ? *to : 0);
        }
      }
    }
  }
}

void ap_direct_filter_images(const ap_direct_plan *p, const float *x, const float *dy, size_t first,
                             size_t end, float *scratch, float *partial) {
  const ap_conv_shape *s = p->s;
  const size_t pass = images_per_pass(p), pixels = p->pixels;
  float *wide = scratch + pass * p->image;
  for (size_t i = first; i < end; i += pass) {
    const size_t n = ap_min_size(pass, end - i);
    for (size_t group = 0; group < s->groups; group++) {
      const float *gradient = dy + (i * s->c_out + group * p->m) * pixels;
      for (size_t j = 0; j < n; j++) {
        const size_t channel = (i + j) * s->c_in + group * p->c_group;
        fill_planes(p, x + channel * s->h * s->w, scratch + j * p->image);
        if (!p->exact) {
          widen(p, gradient + j * s->c_out * pixels, wide + j * p->m * p->out_row);
        }
      }
      filter_pass(p, scratch, p->exact ? gradient : wide,
                  p->exact ? s->c_out * pixels : p->m * p->out_row, n,
                  partial + group * p->m * p->k, i > first);
    }
  }
}
