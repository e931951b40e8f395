/* base/csv.h - comma separated tables (RFC 4180), with '#' lines of provenance on top. */
#ifndef AP_BASE_CSV_H
#define AP_BASE_CSV_H
#include <stddef.h>
#include <stdio.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct {
  FILE *file;    /* borrowed; write errors are found when the file is committed */
  size_t column; /* of the next field in this row; start with {file, 0} */
} ap_csv;

void ap_csv_comment(ap_csv *csv, const char *key, const char *text); /* line "# key: text" */
void ap_csv_text(ap_csv *csv, const char *text); /* one field, quoted where needed */
void ap_csv_number(ap_csv *csv, double value); /* shortest text that reads back equal; nan: empty */
void ap_csv_size(ap_csv *csv, size_t value);
void ap_csv_end_row(ap_csv *csv);

AP_EXTERN_C_END
#endif
