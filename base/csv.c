#include "base/csv.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void begin_field(ap_csv *csv) {
  if (csv->column++ > 0) (void)fputc(',', csv->file);
}

void ap_csv_comment(ap_csv *csv, const char *key, const char *text) {
  (void)fprintf(csv->file, "# %s: ", key);
  for (; *text; text++) (void)fputc(*text == '\n' || *text == '\r' ? ' ' : *text, csv->file);
  (void)fputc('\n', csv->file);
}

void ap_csv_text(ap_csv *csv, const char *text) {
  bool first = csv->column == 0;
  size_t length = strlen(text);
  begin_field(csv);
  /* A first field that begins with # would read as a comment, an empty one as an empty line; outer
   * blanks are dropped by some readers. */
  if (!strpbrk(text, ",\"\r\n") && !(first && (length == 0 || text[0] == '#')) &&
      !(length > 0 && (text[0] == ' ' || text[length - 1] == ' '))) {
    (void)fputs(text, csv->file);
    return;
  }
  (void)fputc('"', csv->file);
  for (; *text; text++) {
    if (*text == '"') (void)fputc('"', csv->file);
    (void)fputc(*text, csv->file);
  }
  (void)fputc('"', csv->file);
}

void ap_csv_number(ap_csv *csv, double value) {
  char text[40] = "";
  begin_field(csv);
  if (isnan(value)) return;
  if (fabs(value) < 1e15 && value == floor(value)) { /* whole numbers without an exponent */
    (void)fprintf(csv->file, "%.0f", value);
    return;
  }
  for (int digits = 1; digits <= 17; digits++) {
    (void)snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  (void)fputs(text, csv->file);
}

void ap_csv_size(ap_csv *csv, size_t value) {
  begin_field(csv);
  (void)fprintf(csv->file, "%zu", value);
}

void ap_csv_end_row(ap_csv *csv) {
  (void)fputc('\n', csv->file);
  csv->column = 0;
}
