#include "history/google_benchmark.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "history/record.h"

bool ap_google_benchmark_meant(const json_t *document) {
  return json_is_object(json_object_get(document, "context")) &&
         json_is_array(json_object_get(document, "benchmarks"));
}

static const char *text_of(const json_t *object, const char *member) {
  return json_string_value(json_object_get(object, member));
}

static ap_status seconds_of(const json_t *entry, const char *member, const char *where, double *out,
                            ap_error *err) {
  static const struct {
    const char *unit;
    double seconds;
  } units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}};
  const char *unit;
  double value = 0;
  ap_status st = ap_json_number(entry, member, 0, 1e300, where, &value, err);
  if (!st) st = ap_json_string(entry, "time_unit", where, &unit, err);
  for (size_t i = 0; !st && i < sizeof units / sizeof units[0]; i++) {
    if (strcmp(unit, units[i].unit) != 0) continue;
    *out = value * units[i].seconds;
    return AP_OK;
  }
  return st ? st
            : ap_fail(err, AP_ERR_FORMAT, "%s: time_unit \"%.20s\", ns, us, ms or s is expected",
                      where, unit);
}

/* The metrics of the series of this name; made where it is not there. */
static json_t *find_metrics(json_t *record, json_t *index, const char *name,
                            const json_t *configuration) {
  json_t *metrics = json_object_get(index, name), *series;
  char *full;
  if (metrics) return metrics;
  full = ap_sprintf("bench %s", name);
  series = full ? ap_history_record_series(record, full, configuration) : NULL;
  ap_free(full);
  metrics = json_object_get(series, "metrics");
  return metrics && json_object_set(index, name, metrics) == 0 ? metrics : NULL;
}

/* One more repetition of a metric. False out of memory. */
static bool add_repetition(json_t *metrics, const char *name, double seconds) {
  for (size_t i = 0; i < json_array_size(metrics); i++) {
    json_t *metric = json_array_get(metrics, i);
    if (strcmp(text_of(metric, "name"), name) != 0) continue;
    return json_array_append_new(json_object_get(metric, "values"), json_real(seconds)) == 0;
  }
  return json_array_append_new(metrics, json_pack("{s:s, s:s, s:s, s:[f]}", "name", name, "kind",
                                                  "time", "unit", "s", "values", seconds)) == 0;
}

static ap_status take_entry(const json_t *entry, const char *where, json_t *record, json_t *index,
                            const json_t *configuration, ap_error *err) {
  const char *type = text_of(entry, "run_type"), *name = text_of(entry, "run_name");
  double seconds = 0, processor = 0;
  json_t *metrics;
  ap_status st;
  if (!name) name = text_of(entry, "name"); /* old versions have only that */
  if (!json_is_object(entry) || !name || !name[0]) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: an object with a name is expected", where);
  }
  if (type && strcmp(type, "iteration") != 0) return AP_OK;
  if (json_is_true(json_object_get(entry, "error_occurred")) ||
      json_is_true(json_object_get(entry, "skipped")) || json_object_get(entry, "error_message")) {
    return AP_OK;
  }
  st = seconds_of(entry, "real_time", where, &seconds, err);
  if (!st && json_object_get(entry, "cpu_time")) {
    st = seconds_of(entry, "cpu_time", where, &processor, err);
  }
  if (st) return st;
  metrics = find_metrics(record, index, name, configuration);
  if (!metrics || !add_repetition(metrics, "real_time", seconds) ||
      (processor > 0 && !add_repetition(metrics, "cpu_time", processor))) {
    return ap_fail(err, AP_ERR_MEMORY, "record");
  }
  return AP_OK;
}

static char *machine_of(const json_t *context) {
  const char *cpu = text_of(context, "autoprune_cpu"), *host = text_of(context, "host_name");
  long long n = (long long)json_integer_value(json_object_get(context, "num_cpus"));
  return cpu ? ap_sprintf("%s, %lld threads", cpu, n)
             : ap_sprintf("%s, %lld processors", host ? host : "unknown host", n);
}

/* Commit, machine and date, taken or given. */
static ap_status open_record(const json_t *context, const char *where, const char *commit,
                             const char *machine, json_t **out, ap_error *err) {
  const char *date = text_of(context, "date"), *command = text_of(context, "executable");
  char *own_machine = machine ? ap_strdup(machine) : machine_of(context);
  ap_status st = AP_OK;
  *out = NULL;
  if (!commit) commit = text_of(context, "autoprune_commit");
  if (!commit) {
    st = ap_fail(err, AP_ERR_ARG, "%s names no commit: --commit is expected", where);
  } else if (own_machine) {
    *out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[]}", "schema", AP_HISTORY_RECORD_SCHEMA,
                     "kind", "benchmark", "commit", commit, "machine", own_machine, "date",
                     date ? date : "unknown", "command", command ? command : "", "series");
  }
  if (!st && !*out) st = ap_fail(err, AP_ERR_MEMORY, "record");
  ap_free(own_machine);
  return st;
}

ap_status ap_google_benchmark_record(const json_t *document, const char *where, const char *commit,
                                     const char *machine, json_t **out, ap_error *err) {
  const json_t *context = json_object_get(document, "context"), *list;
  const char *compiler = text_of(context, "autoprune_compiler");
  json_t *record = NULL, *index = json_object(), *configuration;
  ap_status st = ap_json_array(document, "benchmarks", where, &list, err);
  *out = NULL;
  configuration = json_pack("{s:o}", "compiler", compiler ? json_string(compiler) : json_null());
  if (!st && (!index || !configuration)) st = ap_fail(err, AP_ERR_MEMORY, "record");
  if (!st) st = open_record(context, where, commit, machine, &record, err);
  for (size_t i = 0; !st && i < json_array_size(list); i++) {
    char place[600];
    (void)snprintf(place, sizeof place, "%.500s: benchmarks[%zu]", where, i);
    st = take_entry(json_array_get(list, i), place, record, index, configuration, err);
  }
  if (!st && json_array_size(json_object_get(record, "series")) == 0) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: no benchmark with a time in it", where);
  }
  json_decref(index);
  json_decref(configuration);
  if (st) {
    json_decref(record);
    return st;
  }
  *out = record;
  return AP_OK;
}
