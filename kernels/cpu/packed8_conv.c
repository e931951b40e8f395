/* kernels/cpu/packed8_conv.c - cuts an integer layer's output into register tiles and runs them. */
#include <math.h>

#include "kernels/cpu/packed8_impl.h"
#include "kernels/cpu/packed_impl.h"

/* Quads of some columns stay in the second-level cache while all output channels read them, one pass
 * after the other. */
static const size_t warm_bytes = 512 << 10;
/* Inputs of groups that are done one after the other. */
static const size_t near_bytes = 128 << 10;

static size_t bytes_of(size_t floats) { return floats * sizeof(float); }
static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

typedef struct {
  const ap_packed8_weights *w;
  const ap_packed_conv *g;
  const uint8_t *in;
  const ap_packed8_target *out;
  const ap_packed8_epilogue *epilogue;
  uint8_t *scratch;
  float low, high; /* of values; codes: within those that there are */
  bool plain;      /* codes limited by 0 and 255 alone, values that fit an int32_t, no activation */
} job;

/* ---- places ----------------------------------------------------------------------------------- */
typedef struct {
  size_t block, pixel, row, channel, part; /* byte strides; part: 16 images, of floats */
} strides;
static strides strides_of(const ap_packed8_tensor *t) {
  const ap_packed_shape *s = t->shape;
  const size_t blocks = t->codes ? 1 : AP_PACKED8_LANES / AP_PACKED_LANES;
  return (strides){bytes_of(s->block) * blocks, P8_LINE, bytes_of(s->row), bytes_of(s->channel),
                   bytes_of(s->block)};
}

/* The tile whose first output is pixel (y, x) of block b; strides between its rows and columns are
 * those of pixels. */
static packed8_tile tile_at(const job *j, size_t b, size_t y, size_t x) {
  const ap_packed_conv *g = j->g;
  const ap_packed8_target *o = j->out;
  const ap_packed8_source *res = &j->epilogue->residual;
  const strides to = strides_of(&o->tensor);
  packed8_tile t = {
      .weights = j->w,
      .in = j->in + b * bytes_of(g->in.block) +
            bytes_of((g->in.top - g->pad_top + y * g->stride_h) * g->in.row) +
            (g->in.left - g->pad_left + x * g->stride_w) * P8_LINE,
      .in_column = g->stride_w * P8_LINE,
      .out = (uint8_t *)o->data + b * to.block + bytes_of(o->tensor.shape->origin) + y * to.row +
             x * P8_LINE,
      .out_row = to.row,
      .out_channel = to.channel,
      .out_block = to.part,
      .out_codes = o->tensor.codes,
      .low = j->low,
      .high = j->high,
      .zero = o->tensor.zero,
      .activation = j->epilogue->activation,
      .simple = j->plain && o->tensor.zero == 0,
      .far = to.block > PACKED_FAR_BYTES,
      .residual_simple = res->tensor.codes && res->tensor.zero == 0,
  };
  if (res->data) {
    const strides from = strides_of(&res->tensor);
    t.residual = (const uint8_t *)res->data + b * from.block + bytes_of(res->tensor.shape->origin) +
                 y * res->stride_h * from.row + x * res->stride_w * P8_LINE;
    t.far = t.far || from.block > PACKED_FAR_BYTES;
    t.residual_row = res->stride_h * from.row;
    t.residual_column = res->stride_w * P8_LINE;
    t.residual_channel = from.channel;
    t.residual_block = from.part;
    t.residual_first = res->first;
    t.residual_channels = res->tensor.shape->c;
    t.residual_codes = res->tensor.codes;
    t.residual_zero = res->tensor.zero;
    t.residual_factor = res->factor;
  }
  return t;
}

/* ---- LISTn ------------------------------------------------------------------------------------ */
/* The kernel for whole rows of tiles like t, or NULL. */
static packed8_tile_k *row_kernel(const job *j, const packed8_tile *t) {
  const size_t width = j->w->width;
  packed8_tile_k *const *kernels = j->w->isa->row[j->w->form - AP_PACKED_LIST1];
  if (j->g->out.c % width != 0) return NULL;
  if (!t->simple) return kernels[P8_ROW_ANY];
  if (!t->residual) return kernels[P8_ROW_SIMPLE];
  if (!t->residual_simple || t->residual_first % width != 0 || t->residual_channels % width != 0)
    return kernels[P8_ROW_ANY];
  return kernels[P8_ROW_ADDS];
}

