/* mapper/pack_impl.h - inside the room: how a group of rows x columns becomes operation units, in one
 * place for the counts and for the full mapping. */
#ifndef AP_MAPPER_PACK_IMPL_H
#define AP_MAPPER_PACK_IMPL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mapper/index_impl.h"
#include "mapper/pattern_impl.h"
#include "mapper/vectors.h"

/* Fixed for one layer. */
typedef struct {
  const ap_array_spec *spec;
  ap_partition partition;
  size_t slices;   /* s */
  size_t bitlines; /* of an entry of a group's column list: s; 1 for bit-columns */
  bool
      in_place; /* dense, filter, channel: crossbars hold R x C pieces of the compacted matrix as they lie;
                      else OUs are placed one after the other */
  bool stacked; /* pattern: OUs of different heights stand on each other (ap_stacks) */
} ap_packing;

ap_status ap_packing_init(const ap_array_spec *spec, ap_granularity granularity, size_t k, size_t n,
                          ap_packing *out, ap_error *err);

/* OUs on floor(C/w) stacks a crossbar, each R wordlines high: the next OU stands on the last one, or
 * begins a new stack where it does not fit. */
typedef struct {
  size_t filled;        /* wordlines of the stack at hand */
  uint64_t stacks;      /* begun */
  uint64_t in_crossbar; /* OUs of the crossbar at hand */
  uint64_t busiest;     /* most OUs in one crossbar */
} ap_stacks;
/* Places an OU of `rows` wordlines; its first wordline is returned, its stack is stacks - 1. */
static inline size_t ap_stacks_place(const ap_array_spec *spec, ap_stacks *s, size_t rows) {
  size_t first = s->filled;
  if (s->stacks == 0 || first + rows > spec->rows) {
    if (s->stacks % (spec->cols / spec->ou_cols) == 0) s->in_crossbar = 0;
    s->stacks++;
    first = 0;
  }
  s->filled = first + rows;
  s->in_crossbar++;
  if (s->in_crossbar > s->busiest) s->busiest = s->in_crossbar;
  return first;
}

/* Per input position and input bit. */
typedef struct {
  uint64_t ous, crossbars_in_place, busiest; /* busiest: OUs of the fullest crossbar, in place */
  ap_stacks stacks;
  uint64_t row_drives, cells, conversions;
  uint64_t partial_sums; /* columns x row chunks */
  uint64_t columns;      /* over groups: results that need one correction each */
  uint64_t rows;         /* over groups: inputs delivered, and added up for the correction */
  uint64_t touched;      /* bit-column: weights with any cell */
  ap_index_sizes row_lists, column_lists;
  ap_index_choice row_index, column_index; /* the cheapest for these lists */
} ap_pack_counts;

/* Bitlines of a group of `columns` columns, cut into OUs: calls visit for each piece in order.
 *   first  first bitline within the group;  length  1..OU columns */
typedef void ap_piece_visit(void *context, size_t first, size_t length);
void ap_pack_pieces(const ap_packing *packing, size_t columns, ap_piece_visit *visit,
                    void *context);
/* Bitline b of a group of `columns` columns -> column (0..columns-1) and slice. */
static inline void ap_pack_bitline(const ap_packing *packing, size_t columns, size_t b,
                                   size_t *column, size_t *slice) {
  if (packing->spec->slices == AP_SLICES_SEPARATE) {
    *column = b % columns;
    *slice = b / columns;
  } else {
    *column = b / packing->slices;
    *slice = b % packing->slices;
  }
}

/* Adds a group of rows x columns (either may be 0: nothing). In place: rows <= R. */
void ap_pack_group(const ap_packing *packing, size_t rows, size_t columns, ap_pack_counts *counts);
/* Counts of a whole layer; kept and live as in ap_map_count. *counts is overwritten. MEMORY (patterns). */
AP_NODISCARD ap_status ap_pack_layer(const ap_packing *packing, const uint8_t *kept,
                                     const uint8_t *live, ap_pack_counts *counts, ap_error *err);
/* Weights that the kept vectors hold. */
uint64_t ap_pack_weights_kept(const ap_packing *packing, const ap_pack_counts *counts,
                              uint64_t vectors_kept);
uint64_t ap_pack_crossbars(const ap_packing *packing, const ap_pack_counts *counts);

/* From counts to the public numbers; each output may be NULL. Overflow: ARG. */
ap_status ap_pack_report(const ap_packing *packing, const ap_pack_counts *counts,
                         const ap_pack_counts *dense, uint64_t vectors_kept, uint64_t weights_kept,
                         uint64_t positions, ap_map_summary *summary, ap_events *events,
                         ap_needs *needs, ap_error *err);

#endif
