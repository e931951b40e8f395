#include "cli/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/provenance.h"
#include "history/history.h"
#include "history/record.h"

#define DEFAULT_FILE "autoprune-history.sqlite"

const char *ap_cli_history_file(const char *given) {
  const char *variable = getenv("AUTOPRUNE_HISTORY");
  if (given && given[0]) return given;
  return variable && variable[0] ? variable : DEFAULT_FILE;
}

ap_status ap_cli_record_ready(const ap_cli *cli, ap_error *err) {
  ap_history *history = NULL;
  ap_status st;
  if (!cli->record) return AP_OK;
  st = ap_history_open(ap_cli_history_file(cli->record), true, &history, err);
  ap_history_close(history);
  return st ? ap_fail_context(err, st, "--record") : AP_OK;
}

/* Takes the record over. */
static ap_status add_record(const ap_cli *cli, json_t *record, ap_error *err) {
  const char *file = ap_cli_history_file(cli->record);
  ap_history *history = NULL;
  int64_t run = 0;
  ap_status st =
      record ? ap_history_open(file, true, &history, err) : ap_fail(err, AP_ERR_MEMORY, "record");
  if (!st) st = ap_history_add(history, record, "this result", &run, err);
  ap_history_close(history);
  if (!st) {
    const char *commit = json_string_value(json_object_get(record, "commit"));
    ap_cli_note(
        cli, "recorded in %s as run %lld%s", file, (long long)run,
        strstr(commit, "+dirty") ? " (of edited sources: the commit does not say which)" : "");
  }
  json_decref(record);
  return st ? ap_fail_context(err, st, "--record") : AP_OK;
}

/* NAN where there is no number. */
static double number_at(const json_t *object, const char *path) {
  while (object && *path) {
    char part[64];
    size_t n = strcspn(path, ".");
    if (n >= sizeof part) return (double)NAN;
    memcpy(part, path, n);
    part[n] = '\0';
    object = json_object_get(object, part);
    path += n + (path[n] == '.');
  }
  if (json_is_boolean(object)) return json_is_true(object);
  return json_is_number(object) ? json_number_value(object) : (double)NAN;
}

static bool put_metrics(json_t *series, const json_t *document, const ap_cli_metric *metrics,
                        size_t n) {
  bool good = series != NULL;
  for (size_t i = 0; i < n && good; i++) {
    double value = number_at(document, metrics[i].path);
    if (!metrics[i].time) {
      good = ap_history_series_model(series, metrics[i].metric, metrics[i].unit, value);
    } else if (value > 0) {
      good = ap_history_series_time(series, metrics[i].metric, value);
    }
  }
  return good;
}

ap_status ap_cli_record_document(const ap_cli *cli, char *name, const json_t *document,
                                 const ap_cli_metric *metrics, size_t n, ap_error *err) {
  const json_t *provenance = json_object_get(document, "provenance");
  json_t *record = NULL;
  ap_status st = name && document ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "record");
  if (!st && cli->record) {
    record = ap_history_record_new(cli->command, provenance);
    if (record && !put_metrics(ap_history_record_series(
                                   record, name, json_object_get(provenance, "configuration")),
                               document, metrics, n)) {
      json_decref(record);
      record = NULL;
    }
    st = add_record(cli, record, err);
  }
  ap_free(name);
  return st;
}

const char *ap_cli_file_name(const char *path) {
  const char *slash = path ? strrchr(path, '/') : NULL;
  return slash ? slash + 1 : path;
}

char *ap_cli_overrides_text(const ap_text_list *overrides, const char *weight_bits) {
  char *text = weight_bits ? ap_sprintf(" weight-bits=%s", weight_bits) : ap_strdup("");
  for (size_t i = 0; text && i < overrides->n; i++) {
    char *longer = ap_sprintf("%s %s", text, overrides->items[i]);
    ap_free(text);
    text = longer;
  }
  return text;
}