/* Neighbouring lists that are done for the whole image before the next ones: all, or those of some groups, whose inputs
 * then stay in the second-level cache. */
static size_t lists_at_once(const job *j) {
  const ap_packed_conv *g = j->g;
  const size_t each = g->in.c / g->groups * bytes_of(g->in.channel);
  const size_t groups = near_bytes / each > 0 ? near_bytes / each : 1;
  return g->groups == 1 ? j->w->n_lists : j->w->n_lists / g->groups * groups;
}

/* A row of outputs of the lists of `row`. */
static void run_row(const job *j, packed8_tile *row, size_t b, size_t y) {
  const ap_packed_conv *g = j->g;
  packed8_tile_k *const *kernels = j->w->isa->list[j->w->form - AP_PACKED_LIST1];
  packed8_tile_k *const kernel = row_kernel(j, row);
  row->columns = g->out.w;
  if (kernel) {
    kernel(row);
    return;
  }
  for (size_t x = 0; x < g->out.w;) {
    size_t log = 3; /* as many pixels as there are and as fit */
    while (log > 0 && (!kernels[log] || (size_t)1 << log > g->out.w - x ||
                       j->w->width << log > j->w->isa->list_tile))
      --log;
    packed8_tile t = tile_at(j, b, y, x);
    t.entries = row->entries;
    t.first_list = row->first_list;
    t.end_list = row->end_list;
    kernels[log](&t);
    x += (size_t)1 << log;
  }
}

static void run_lists(const job *j, size_t n_blocks) {
  const packed_places places = {j->w->start, j->w->bound, j->w->n_lists};
  const size_t step = lists_at_once(j);
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t list = 0; list < j->w->n_lists; list += step)
      for (size_t y = 0; y < j->g->out.h; ++y) {
        packed8_tile row = tile_at(j, b, y, 0);
        row.entries = packed_entries_of(j->g, &places, y, 1);
        row.first_list = list;
        row.end_list = min_size(list + step, j->w->n_lists);
        run_row(j, &row, b, y);
      }
}

/* ---- KERNEL3 ---------------------------------------------------------------------------------- */
typedef struct {
  size_t y, rows, x0, columns, n_in; /* of the output; n_in: columns of quads */
} band;

/* Quads of all input channels; rows past the border are read again (their weights are 0). */
static void make_quads(const job *j, size_t b, const band *k) {
  const ap_packed_conv *g = j->g;
  const size_t last = g->in.top + g->in.h + g->in.bottom - 1;
  const size_t y = g->in.top - g->pad_top + k->y * g->stride_h;
  const size_t x = g->in.left - g->pad_left + k->x0 * g->stride_w;
  const uint8_t *corner = j->in + bytes_of(b * g->in.block) + x * P8_LINE;
  const uint8_t *rows[P8_QUAD];
  for (size_t c = 0; c < g->in.c; ++c) {
    for (size_t i = 0; i < P8_QUAD; ++i)
      rows[i] = corner + bytes_of(c * g->in.channel + min_size(y + i, last) * g->in.row);
    j->w->isa->quads(rows, k->n_in, j->scratch + c * k->n_in * P8_COLUMN);
  }
}

static void run_band(const job *j, size_t b, const band *k) {
  const ap_packed_conv *g = j->g;
  const ap_packed8_isa *isa = j->w->isa;
  const size_t stride = g->stride_w, n_passes = (size_t)2 * P8_LINE / isa->vector;
  const bool skip = j->w->zero == 0 && g->pad_left == 1;
  const size_t widest = k->rows == 2 ? isa->kernel_w : (size_t)P8_KERNEL_W;
  make_quads(j, b, k);
  for (size_t pass = 0; pass < n_passes; ++pass)
    for (size_t x = 0; x < k->columns;) {
      const size_t n = min_size(widest, k->columns - x), at = k->x0 + x;
      packed8_tile t = tile_at(j, b, k->y, at);
      t.in = j->scratch + x * stride * P8_COLUMN + pass * 2 * isa->vector;
      t.in_channel = k->n_in * P8_COLUMN;
      t.pass = pass;
      if (stride == 2)
        isa->strided[n - 1](&t);
      else
        isa->kernel[k->rows - 1][n - 1][skip && at == 0][skip && at + n == g->in.w](&t);
      x += n;
    }
}

/* Columns of output of one band. */
static size_t band_columns(const ap_packed_conv *g) {
  const size_t columns = warm_bytes / (g->in.c * P8_COLUMN * g->stride_w);
  const size_t whole = columns / P8_KERNEL_W * P8_KERNEL_W;
  return min_size(g->out.w, whole > P8_KERNEL_W ? whole : P8_KERNEL_W);
}
static size_t input_columns(const ap_packed_conv *g, size_t columns) {
  return (columns - 1) * g->stride_w + 3;
}

