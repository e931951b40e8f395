#include "history/record.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"

#define MAX_TEXT 500
#define MAX_SERIES 100000
#define MAX_METRICS 10000
#define MAX_VALUES 1000000

static const char *text_of(const json_t *object, const char *member) {
  const char *text = json_string_value(json_object_get(object, member));
  return text ? text : "unknown";
}

char *ap_history_machine(const json_t *provenance) {
  return ap_sprintf("%s, %lld threads", text_of(provenance, "cpu"),
                    (long long)json_integer_value(json_object_get(provenance, "threads")));
}

json_t *ap_history_record_new(const char *kind, const json_t *provenance) {
  char *machine = ap_history_machine(provenance);
  json_t *record = machine ? json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[]}", "schema",
                                       AP_HISTORY_RECORD_SCHEMA, "kind", kind, "commit",
                                       text_of(provenance, "commit"), "machine", machine, "date",
                                       text_of(provenance, "date"), "command",
                                       text_of(provenance, "command"), "series")
                           : NULL;
  ap_free(machine);
  return record;
}

json_t *ap_history_record_series(json_t *record, const char *name, const json_t *configuration) {
  json_t *copy = configuration ? json_deep_copy(configuration) : json_object();
  json_t *series;
  (void)json_object_del(copy, "commit"); /* that is what histories compare */
  series = json_pack("{s:s, s:o, s:[]}", "name", name, "configuration", copy, "metrics");
  if (!series || json_array_append_new(json_object_get(record, "series"), series)) return NULL;
  return series;
}

static bool add(json_t *series, const char *metric, const char *kind, const char *unit,
                double value) {
  if (!series) return false;
  if (!isfinite(value)) return true;
  return json_array_append_new(json_object_get(series, "metrics"),
                               json_pack("{s:s, s:s, s:s, s:[f]}", "name", metric, "kind", kind,
                                         "unit", unit, "values", value)) == 0;
}

bool ap_history_series_model(json_t *series, const char *metric, const char *unit, double value) {
  return add(series, metric, "model", unit, value);
}

bool ap_history_series_time(json_t *series, const char *metric, double seconds) {
  return add(series, metric, "time", "s", seconds);
}

/* ---- checking ---- */

static ap_status check_text(const json_t *object, const char *member, bool may_be_empty,
                            const char *where, ap_error *err) {
  const char *text;
  size_t length;
  ap_status st = ap_json_string(object, member, where, &text, err);
  if (st) return st;
  length = json_string_length(json_object_get(object, member));
  if ((length == 0 && !may_be_empty) || length > MAX_TEXT || strlen(text) != length) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" has %zu bytes, %d to %d are expected",
                   where, member, length, !may_be_empty, MAX_TEXT);
  }
  for (const char *c = text; *c; c++) {
    if ((unsigned char)*c < 0x20 || *c == 0x7f) {
      return ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" holds a control character", where,
                     member);
    }
  }
  return AP_OK;
}

static ap_status check_size(const json_t *array, size_t most, const char *where, const char *member,
                            ap_error *err) {
  size_t n = json_array_size(array);
  if (n >= 1 && n <= most) return AP_OK;
  return ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" has %zu entries, 1 to %zu are expected",
                 where, member, n, most);
}

static ap_status check_metric(const json_t *metric, const char *where, ap_error *err) {
  const json_t *values;
  const char *kind;
  bool model;
  ap_status st = check_text(metric, "name", false, where, err);
  if (!st) st = check_text(metric, "unit", true, where, err);
  if (!st) st = ap_json_string(metric, "kind", where, &kind, err);
  if (!st) st = ap_json_array(metric, "values", where, &values, err);
  if (st) return st;
  model = strcmp(kind, "model") == 0;
  if (!model && strcmp(kind, "time") != 0) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: kind \"%.40s\", model or time is expected", where,
                   kind);
  }
  st = check_size(values, model ? 1 : MAX_VALUES, where, "values", err);
  for (size_t i = 0; !st && i < json_array_size(values); i++) {
    const json_t *value = json_array_get(values, i);
    if (!json_is_number(value) || !isfinite(json_number_value(value)) ||
        (!model && json_number_value(value) <= 0)) {
      st = ap_fail(err, AP_ERR_FORMAT, "%s: values[%zu] is not a %s number", where, i,
                   model ? "finite" : "positive");
    }
  }
  return st;
}

/* Notes a metric of a series in `seen`, series -> metric: a run has each one once. */
static ap_status check_once(json_t *seen, const char *series, const char *metric, const char *where,
                            ap_error *err) {
  json_t *metrics = json_object_get(seen, series);
  if (!metrics) {
    metrics = json_object();
    if (json_object_set_new(seen, series, metrics)) return ap_fail(err, AP_ERR_MEMORY, "record");
  }
  if (json_object_get(metrics, metric)) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: metric \"%.120s\" of series \"%.120s\" is there twice",
                   where, metric, series);
  }
  return json_object_set_new(metrics, metric, json_true()) ? ap_fail(err, AP_ERR_MEMORY, "record")
                                                           : AP_OK;
}

static ap_status check_series(const json_t *series, json_t *seen, const char *where,
                              ap_error *err) {
  const json_t *metrics;
  ap_status st = check_text(series, "name", false, where, err);
  if (!st) st = ap_json_array(series, "metrics", where, &metrics, err);
  if (!st) st = check_size(metrics, MAX_METRICS, where, "metrics", err);
  if (!st && !json_is_object(json_object_get(series, "configuration"))) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: member \"configuration\" is not an object", where);
  }
  for (size_t i = 0; !st && i < json_array_size(metrics); i++) {
    const json_t *metric = json_array_get(metrics, i);
    char *here = ap_sprintf("%s: metrics[%zu]", where, i);
    st = here ? check_metric(metric, here, err) : ap_fail(err, AP_ERR_MEMORY, "record");
    if (!st) {
      st = check_once(seen, text_of(series, "name"), text_of(metric, "name"), here, err);
    }
    ap_free(here);
  }
  return st;
}

ap_status ap_history_record_check(const json_t *record, const char *where, ap_error *err) {
  static const char *const texts[] = {"kind", "commit", "machine", "date"};
  const char *schema;
  const json_t *series;
  json_t *seen = NULL;
  ap_status st = ap_json_string(record, "schema", where, &schema, err);
  if (!st && strcmp(schema, AP_HISTORY_RECORD_SCHEMA) != 0) {
    st = ap_fail(err, AP_ERR_FORMAT,
                 "%s: schema \"%.60s\", " AP_HISTORY_RECORD_SCHEMA " is expected", where, schema);
  }
  for (size_t i = 0; !st && i < sizeof texts / sizeof texts[0]; i++) {
    st = check_text(record, texts[i], false, where, err);
  }
  if (!st && !json_is_string(json_object_get(record, "command"))) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: member \"command\" is not a string", where);
  }
  if (!st) st = ap_json_array(record, "series", where, &series, err);
  if (!st) st = check_size(series, MAX_SERIES, where, "series", err);
  if (!st) seen = json_object();
  if (!st && !seen) st = ap_fail(err, AP_ERR_MEMORY, "record");
  for (size_t i = 0; !st && i < json_array_size(series); i++) {
    char *here = ap_sprintf("%s: series[%zu]", where, i);
    st = here ? check_series(json_array_get(series, i), seen, here, err)
              : ap_fail(err, AP_ERR_MEMORY, "record");
    ap_free(here);
  }
  json_decref(seen);
  return st;
}
