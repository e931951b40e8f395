/* mapper/mapping.h - a pruned weight matrix on crossbars: which cell holds what, and the index
 * tables that find it again. Rules for each granularity: docs/MAPPING.md. */
#ifndef AP_MAPPER_MAPPING_H
#define AP_MAPPER_MAPPING_H
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "mapper/vectors.h"
#include "reram_model/array.h"
#include "reram_model/events.h"
AP_EXTERN_C_BEGIN

/* How a table lists which rows or columns are present; the cheapest for the layer is taken. */
typedef enum {
  AP_INDEX_NONE,     /* nothing is missing: no table */
  AP_INDEX_ABSOLUTE, /* count, then the number of each kept line */
  AP_INDEX_DELTA,    /* count, then gaps in fields of a few bits with an escape */
  AP_INDEX_BITMAP    /* one bit a line */
} ap_index_format;
const char *ap_index_format_name(ap_index_format format);

/* One layer in numbers. All but the macs are independent of the positions. */
typedef struct {
  size_t k, n;        /* K, N of the weight matrix */
  uint64_t positions; /* P, input windows an inference */
  uint64_t vectors, vectors_kept;
  uint64_t weights, weights_kept; /* K*N; those that kept vectors hold */
  uint64_t weights_stored;        /* cells / s: weights that occupy cells (unstructured: whole
                                    OU columns; pattern: zeros under a pattern, too) */
  uint64_t macs, macs_kept;       /* weights x positions */
  uint64_t ous, ous_dense;        /* of the kept vectors; the same rule with all kept */
  uint64_t crossbars;
  uint64_t crossbars_dense; /* ceil(K/R)*ceil(N*s/C), the baseline of the compression rate */
  uint64_t index_bits;      /* sum of the tables below */
  uint64_t row_index_bits, column_index_bits;
  ap_index_format row_index, column_index;
} ap_map_summary;

/* {"K", "N", "vectors", "vectors_kept", ..., "index_bits", "row_index", "column_index"}. NULL out
 * of memory. */
json_t *ap_map_summary_to_json(const ap_map_summary *summary);
/* *total += *layer over the counts (K, N and formats of the total are left alone). */
void ap_map_summary_add(ap_map_summary *total, const ap_map_summary *layer);

/* Counts only, for every step of a search: the same numbers as the full mapping, no allocation (but
 * for patterns).
 *   kept       one byte per vector of the partition (mapper/vectors.h); NULL: all are kept
 *   live       NULL (all live), or: filter: K bytes; rows whose input is known to be 0, because the
 *              filters that make it are gone, are not stored. channel: N bytes; columns whose
 *              output nobody reads are not stored. Ignored for the others
 *   positions  P >= 1
 *   summary, events, needs   each may be NULL
 * Cost O(vectors). Errors: ARG (spec, sizes, counts that overflow 64 bits), MEMORY (patterns). */
AP_NODISCARD ap_status ap_map_count(const ap_array_spec *spec, ap_granularity granularity,
                                    const uint8_t *kept, const uint8_t *live, size_t k, size_t n,
                                    uint64_t positions, ap_map_summary *summary, ap_events *events,
                                    ap_needs *needs, ap_error *err);

/* A grouped convolution is `groups` matrices of k x n with inputs of their own; the layer's crossbars are
 * shared by them. In: sums over the groups of what ap_map_count gives, and how many groups hold anything (`held`). Out: positions,
 * crossbars, dense crossbars and cycles of the layer, and a bit a group in the column index where some hold nothing; all other sums
 * stand. Rules: docs/MAPPING.md#grouped-convolutions. ARG (spec,
 * sizes). */
AP_NODISCARD ap_status ap_map_join_groups(const ap_array_spec *spec, ap_granularity granularity,
                                          size_t groups, size_t held, size_t k, size_t n,
                                          ap_map_summary *map, ap_events *events, ap_needs *needs,
                                          ap_error *err);

typedef struct ap_mapping ap_mapping; /* opaque, immutable: safe from any thread */

/* Maps a K x N row-major matrix of quantised weights; a vector is kept when it is non-trivial (any
 * non-zero). Filter: rows that are zero throughout are not stored; channel: columns.
 *   w  read only during the call; values within ap_array_weight_min..max, else ARG with the place
 * Memory: one byte a cell of the crossbars used. Errors: ARG, MEMORY. */
AP_NODISCARD ap_status ap_mapping_create(const ap_array_spec *spec, ap_granularity granularity,
                                         const int32_t *w, size_t k, size_t n, ap_mapping **out,
                                         ap_error *err);
/* The same where it is known which vectors are kept, as by a pruner: a kept vector has its cells even
 * if all its integers are 0 (small weights that were rounded).
 *   kept       one byte per vector; every non-zero weight must be held by them (ARG with the place)
 *   live       as for ap_map_count: rows (filter) or columns (channel) that are stored; NULL: all */
AP_NODISCARD ap_status ap_mapping_create_kept(const ap_array_spec *spec, ap_granularity granularity,
                                              const int32_t *w, const uint8_t *kept,
                                              const uint8_t *live, size_t k, size_t n,
                                              ap_mapping **out, ap_error *err);
void ap_mapping_destroy(ap_mapping *mapping); /* NULL is allowed */

const ap_array_spec *ap_mapping_spec(const ap_mapping *mapping);
size_t ap_mapping_k(const ap_mapping *mapping);
size_t ap_mapping_n(const ap_mapping *mapping);
AP_NODISCARD ap_status ap_mapping_summary(const ap_mapping *mapping, uint64_t positions,
                                          ap_map_summary *out, ap_error *err);
AP_NODISCARD ap_status ap_mapping_events(const ap_mapping *mapping, uint64_t positions,
                                         ap_events *events, ap_needs *needs, ap_error *err);

/* One operation unit as the hardware sees it. Pointers live as long as the mapping. */
typedef struct {
  uint64_t crossbar;       /* 0..crossbars-1 */
  size_t row, col;         /* its first wordline and bitline there */
  size_t n_rows, n_cols;   /* used wordlines and bitlines */
  const uint32_t *inputs;  /* n_rows: which row k of the matrix each wordline carries */
  const uint32_t *outputs; /* first entry of the list of output columns of this OU's group */
  size_t first_bitline;    /* this OU's first bitline within the group; see ap_mapping_bitline */
  size_t group;            /* OUs of one group share inputs (by row chunk) and output list */
  size_t index;            /* its own number */
} ap_ou;
size_t ap_mapping_ou_count(const ap_mapping *mapping);
void ap_mapping_ou(const ap_mapping *mapping, size_t index, ap_ou *out);
/* Of bitline j (0..n_cols-1) of an OU: output column n and slice (0..s-1, least significant first;
 * two's complement: the sign last; differential: positive slices, then negative). Returns whether
 * the bitline is stored inverted (spec.flip). */
bool ap_mapping_bitline(const ap_mapping *mapping, const ap_ou *ou, size_t j, size_t *column,
                        size_t *slice);
/* Cell at wordline i, bitline j of an OU: 0..2^cell_bits-1. */
unsigned ap_mapping_cell(const ap_mapping *mapping, const ap_ou *ou, size_t i, size_t j);

/* The invariant: reads the index tables' bits and the cells back into a K x N matrix, which is
 * exactly the one that was mapped. Errors: MEMORY, INTERNAL for a table that does not decode. */
AP_NODISCARD ap_status ap_mapping_reconstruct(const ap_mapping *mapping, int32_t *w_out,
                                              ap_error *err);

AP_EXTERN_C_END
#endif
