/* base/csv_read.h - tables as base/csv.h writes them, read back: lines "# key: text" on top, one line
 * of column names, then rows of as many fields (RFC 4180 quoting, LF or CRLF). */
#ifndef AP_BASE_CSV_READ_H
#define AP_BASE_CSV_READ_H
#include <jansson.h>
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* *rows: a new array of objects, column name -> field as text, in the order of the columns. *head (may
 * be NULL): a new object, key -> text of the lines on top; of a repeated key the first is kept. A file of
 * names alone has no rows.
 * Errors: FORMAT naming file and line (no names, an empty or repeated name, a row of another length,
 * an open quote, text behind a closing quote, a quote in the middle of a field, a zero byte, bytes that
 * are not UTF-8), IO, MEMORY. */
AP_NODISCARD ap_status ap_csv_load(const char *path, json_t **rows, json_t **head, ap_error *err);
AP_NODISCARD ap_status ap_csv_parse(const char *text, size_t size, const char *name, json_t **rows,
                                    json_t **head, ap_error *err);

/* What a column's numbers can be. */
typedef struct {
  double least, most;
} ap_csv_range;
/* The range of a column; NULL: any text is right. */
typedef const ap_csv_range *ap_csv_ranges(const char *column);
/* ap_csv_load, of a table whose numbers are to be believed: it has the columns `needed` (names between commas, or
 * NULL), and a field of a column that has a range is empty or one number within it; else FORMAT naming file, line,
 * column and range. */
AP_NODISCARD ap_status ap_csv_load_numbers(const char *path, const char *needed,
                                           ap_csv_ranges *ranges, json_t **rows, json_t **head,
                                           ap_error *err);

/* A field as a number; NAN where the column is missing or the field is empty or anything but one
 * number. */
double ap_csv_field_number(const json_t *row, const char *column);
/* A field as it is; "" where the column is missing. */
const char *ap_csv_field_text(const json_t *row, const char *column);

AP_EXTERN_C_END
#endif
