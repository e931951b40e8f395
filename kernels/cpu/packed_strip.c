/* kernels/cpu/packed_strip.c - forms STRIP1 and STRIP4: lists of one output channel or four over copies of their inputs.
 *
 * In 1x1 convolutions what costs is not reading a value again but
 * finding it: neighbouring channels lie whole images apart, each in a page of its own. So a strip of output pixels gets a
 * copy of all it reads, in the order in which it is read, small enough for the second-level cache; each list then
 * walks through the strip, a tile of registers after the other, and its outputs follow each other, too.
 *
 * The unit of a strip is a register: a pixel, or the part of its images that a register holds. Pixels of any rows
 * and blocks stand behind each other, so that small images fill tiles like large ones.
 *
 *   copy:  float [tile][line][units of a tile][vector]     a line: a tap of an input channel that any list reads
 */
#include "kernels/cpu/packed_impl.h"

enum {
  STRIP_BYTES = 192 << 10, /* of a strip's copy, unless one tile is larger */
  STRIP_UNITS = 384        /* of a strip */
};

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

/* Tiles of a strip at most. */
static size_t strip_tiles(const ap_packed_isa *isa, size_t lines, size_t width) {
  const size_t units = packed_strip_units(isa->accumulators, width);
  const size_t tile = max_size(lines, 1) * units * isa->vector * sizeof(float);
  return max_size(min_size(STRIP_BYTES / tile, STRIP_UNITS / units), 1);
}

enum { TABLE_BYTES = (STRIP_UNITS * sizeof(packed_unit) + 63) / 64 * 64 };

size_t packed_strip_scratch_bytes(const ap_packed_isa *isa, const ap_packed_conv *g) {
  const size_t tile = g->in.c * g->kh * g->kw * packed_strip_units(isa->accumulators, 1) *
                      isa->vector * sizeof(float);
  return TABLE_BYTES + max_size(tile, STRIP_BYTES);
}

/* Where the units first .. first + n - 1 of all blocks' outputs lie. */
static void place(const packed_job *j, size_t first, size_t n, packed_unit *at) {
  const ap_packed_conv *g = j->g;
  const packed_tile *t = &j->first;
  const size_t parts = AP_PACKED_LANES / j->weights->isa->vector;
  size_t part = first % parts, x = first / parts % g->out.w,
         y = first / parts / g->out.w % g->out.h, b = first / parts / g->out.w / g->out.h;
  for (size_t i = 0; i < n; ++i) {
    const size_t lane = part * j->weights->isa->vector;
    at[i] = (packed_unit){
        .in = b * t->in_block + y * g->stride_h * g->in.row + x * t->in_column + lane,
        .out = b * t->out_block + y * t->out_row + x * AP_PACKED_LANES + lane,
        .residual = b * t->residual_block + y * t->residual_row + x * t->residual_column + lane};
    if (++part < parts) continue;
    part = 0;
    if (++x < g->out.w) continue;
    x = 0;
    if (++y < g->out.h) continue;
    y = 0;
    ++b;
  }
}

void packed_run_strips(const packed_job *j, size_t n_blocks) {
  const ap_packed_weights *w = j->weights;
  const ap_packed_isa *isa = w->isa;
  const size_t units = packed_strip_units(isa->accumulators, w->width);
  const size_t total = n_blocks * j->g->out.h * j->g->out.w * (AP_PACKED_LANES / isa->vector);
  const size_t tiles = (total + units - 1) / units, most = strip_tiles(isa, w->n_lines, w->width);
  const size_t strips = (tiles + most - 1) / most;
  packed_unit *at = (packed_unit *)(void *)j->scratch;
  float *copy = j->scratch + TABLE_BYTES / sizeof(float);
  for (size_t i = 0; i < strips; ++i) {
    const packed_part part = packed_part_of(tiles, strips, i);
    const size_t first = part.first * units, n = min_size(part.count * units, total - first);
    place(j, first, n, at);
    isa->strip[w->form == AP_PACKED_STRIP4](&j->first, at, n, copy);
  }
}
