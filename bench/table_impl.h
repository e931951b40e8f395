/* bench/table_impl.h - the cells of a comparison as tables: CSV for figures, Markdown for people. */
#ifndef AP_BENCH_TABLE_IMPL_H
#define AP_BENCH_TABLE_IMPL_H
#include <jansson.h>

#include "base/status.h"

/* One row per cell: an array of objects with the columns of table.csv, ratios worked out against the
 * dense and the pim-prune row of the same network and seed. cells: array of results of ap_cell_get. */
AP_NODISCARD ap_status ap_table_rows(const json_t *cells, json_t **rows, ap_error *err);

/* dir/table.csv, table.md, summary.csv, summary.md, points.csv, convergence.csv, episodes.csv, layers.csv,
 * breakdown.csv, laws.csv; each begins with the provenance. */
AP_NODISCARD ap_status ap_table_write(const char *dir, const json_t *cells, const json_t *rows,
                                      const json_t *provenance, ap_error *err);
#endif
