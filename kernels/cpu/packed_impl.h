/* kernels/cpu/packed_impl.h - between the packed layers (packed_weights.c, packed_conv.c) and the
 * kernels compiled once per instruction set (packed_kernels.h). */
#ifndef AP_KERNELS_CPU_PACKED_IMPL_H
#define AP_KERNELS_CPU_PACKED_IMPL_H
#include <stdint.h>

#include "kernels/packed.h"

enum {
  PACKED_MAX_ROWS = 4,                             /* of a register tile of the lists */
  PACKED_MAX_COLUMNS = 8,                          /* same */
  PACKED_STRIDED_COLUMNS = 4,                      /* the same with a column stride of 2 */
  PACKED_KERNEL_TILE = 4,                          /* largest side of a tile of whole 3x3 kernels */
  PACKED_TAPS = 9,                                 /* of a 3x3 kernel */
  PACKED_WINOGRAD = 6,                             /* products for four outputs of a row */
  PACKED_WINOGRAD_WORDS = 1 + 3 * PACKED_WINOGRAD, /* of an entry */
  PACKED_AHEAD = 2,       /* entries whose inputs are fetched ahead: of whole kernels, */
  PACKED_LIST_AHEAD = 16, /* and of wide lists */
  PACKED_PAGE_AHEAD =
      4096, /* bytes of a matrix that are fetched ahead: the processor's own guesses end with a page */
  PACKED_WORDS_AHEAD = 250,   /* words of a list that are fetched ahead */
  PACKED_LISTS_AT_ONCE = 128, /* that grow side by side while they are built */
  PACKED_STRIP_LINES = 8192,  /* of a tile that is copied, at most */
  PACKED_LINES_AHEAD = 2,     /* of them that are fetched ahead */
  PACKED_FAR_BYTES = 2 << 20  /* of a tensor that the nearest caches do not hold */
};

/* Of n units of eight bytes from `row` on, those that are not all 0: theirs to values and their numbers, first + i, to
 * list, in order; sizes[i] += 1. Returns how many; room for seven more may be written. */
typedef size_t packed_eights(const uint8_t *row, size_t n, size_t first, size_t *sizes,
                             uint8_t *values, uint16_t *list);

/* Lists are words: an entry is the offset of its input (floats from the tile's first input pixel)
 * and its weights. */
typedef union {
  int32_t offset;
  float weight;
} packed_word;

struct ap_packed_weights {
  const ap_packed_isa *isa;
  ap_packed_conv geometry;
  ap_packed_form form;
  size_t width;       /* output channels per list */
  size_t entry_words; /* 1 + weights of an entry */
  size_t n_lists;
  size_t n_entries;
  size_t *start;      /* [n_lists + 1], in entries */
  size_t segments;    /* LISTn: 1, or a list's entries are in order of kernel rows: */
  size_t *bound;      /* [segments][n_lists], entry behind a list's kernel row; NULL where 1 */
  packed_word *words; /* and PACKED_LIST_AHEAD entries of zeros; */
  ap_arena *room;     /* where they are, or NULL */
  float *bias;        /* [n_lists * width] */
  size_t band_rows;   /* WINOGRAD: output rows of a full band */
  size_t n_lines;     /* STRIPn: inputs of a pixel that a list reads, */
  int32_t *lines;     /* and where each lies, in floats from the pixel under the output, tap (0, 0);
                     PACKED_LINES_AHEAD zeros */
};

/* Where tap number `tap` of a kernel stands. */
static inline size_t packed_tap_row(const ap_packed_conv *g, size_t tap) {
  return tap / g->kw * (g->dilation_h ? g->dilation_h : 1);
}
static inline size_t packed_tap_column(const ap_packed_conv *g, size_t tap) {
  return tap % g->kw * (g->dilation_w ? g->dilation_w : 1);
}

/* Part i of n equal parts (the first ones larger by one) of `total`; any first and count. */
typedef struct {
  size_t first, count;
} packed_part;

/* Rows of a kernel that lie inside the image for the output row y. */
packed_part packed_live_rows(const ap_packed_conv *g, size_t y);

/* Lists' entries to do, [n_lists]: first and end. */
typedef struct {
  const size_t *from, *to;
} packed_entries;
typedef struct {
  const size_t *start, *bound;
  size_t n_lists;
} packed_places; /* of ap_packed_weights */
/* Those of kernel rows that any of the output rows y .. y + count - 1 reads inside the image. */
packed_entries packed_entries_of(const ap_packed_conv *g, const packed_places *w, size_t y,
                                 size_t count);

/* One register tile over all output channels. */
typedef struct {
  const ap_packed_weights *weights;
  packed_entries entries; /* LISTn: those to do */
  const float *in;        /* the input pixel under the tile's first output, tap (0, 0) */
  size_t in_row;    /* LISTn: to the next tile row; KERNEL3: to the next input row; WINOGRAD: to the
                       next `vector` images */
  size_t in_column; /* LISTn: to the next tile column */
  size_t in_block;  /* KERNEL3 over several blocks: to the next block */
  float *out;       /* channel 0 */
  size_t out_row;   /* to the next tile row */
  size_t out_block; /* KERNEL3: to the next block */
  size_t out_channel;
  size_t n_out;          /* output channels */
  size_t columns;        /* WINOGRAD: of its four, inside the image */
  bool far;              /* outputs are not in the nearest caches: fetched ahead */
  const float *residual; /* NULL, or channel `first` under the tile's first output */
  size_t residual_row, residual_column, residual_channel, residual_block;
  size_t residual_first, residual_channels;
  float low, high;
} packed_tile;

