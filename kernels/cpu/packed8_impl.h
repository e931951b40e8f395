/* kernels/cpu/packed8_impl.h - between the integer layers (packed8_weights.c, packed8_conv.c) and
 * the kernels compiled once per instruction set (packed8_kernels.h).
 *
 * A dot product instruction multiplies four neighbouring bytes, a quad, with four weights. Kernels
 * make quads of four lines (64 bytes each, one an image): the bytes of each 128-bit lane are
 * interleaved, which gives four vectors of quads for a vector of every line. Half of them, two
 * vectors, is one pass: 2 * VECTOR / 4 images. Packing sums back to bytes undoes the order. */
#ifndef AP_KERNELS_CPU_PACKED8_IMPL_H
#define AP_KERNELS_CPU_PACKED8_IMPL_H
#include <stdint.h>

#include "kernels/cpu/packed_impl.h"
#include "kernels/packed8.h"

enum {
  P8_LINE = AP_PACKED8_LANES,    /* bytes of a pixel */
  P8_PARTS = 4,                  /* blocks of floats */
  P8_QUAD = 4,                   /* inputs of one dot product */
  P8_COLUMN = P8_LINE * P8_QUAD, /* bytes of a pixel's quads: pass by pass */
  P8_LIST_TILE = 8,              /* output channels x pixels of a tile of the lists */
  P8_KERNEL_W = 4,               /* columns of a tile of 3x3 kernels */
  P8_LIST_HEAD = P8_QUAD,        /* words before the weights of a list's entry: offsets */
  P8_AHEAD = 16,                 /* entries that a list's lines are fetched ahead */
  P8_KERNEL_QUADS = 6, /* behind the channel: 3 for the upper, 3 for the lower output row */
  P8_SMALL_QUADS = 4   /* behind the channel: for each of 2x2 outputs */
};

struct ap_packed8_weights {
  const ap_packed8_isa *isa;
  ap_packed_conv geometry;
  ap_packed_form form;
  bool small;         /* KERNEL3 on 2x2 images: quads of the four pixels */
  size_t width;       /* output channels per list */
  size_t entry_words; /* int32 words of an entry */
  size_t n_lists, n_entries;
  size_t *start; /* [n_lists + 1], in entries */
  size_t segments;
  size_t *bound;  /* both as in ap_packed_weights */
  int32_t *words; /* and P8_AHEAD entries of zeros; weights as isa->quad_words says; */
  ap_arena *room; /* where they are, or NULL */
  int32_t *base;  /* [n_lists * width]: minus the zero point's share of a sum */
  float *factor, *shift;
  uint8_t zero;
  double reach; /* largest magnitude of a value */
};

/* ---- element by element: packed8_rows.h -------------------------------------------------------- */
/* Lines of a source, or of a tensor to be written, side by side. */
typedef struct {
  const uint8_t *at; /* NULL: all is 0 */
  size_t step;       /* bytes to the next line */
  size_t part;       /* floats: bytes to the next 16 images */
  bool codes;
  int32_t zero; /* codes */
} packed8_row;
typedef struct {
  uint8_t *at; /* lines lie one behind the other */
  size_t part;
  bool codes;
  int32_t zero;
  float low, high; /* of values; codes: within those that there are */
} packed8_row_out;

/* in * factor + residual by the rule of ap_packed8_map_run. */
typedef struct {
  bool affine; /* shift is added */
  float factor, shift, residual_factor;
} packed8_map;

/* What a value is multiplied with. */
typedef enum {
  P8_GATE_AS_IS,
  P8_GATE_SCALED,   /* times per_unit */
  P8_GATE_LOGISTIC, /* of it times `by`, times per_unit; kernels/curve.h, the same bits */
  P8_GATE_NORMAL,   /* likewise */
  P8_GATES
} packed8_gate_kind;
typedef struct {
  float by, per_unit;
  float factor, residual_factor; /* of the product; of what is added to it */
} packed8_gate;

