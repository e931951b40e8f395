/* bench/hardware_tables_impl.h - where area and energy of the cells of a comparison come from, and what
 * other converter laws make of them: breakdown.csv, laws.csv and their part of table.md. */
#ifndef AP_BENCH_HARDWARE_TABLES_IMPL_H
#define AP_BENCH_HARDWARE_TABLES_IMPL_H
#include <jansson.h>
#include <stdio.h>

#include "base/csv.h"

/* A row for each network, method and component with a price. The columns area_share and energy_share
 * are of the method's own total; *_of_dense of the dense network's. */
void ap_write_breakdown(ap_csv *csv, const json_t *cells);
/* A row for each network, method and law; efficiencies against dense and against pim-prune under the
 * same law. */
void ap_write_laws(ap_csv *csv, const json_t *cells);
/* The same for people, one network: a table, and whether the order of the methods depends on the law. */
void ap_markdown_laws(FILE *f, const json_t *cells, const char *network);
#endif