typedef void packed_tile_k(const packed_tile *tile);

/* Where a unit of a strip lies (packed_strip.c), in floats from the tile's pointers. */
typedef struct {
  size_t in, out, residual;
} packed_unit;

/* Of a tile of STRIPn: as many as there are sums for, at most 12. */
#define PACKED_STRIP_UNITS(accumulators, width) \
  ((accumulators) / (width) < 12 ? (accumulators) / (width) : 12)
static inline size_t packed_strip_units(size_t accumulators, size_t width) {
  return PACKED_STRIP_UNITS(accumulators, width);
}

/* PLANE: rows of one output channel that take the same entries. */
typedef struct {
  const packed_word *from, *to;
  const float *in; /* the pixel under the first output, tap (0, 0) */
  float *out;
  const float *residual;    /* NULL, or its pixel */
  size_t in_row, in_column; /* from an output to the next */
  size_t out_row, residual_row, residual_column;
  size_t rows, columns;
  float bias, low, high;
} packed_plane;

/* Residual pixels of output channel c, or NULL. */
static inline const float *packed_residual_channel(const packed_tile *t, size_t c) {
  const size_t source = c - t->residual_first; /* wraps below `first` */
  if (!t->residual || source >= t->residual_channels) return NULL;
  return t->residual + source * t->residual_channel;
}

/* Which sides of a 3x3 tile lie on the image's edge, with padding 1: their taps are left out. */
enum { EDGE_NONE, EDGE_FIRST, EDGE_LAST, EDGE_BOTH, EDGE_KINDS };

/* 1x1 kernels: of an entry, more where the inputs of a tile do not fit the nearest cache, more where channels are far apart; of a
 * list; of an input that is copied. */
typedef struct {
  double entry, deep, far, list, line;
} packed_pointwise;

struct ap_packed_isa {
  const char *name;
  size_t accumulators;       /* vector registers that a tile may use */
  size_t kernel_h, kernel_w; /* largest tile of KERNEL3 */
  size_t winograd_h;         /* rows of a tile of WINOGRAD, 4 columns wide */
  size_t vector;             /* floats of a register: images that a pass of WINOGRAD does */
  /* Work in multiply-adds per pixel (packed_weights.c): of an entry of LIST1 to LIST8; and in layers of 1x1 kernels
   * of LIST1 to LIST8, STRIP1 and STRIP4, or NULL where that was not timed (then there are no strips). */
  double list_work[4];
  const packed_pointwise *pointwise;
  /* [form LIST1..LIST8][rows - 1][columns - 1][0: any column stride, 1: stride 1, 2: stride 2];
   * only where width * rows * columns <= accumulators, columns = 1 for any stride and at most
   * PACKED_STRIDED_COLUMNS for stride 2. */
  packed_tile_k *list[4][PACKED_MAX_ROWS][PACKED_MAX_COLUMNS][3];
  /* [stride - 1][rows - 1][columns - 1] with zero borders read */
  packed_tile_k *kernel[2][PACKED_KERNEL_TILE][PACKED_KERNEL_TILE];
  /* stride 1, [rows - 1][columns - 1][edge rows][edge columns]; NULL where not built */
  packed_tile_k *edge[PACKED_KERNEL_TILE][PACKED_KERNEL_TILE][EDGE_KINDS][EDGE_KINDS];
  /* 2x2 images, [blocks - 1] */
  packed_tile_k *small[4];
  /* [rows - 1][edge rows] */
  packed_tile_k *winograd[PACKED_KERNEL_TILE][EDGE_KINDS];
  /* some rows of an input channel, six pixels of each of which `columns` are there; next: what to
   * fetch ahead; part: floats from one `vector` images' values to the next */
  void (*winograd_input)(const float *in, const float *next, size_t in_row, size_t rows,
                         size_t columns, size_t part, float *out);
  /* all lists over n units, whose inputs are copied to `copy`; [0: STRIP1, 1: STRIP4] */
  void (*strip[2])(const packed_tile *tile, const packed_unit *at, size_t n, float *copy);
  void (*plane)(const packed_plane *plane);
  /* weights of a 3x3 kernel, `step` floats apart, to 3 x PACKED_WINOGRAD words */
  void (*winograd_weights)(const float *from, size_t step, packed_word *to);
  /* n windows side by side, in_step floats apart: the largest value, or the sum times factor */
  void (*window)(const float *in, size_t in_row, size_t in_step, size_t n, size_t kh, size_t kw,
                 bool maximum, float factor, float low, float high, float *out);
  /* one row of n pixels: out = clip(in * scale + shift + residual), residual may be NULL */
  void (*map_row)(const float *in, size_t in_column, float scale, float shift,
                  const float *residual, size_t residual_column, size_t n, float low, float high,
                  float *out);
  /* sums[i * step] += in[i] - centre[i * step], squared where centre is not NULL (then 0); n pixels in_step apart, of
   * LANES each; step: LANES or, all into one sum, 0 */
  void (*moment_row)(const float *in, size_t in_step, size_t n, const float *centre, float *sums,
                     size_t step);
  /* the same steps: out = clip((in - mean) * (inverse * scale) + shift + residual) */
  void (*norm_row)(const float *in, const float *mean, const float *inverse, size_t step,
                   float scale, float shift, const float *residual, size_t residual_column,
                   size_t n, float low, float high, float *out);
  /* as map_row: out = clip(in * gate + residual) */
  void (*gate_row)(const float *in, size_t in_column, const float *gate, size_t gate_column,
                   const float *residual, size_t residual_column, size_t n, float low, float high,
                   float *out);
  /* y[i] = the logistic function, the normal one of x[i], within 2e-7; n: of whole blocks */
  void (*logistic)(const float *x, size_t n, float *y);
  void (*normal)(const float *x, size_t n, float *y);
  void (*pixels)(const uint8_t *in, size_t n, float scale, float shift, float *out);
  /* bit i of bits[] = (row[i] != 0) of n floats, unused bits 0; false when one is not finite */
  bool (*nonzero)(const void *row, size_t n, uint64_t *bits);
  /* packed_count.h */
  void (*count_units)(const uint64_t *bits, size_t n, size_t counts[4]);
  size_t (*count_kernels)(const uint64_t *bits, size_t kernels, size_t words);
};

