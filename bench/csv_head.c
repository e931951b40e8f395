#include "bench/csv_head.h"

#include <math.h>
#include <stdlib.h>

#include "base/file.h"

void ap_csv_head(ap_csv *csv, const json_t *provenance) {
  json_t *object = json_deep_copy(provenance), *value;
  const char *key;
  json_object_foreach(object, key, value) {
    if (json_is_string(value)) {
      ap_csv_comment(csv, key, json_string_value(value));
    } else {
      char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
      ap_csv_comment(csv, key, text ? text : "");
      free(text);
    }
  }
  json_decref(object);
}

void ap_csv_value(ap_csv *csv, const json_t *value) {
  if (json_is_string(value)) {
    ap_csv_text(csv, json_string_value(value));
  } else {
    ap_csv_number(csv, json_is_number(value) ? json_number_value(value) : (double)NAN);
  }
}

void ap_csv_columns(ap_csv *csv, const char *const *columns, size_t n) {
  for (size_t i = 0; i < n; i++) ap_csv_text(csv, columns[i]);
  ap_csv_end_row(csv);
}

void ap_csv_rows(ap_csv *csv, const json_t *rows) {
  for (size_t i = 0; i < json_array_size(rows); i++) {
    json_t *row = json_array_get(rows, i), *value;
    const char *key;
    if (i == 0) {
      json_object_foreach(row, key, value) ap_csv_text(csv, key);
      ap_csv_end_row(csv);
    }
    json_object_foreach(row, key, value) ap_csv_value(csv, value);
    ap_csv_end_row(csv);
  }
}

ap_status ap_csv_save(const char *path, const json_t *provenance, const json_t *rows,
                      ap_error *err) {
  ap_output *output = NULL;
  ap_status st = ap_output_open(path, true, &output, err);
  if (st) return st;
  ap_csv csv = {ap_output_stream(output), 0};
  ap_csv_head(&csv, provenance);
  ap_csv_rows(&csv, rows);
  return ap_output_commit(output, err);
}
