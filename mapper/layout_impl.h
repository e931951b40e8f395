/* mapper/layout_impl.h - inside the room: where everything of one layer lies. Groups of rows x columns
 * come either from the kept vectors or, decoded, from the index tables; the OUs follow from the
 * groups by one rule. */
#ifndef AP_MAPPER_LAYOUT_IMPL_H
#define AP_MAPPER_LAYOUT_IMPL_H
#include <stddef.h>
#include <stdint.h>

#include "mapper/pack_impl.h"

typedef struct {
  uint32_t *items; /* ap_free */
  size_t count, capacity;
} ap_u32_list;

typedef struct {
  size_t first_row, n_rows;       /* in layout.rows */
  size_t first_column, n_columns; /* in layout.columns */
} ap_group;

typedef struct {
  uint64_t crossbar;
  uint32_t row, col; /* in the crossbar */
  uint32_t n_rows, n_cols;
  size_t group, first_row; /* first_row: in layout.rows */
  size_t first_bitline;    /* in the group */
} ap_ou_place;

typedef struct {
  const ap_packing *packing;
  ap_u32_list rows, columns; /* row numbers k, column numbers n, group after group */
  ap_group *groups;
  size_t n_groups, group_capacity;
  ap_ou_place *ous;
  size_t n_ous, ou_capacity;
  uint64_t crossbars;
} ap_layout;

/* Lists of a layer with tables: what ap_layout_from_* takes lines from. */
typedef struct {
  const uint8_t *kept;                      /* flags of the partition, or NULL: decode the tables */
  const uint8_t *live;                      /* with kept; filter: rows, channel: columns */
  ap_index_table *row_table, *column_table; /* with kept: written; else read */
  const ap_patterns *patterns;              /* with kept; pattern */
  size_t n_patterns;                        /* pattern */
} ap_layout_source;

/* Builds groups and OUs. The packing is kept until ap_layout_release. Errors: MEMORY; INTERNAL when
 * a table does not decode. On error *out is empty. */
ap_status ap_layout_build(const ap_packing *packing, const ap_layout_source *source, ap_layout *out,
                          ap_error *err);
void ap_layout_release(ap_layout *layout);

#endif