/* ---- packed_conv.c, packed_winograd.c --------------------------------------------------------- */
/* One call of ap_packed_conv_run. */
typedef struct {
  const ap_packed_weights *weights;
  const ap_packed_conv *g;
  const float *in;
  const ap_packed_epilogue *epilogue;
  float *scratch;
  packed_tile first; /* at pixel (0, 0) of block 0 */
} packed_job;

packed_part packed_part_of(size_t total, size_t n, size_t i);
/* The tile whose first output is pixel (y, x) of block b; strides between its rows and columns are
 * those of pixels. */
static inline packed_tile packed_tile_at(const packed_job *j, size_t b, size_t y, size_t x) {
  const ap_packed_conv *g = j->g;
  packed_tile t = j->first;
  t.in += b * g->in.block + y * g->stride_h * g->in.row + x * t.in_column;
  t.out += b * t.out_block + y * t.out_row + x * AP_PACKED_LANES;
  if (t.residual) t.residual += b * t.residual_block + y * t.residual_row + x * t.residual_column;
  return t;
}
/* Do the first and the last row of taps of outputs first .. first + count - 1 lie on a border of 1?
 * EDGE_...; same for columns. */
int packed_edges(size_t first, size_t count, size_t pad, size_t extent);

/* Output rows of a full band where tiles are `tile` rows high; floats of a channel in scratch. */
size_t packed_winograd_rows(const ap_packed_conv *g, size_t tile);
/* Floats of a channel's values of `vector` images. */
size_t packed_winograd_channel(size_t rows, size_t vector);
/* Where the channels of a group lie in scratch: next_slot gives theirs in turn, each of 0 .. n - 1 once. Neighbours lie at
 * ever other distances: steps of one length make processors (Zen 5) fetch what lists do not read. */
typedef struct {
  size_t n, mask, step, at;
} packed_slots;
static inline packed_slots packed_slots_of(size_t n) {
  packed_slots s = {.n = n};
  while (s.mask + 1 < n) s.mask = 2 * s.mask + 1;
  return s;
}
/* Sums of 0 .. k modulo a power of two are all numbers below it. */
static inline size_t packed_next_slot(packed_slots *s) {
  size_t slot;
  do {
    slot = s->at;
    s->at = (s->at + ++s->step) & s->mask;
  } while (slot >= s->n);
  return slot;
}
void packed_run_winograd(const packed_job *j, size_t n_blocks);
/* ---- packed_strip.c, packed_plane.c ----------------------------------------------------------- */
size_t packed_strip_scratch_bytes(const ap_packed_isa *isa, const ap_packed_conv *g);
void packed_run_strips(const packed_job *j, size_t n_blocks);
size_t packed_plane_scratch_bytes(const ap_packed_conv *g);
void packed_run_planes(const packed_job *j, size_t n_blocks);

/* What the floats and the integers share (packed_scan.c). */
size_t packed_form_width(ap_packed_form form);  /* output channels of a list */
bool packed_whole_kernels(ap_packed_form form); /* KERNEL3, WINOGRAD */
bool packed_strips(ap_packed_form form);        /* STRIPn */
bool packed_form_possible(const ap_packed_conv *g, ap_packed_form form);
AP_NODISCARD ap_status packed_check_geometry(const ap_packed_conv *g, ap_error *err);

extern const ap_packed_isa ap_packed_plain;
#if defined(AP_PACKED_X86)
extern const ap_packed_isa ap_packed_avx2;
extern const ap_packed_isa ap_packed_avx512;
#endif

#endif