static void run_kernels(const job *j, size_t n_blocks) {
  const ap_packed_conv *g = j->g;
  const size_t most_rows = g->stride_h == 1 ? 2 : 1, most_columns = band_columns(g);
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t y = 0; y < g->out.h; y += most_rows)
      for (size_t x = 0; x < g->out.w; x += most_columns) {
        const size_t columns = min_size(most_columns, g->out.w - x);
        const band k = {y, min_size(most_rows, g->out.h - y), x, columns,
                        input_columns(g, columns)};
        run_band(j, b, &k);
      }
}

static void run_small(const job *j, size_t n_blocks) {
  const ap_packed_conv *g = j->g;
  const size_t vector = j->w->isa->vector;
  for (size_t b = 0; b < n_blocks; ++b) {
    for (size_t c = 0; c < g->in.c; ++c) {
      const uint8_t *p = j->in + bytes_of(b * g->in.block + c * g->in.channel + g->in.origin);
      const uint8_t *const pixels[P8_QUAD] = {p, p + P8_LINE, p + bytes_of(g->in.row),
                                              p + bytes_of(g->in.row) + P8_LINE};
      j->w->isa->quads(pixels, 1, j->scratch + c * P8_COLUMN);
    }
    packed8_tile t = tile_at(j, b, 0, 0);
    t.in_channel = P8_COLUMN;
    for (t.pass = 0; t.pass < (size_t)2 * P8_LINE / vector; ++t.pass) {
      t.in = j->scratch + t.pass * 2 * vector;
      j->w->isa->small(&t);
    }
  }
}

size_t ap_packed8_scratch_bytes(const ap_packed_conv *g) {
  if (!(g->kh == 3 && g->kw == 3 && g->stride_h == g->stride_w && g->stride_h <= 2)) return 0;
  return g->in.c * P8_COLUMN * input_columns(g, band_columns(g));
}

/* ---- the whole -------------------------------------------------------------------------------- */
/* Rounding and limits commute: limits of the code are those of the rounded value. */
void packed8_code_limits(const ap_packed8_target *out, float low, float high, uint8_t *least,
                         uint8_t *most) {
  const float zero = (float)out->tensor.zero, top = (float)out->most;
  const float from = rintf(low) + zero, to = rintf(high) + zero;
  *least = (uint8_t)(from > top ? top : from > 0 ? from : 0);
  *most = (uint8_t)(to < 0 ? 0 : to < top ? to : top);
}

static float clip(float v, float low, float high) {
  v = v > low ? v : low;
  return v < high ? v : high;
}

void packed8_value_limits(const ap_packed8_target *out, float *low, float *high) {
  const float least = -(float)out->tensor.zero, most = (float)out->most + least;
  if (!out->tensor.codes) return;
  *low = clip(*low, least, most);
  *high = clip(*high, least, most);
}

/* May sums leave a tile by conversion and saturating packs alone? */
static bool is_plain(const ap_packed8_weights *w, const ap_packed8_target *out,
                     const ap_packed8_epilogue *e) {
  const ap_packed8_source *res = &e->residual;
  const double fits = 1 << 30;
  double reach = w->reach;
  uint8_t low, high;
  if (!out->tensor.codes || e->activation) return false;
  if (res->data)
    reach += res->tensor.codes ? UINT8_MAX * fabs((double)res->factor) : (double)INFINITY;
  packed8_code_limits(out, e->low, e->high, &low, &high);
  return reach < fits && low == 0 && high == UINT8_MAX;
}

void ap_packed8_conv_run(const ap_packed8_weights *weights, size_t n_blocks, const uint8_t *in,
                         const ap_packed8_target *out, const ap_packed8_epilogue *epilogue,
                         void *scratch) {
  job j = {.w = weights,
           .g = &weights->geometry,
           .in = in,
           .out = out,
           .epilogue = epilogue,
           .scratch = scratch,
           .low = epilogue->low,
           .high = epilogue->high,
           .plain = is_plain(weights, out, epilogue)};
  packed8_value_limits(out, &j.low, &j.high);
  if (weights->form != AP_PACKED_KERNEL3)
    run_lists(&j, n_blocks);
  else if (weights->small)
    run_small(&j, n_blocks);
  else
    run_kernels(&j, n_blocks);
}