/* One register tile over all output channels, or those of some lists. Strides in bytes. */
typedef struct {
  const ap_packed8_weights *weights;
  packed_entries entries; /* LISTn: those to do, of these lists: */
  size_t first_list, end_list;
  const uint8_t *in; /* LISTn: the line under the first output, tap (0, 0); KERNEL3: quads of the
                        tile's first column */
  size_t in_column;  /* LISTn: to the next tile column */
  size_t in_channel; /* KERNEL3: to the next channel's quads */
  size_t pass;       /* KERNEL3 */
  size_t columns;    /* row kernels: pixels of the row */
  uint8_t *out;      /* channel 0 */
  size_t out_row, out_channel, out_block; /* out_block: to the next 16 images, of floats */
  bool out_codes;
  const uint8_t *residual; /* NULL, or channel `first` under the tile's first output */
  size_t residual_row, residual_column, residual_channel, residual_block;
  size_t residual_first, residual_channels;
  bool residual_codes;
  int32_t residual_zero;
  float residual_factor;
  float low, high;                         /* of values; codes: within those that there are */
  int32_t zero;                            /* codes: added to the rounded value */
  const ap_packed8_activation *activation; /* or NULL */
  bool simple; /* codes limited by 0 and 255 alone, values that fit an int32_t, no activation */
  bool far;    /* outputs are not in the nearest caches: fetched ahead */
  bool residual_simple; /* the residual's codes stand for themselves */
} packed8_tile;

typedef void packed8_tile_k(const packed8_tile *tile);

/* Which tiles a kernel of whole rows is for. */
enum {
  P8_ROW_SIMPLE, /* `simple` ones without a residual */
  P8_ROW_ADDS, /* `simple` ones whose residuals are `residual_simple` and begin and end with lists */
  P8_ROW_ANY,  /* all */
  P8_ROWS
};

struct ap_packed8_isa {
  const char *name;
  size_t vector;    /* bytes */
  size_t list_tile; /* channels x pixels of a tile that stays in registers */
  size_t kernel_w;  /* columns of a KERNEL3 tile of 2 rows */
  /* Of four weights: 1, bytes of a word, the first in the lowest; or 2, 16-bit numbers, the first and
   * third of one word and the second and fourth of the next, where bytes would be made such anyway. */
  size_t quad_words;
  /* [LIST1..LIST8][log2 of pixels]; NULL where not built */
  packed8_tile_k *list[4][4];
  /* Of LISTn, a whole row at once, [LIST1..LIST8][P8_ROW_...]: packed8_lines.h; NULL where not built. */
  packed8_tile_k *row[4][P8_ROWS];
  /* KERNEL3, stride 1: [rows - 1][columns - 1][first column at the edge][last at the edge] */
  packed8_tile_k *kernel[2][P8_KERNEL_W][2][2];
  packed8_tile_k *strided[P8_KERNEL_W]; /* stride 2, one row */
  packed8_tile_k *small;
  /* n columns of quads, P8_COLUMN bytes each, from four rows of lines */
  void (*quads)(const uint8_t *const rows[P8_QUAD], size_t n, uint8_t *out);
  /* bit i of bits[] = (row[i] != 0) of n bytes, unused bits 0; true */
  bool (*nonzero)(const void *row, size_t n, uint64_t *bits);
  packed_eights *eights; /* or NULL */
  /* packed_count.h */
  void (*count_units)(const uint64_t *bits, size_t n, size_t counts[4]);
  size_t (*count_kernels)(const uint64_t *bits, size_t kernels, size_t words);
  /* n windows side by side, in_step bytes apart: the largest of kh x kw lines, limited */
  void (*largest)(const uint8_t *in, size_t in_row, size_t in_step, size_t n, size_t kh, size_t kw,
                  uint8_t low, uint8_t high, uint8_t *out);
  /* packed8_rows.h; n lines each */
  void (*map_row)(const packed8_row *in, const packed8_row *residual, const packed8_map *map,
                  size_t n, const packed8_row_out *out);
  /* (in * gate) * factor + residual */
  void (*gate_row[P8_GATES])(const packed8_row *in, const packed8_row *gate,
                             const packed8_row *residual, const packed8_gate *rule, size_t n,
                             const packed8_row_out *out);
  /* the gate alone */
  void (*curve_row[P8_GATES])(const packed8_row *in, const packed8_gate *rule, size_t n,
                              const packed8_row_out *out);
  /* n windows, in->step apart, of kh x kw lines, rows in_row bytes apart: the largest or the sum,
   * times factor */
  void (*window)(const packed8_row *in, size_t in_row, size_t kh, size_t kw, bool maximum,
                 float factor, size_t n, const packed8_row_out *out);
};

extern const ap_packed8_isa ap_packed8_plain;
#if defined(AP_PACKED_X86)
extern const ap_packed8_isa ap_packed8_avx2;
extern const ap_packed8_isa ap_packed8_avx512;
#endif

/* Limits of a target's codes after clipping to [low, high] (values). */
void packed8_code_limits(const ap_packed8_target *out, float low, float high, uint8_t *least,
                         uint8_t *most);
/* Limits of values: of a target of codes within those that there are. */
void packed8_value_limits(const ap_packed8_target *out, float *low, float *high);

#endif
