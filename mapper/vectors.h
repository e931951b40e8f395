/* mapper/vectors.h - the units that pruning removes, over a K x N weight matrix (row-major; row k =
 * (c, ky, kx), column n = output channel). Plain values; safe from any thread. */
#ifndef AP_MAPPER_VECTORS_H
#define AP_MAPPER_VECTORS_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "reram_model/array.h"
AP_EXTERN_C_BEGIN

typedef enum {
  AP_GRANULARITY_DENSE,         /* one vector, the whole matrix, always kept */
  AP_GRANULARITY_UNSTRUCTURED,  /* 1 x 1 */
  AP_GRANULARITY_COLUMN_VECTOR, /* h x 1; default h = OU rows */
  AP_GRANULARITY_ROW_VECTOR,    /* 1 x w; default w = weights that one OU is wide, at least 1 */
  AP_GRANULARITY_FILTER,        /* K x 1, whole columns */
  AP_GRANULARITY_BLOCK,     /* rows and columns of h x w blocks; default: one crossbar's weights,
                                   h = R, w = floor(C/s) */
  AP_GRANULARITY_CHANNEL,   /* h x N, the rows of an input channel; default h = 1; layers of a
                                   network have their kernel's area (pruners/pruner.h) */
  AP_GRANULARITY_PATTERN,   /* 1 x 1; in kernels of h x 1, which lie under at most w patterns;
                                   default h = OU rows (layers: as for channel), w = 8 */
  AP_GRANULARITY_BIT_COLUMN /* one bitline of h rows: a slice of h weights of a column; default
                                   h = OU rows */
} ap_granularity_kind;

typedef struct {
  ap_granularity_kind kind;
  size_t h, w; /* 0: the default for the array; unused sides are ignored */
} ap_granularity;

/* "dense", "unstructured", "filter", "column-vector[:h]", "row-vector[:w]", "block[:HxW]",
 * "channel[:h]", "pattern[:h[xP]]",
 * "bit-column[:h]". h of a column-vector may be R: all rows of a crossbar that whole OUs fill. ARG. */
AP_NODISCARD ap_status ap_granularity_parse(const char *text, ap_granularity *out, ap_error *err);
#define AP_PATTERN_MAX_ROWS 64        /* of a kernel */
#define AP_PATTERNS 8                 /* default P: patterns of a layer */
#define AP_SIDE_CROSSBAR ((size_t)-1) /* column-vector's h where "R" is written */
/* The same text, at most 63 characters; sizes of 0 are left out. */
void ap_granularity_print(ap_granularity granularity, char text[64]);
const char *ap_granularity_kind_name(ap_granularity_kind kind);

/* The vectors of one matrix. The last vector of a line may be shorter. Order of the indices:
 *   unstructured, pattern   k*N + n
 *   column-vector  band*N + n          (bands of h rows, top down)
 *   row-vector     group*K + k         (groups of w columns, left to right)
 *   bit-column     band*N*s + line: slices of a weight side by side, line = n*s + slice, or, with
 *                  separate slices, line = slice*N + n. Bit-columns overlap in the weights they have
 *                  a part of
 *   filter         n
 *   channel        k / h
 *   block          blocks in row-major order; in a block of r x c weights first its r row segments
 *                  (1 x c), then its c column segments (r x 1). Rows and columns overlap: a weight
 *                  is kept if its row segment AND its column segment are. */
typedef struct {
  ap_granularity granularity; /* all sizes filled in, at most K and N */
  size_t k, n;                /* K, N */
  size_t count;               /* vectors */
  size_t
      lines; /* bands, column groups, block rows; 1 for dense, K for unstructured, as many as vectors
                   for channels */
  size_t slices;      /* bitlines a weight; bit-column */
  ap_array_spec spec; /* bit-column */
} ap_partition;

/* spec fills in default sizes. ARG for K or N of 0 or a product above 2^40. */
AP_NODISCARD ap_status ap_partition_init(ap_granularity granularity, const ap_array_spec *spec,
                                         size_t k, size_t n, ap_partition *out, ap_error *err);

typedef struct {
  size_t k0, k1, n0, n1; /* rows k0..k1-1, columns n0..n1-1 */
} ap_extent;
/* Kinds in bands of granularity.h rows: how many rows a band has; the last may have fewer. */
size_t ap_partition_band_rows(const ap_partition *partition, size_t band);
/* BIT_COLUMN: the vector that a slice of a column is in a band (slices as the array lays them). */
size_t ap_partition_bit_column(const ap_partition *partition, size_t band, size_t column,
                               size_t slice);
/* index < count. O(1). */
ap_extent ap_partition_vector(const ap_partition *partition, size_t index);

/* kept[i] = 1 if vector i holds a non-zero weight, else 0 (dense: 1). w: K x N. A bit-column is kept when
 * a cell differs from what a weight of 0 has there; of float weights, which have no bits yet, all those
 * of a non-zero weight. */
void ap_partition_kept(const ap_partition *partition, const int32_t *w, uint8_t *kept);
void ap_partition_kept_f32(const ap_partition *partition, const float *w, uint8_t *kept);
/* Sets every weight to 0 that the kept set does not hold; bit-columns: the cells that it does not hold to
 * a 0's (float weights: those that have no bit-column left). */
void ap_partition_mask_f32(const ap_partition *partition, const uint8_t *kept, float *w);
void ap_partition_mask_i32(const ap_partition *partition, const uint8_t *kept, int32_t *w);
/* score[i] = sum of squares of vector i (of its own extent, for blocks too). */
void ap_partition_squares(const ap_partition *partition, const float *w, double *score);
/* The same with absolute values for squares. */
void ap_partition_magnitudes(const ap_partition *partition, const float *w, double *score);
/* Weights that the kept set holds. */
uint64_t ap_partition_weights_kept(const ap_partition *partition, const uint8_t *kept);

AP_EXTERN_C_END
#endif
