#include "bench/csv_head.h"

#include <stdlib.h>

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
