/* bench/csv_head.h - JSON as CSV: the provenance of a result on top of its file, and rows. */
#ifndef AP_BENCH_CSV_HEAD_H
#define AP_BENCH_CSV_HEAD_H
#include <jansson.h>

#include "base/csv.h"
#include "base/status.h"
AP_EXTERN_C_BEGIN

/* One line "# key: value" for every member of a JSON object; objects and arrays as compact JSON. */
void ap_csv_head(ap_csv *csv, const json_t *provenance);

/* One value: text, a number, or an empty field for anything else. */
void ap_csv_value(ap_csv *csv, const json_t *value);
/* The line of column names. */
void ap_csv_columns(ap_csv *csv, const char *const *columns, size_t n);
/* An array of objects with the same members: their names as the first line, then a line each. */
void ap_csv_rows(ap_csv *csv, const json_t *rows);
/* The file path, whole or not at all: provenance and rows. */
AP_NODISCARD ap_status ap_csv_save(const char *path, const json_t *provenance, const json_t *rows,
                                   ap_error *err);

AP_EXTERN_C_END
#endif