ap_status ap_cli_record_priced(const ap_cli *cli, const ap_subject *subject, const json_t *document,
                               ap_error *err) {
  static const ap_cli_metric metrics[] = {
      {"total.vectors", "vectors", "", false},
      {"total.vectors_kept", "vectors_kept", "", false},
      {"total.weights_kept", "weights_kept", "", false},
      {"total.macs_kept", "macs_kept", "", false},
      {"total.ous", "ous", "", false},
      {"total.ous_dense", "ous_dense", "", false},
      {"total.crossbars", "crossbars", "", false},
      {"total.crossbars_dense", "crossbars_dense", "", false},
      {"total.index_bits", "index_bits", "bit", false},
      {"total.area_mm2", "area_mm2", "mm2", false},
      {"total.energy_uj", "energy_uj", "uJ", false},
      {"total.latency_us", "latency_us", "us", false},
  };
  char keep[40] = "", copies[40] = "", *overrides, *name;
  const char *policy = subject->policy ? ap_cli_file_name(subject->policy) : NULL;
  if (!cli->record) return AP_OK;
  if (subject->copies > 1) {
    (void)snprintf(copies, sizeof copies, " replicate=%zu", subject->copies);
  }
  if (subject->keep > 0) (void)snprintf(keep, sizeof keep, " keep=%g", subject->keep);
  overrides = ap_cli_overrides_text(&subject->overrides, subject->weight_bits);
  name = overrides ? ap_sprintf("%s %s hw=%s%s %s%s%s%s%s%s%s", cli->command,
                                ap_cli_file_name(subject->model.path ? subject->model.path
                                                                     : subject->matrix),
                                subject->hw ? ap_cli_file_name(subject->hw) : "ou", overrides,
                                json_string_value(json_object_get(document, "granularity")), keep,
                                subject->keep > 0 && subject->pruner ? " pruner=" : "",
                                subject->keep > 0 && subject->pruner ? subject->pruner : "",
                                policy ? " policy=" : "", policy ? policy : "", copies)
                   : NULL;
  ap_free(overrides);
  return ap_cli_record_document(cli, name, document, metrics, sizeof metrics / sizeof metrics[0],
                                err);
}

/* wishes: " hw=mine.ini episodes=50"; without any, the series is the suite's own. */
static bool put_row(json_t *record, const char *suite, double max_loss, const char *wishes,
                    uint64_t seed, json_t *row) {
  static const char *const asked[] = {"network",  "data",     "method", "pruner",
                                      "searcher", "crossbar", "ou"};
  static const char *const left_out[] = {"seconds", "feasible", "seed"};
  json_t *configuration =
      json_pack("{s:s, s:f, s:I}", "suite", suite, "max_loss", max_loss, "seed", (json_int_t)seed);
  char *name = ap_sprintf("compare %s %s %s %s max_loss=%g%s seed=%llu", suite,
                          json_string_value(json_object_get(row, "network")),
                          ap_cli_file_name(json_string_value(json_object_get(row, "data"))),
                          json_string_value(json_object_get(row, "method")), max_loss, wishes,
                          (unsigned long long)seed);
  json_t *series = NULL, *value;
  const char *key;
  bool good = configuration && name;
  if (good && wishes[0]) {
    good = json_object_set_new(configuration, "wishes", json_string(wishes)) == 0;
  }
  for (size_t i = 0; good && i < sizeof asked / sizeof asked[0]; i++) {
    good = json_object_set(configuration, asked[i], json_object_get(row, asked[i])) == 0;
  }
  if (good) series = ap_history_record_series(record, name, configuration);
  good = good && series;
  json_object_foreach(row, key, value) {
    bool skip = !json_is_number(value);
    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++) {
      skip = skip || strcmp(key, left_out[i]) == 0;
    }
    if (good && !skip) {
      good = ap_history_series_model(series, key, "", json_number_value(value));
    }
  }
  ap_free(name);
  json_decref(configuration);
  return good;
}

ap_status ap_cli_record_table(const ap_cli *cli, const char *suite, double max_loss,
                              const char *wishes, const json_t *table, const json_t *provenance,
                              ap_error *err) {
  json_t *record = ap_history_record_new(cli->command, provenance);
  bool good = record != NULL;
  if (!cli->record) {
    json_decref(record);
    return AP_OK;
  }
  for (size_t i = 0; good && i < json_array_size(table); i++) {
    json_t *row = json_array_get(table, i);
    const char *failed = json_string_value(json_object_get(row, "failed"));
    double seed = json_number_value(json_object_get(row, "seed"));
    if (!failed || !failed[0]) good = put_row(record, suite, max_loss, wishes, (uint64_t)seed, row);
  }
  if (!good) {
    json_decref(record);
    record = NULL;
  }
  return add_record(cli, record, err);
}
