/* mapper/index_impl.h - inside the room: index tables. A table is a row of lists; a list names which
 * of m lines (rows or columns) are present, in ascending order. All lists of a table have one format.
 *   absolute  count in width(m+1) bits, then each line in width(m) bits      width(x) = ceil(log2 x)
 *   delta     count in width(m+1) bits, then for each line its gap (absent lines before it) in fields
 *             of f bits: the field 2^f-1 skips 2^f-1 lines and continues, any other ends the gap
 *   bitmap    m bits
 * Format and f are settings of the layer, not stored with the lists. */
#ifndef AP_MAPPER_INDEX_IMPL_H
#define AP_MAPPER_INDEX_IMPL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mapper/mapping.h"

#define AP_DELTA_MAX_FIELD 8
#define AP_GAP_BINS 1024

/* Sizes of one table in every format, built list by list. Start from zero. */
typedef struct {
  uint64_t entries, missing;                    /* lines present, absent */
  uint64_t absolute, bitmap;                    /* bits */
  uint64_t counts;                              /* bits of the counts alone */
  uint64_t far_escapes[AP_DELTA_MAX_FIELD + 1]; /* by field width, for gaps beyond the bins */
  uint64_t gaps[AP_GAP_BINS];                   /* how many lines come after a gap of this size */
  size_t m, next; /* of the list being built: its lines; first line not yet seen */
} ap_index_sizes;

void ap_index_list(ap_index_sizes *sizes, size_t m);    /* begins a list */
void ap_index_line(ap_index_sizes *sizes, size_t line); /* ascending */
void ap_index_list_end(ap_index_sizes *sizes);
/* A whole list: the lines i with flags[i] != 0. Returns their number. */
size_t ap_index_flags(ap_index_sizes *sizes, const uint8_t *flags, size_t m);
void ap_index_full_list(ap_index_sizes *sizes, size_t m); /* a list with every line */
void ap_index_empty_list(ap_index_sizes *sizes, size_t m);

typedef struct {
  ap_index_format format;
  unsigned field; /* delta: f */
  uint64_t bits;
} ap_index_choice;
/* The cheapest; none (0 bits) when nothing or everything is present. */
ap_index_choice ap_index_choose(const ap_index_sizes *sizes);

/* The bits themselves. */
typedef struct {
  ap_index_choice choice;
  bool full;      /* for format none: every line is present, not none of them */
  uint8_t *bytes; /* ap_free */
  uint64_t at;    /* next bit to write or read */
} ap_index_table;
/* Appends a list; the table must have room for choice.bits. */
void ap_index_write(ap_index_table *table, size_t m, const uint32_t *lines, size_t count);
/* Reads the next list into lines (room for m). False when the bits make no list. */
bool ap_index_read(ap_index_table *table, size_t m, uint32_t *lines, size_t *count);

#endif
