#include "cli/train_log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/file.h"

#define MAX_LOG_BYTES ((size_t)1 << 26)
#define COLUMNS 6

typedef struct {
  double values[COLUMNS]; /* epoch, loss, train accuracy, selection accuracy, lr, seconds */
} log_row;

struct ap_train_log {
  char *path, *command;
  log_row *rows;
  size_t n;
};

static const char *const names[COLUMNS] = {
    "epoch", "loss", "train_accuracy", "selection_accuracy", "lr", "seconds"};

static ap_status append(ap_train_log *log, const log_row *row, ap_error *err) {
  log_row *more = ap_realloc(log->rows, log->n + 1, sizeof *more);
  if (!more) return ap_fail(err, AP_ERR_MEMORY, "training log of %zu epochs", log->n + 1);
  log->rows = more;
  log->rows[log->n++] = *row;
  return AP_OK;
}

/* One line of an earlier log; false for the header, a comment or anything else. */
static bool parse_row(char *line, log_row *row) {
  char *at = line;
  for (size_t c = 0; c < COLUMNS; c++) {
    char *end = at;
    row->values[c] = strtod(at, &end);
    if (end == at) {
      if (c == 0) return false;
      row->values[c] = NAN; /* an empty field */
    }
    if (c + 1 < COLUMNS && *end != ',') return false;
    at = end + 1;
  }
  return row->values[0] >= 1;
}

static ap_status load(ap_train_log *log, ap_error *err) {
  char *text = NULL, *save = NULL;
  size_t size = 0;
  ap_status st = ap_file_read(log->path, MAX_LOG_BYTES, &text, &size, err);
  if (st) return st;
  for (char *line = strtok_r(text, "\r\n", &save); line && !st;
       line = strtok_r(NULL, "\r\n", &save)) {
    log_row row;
    if (parse_row(line, &row)) st = append(log, &row, err);
  }
  ap_free(text);
  return st;
}

ap_status ap_train_log_create(const char *path, const char *command, bool resume,
                              ap_train_log **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_train_log *log = ap_calloc(1, sizeof *log);
  *out = NULL;
  if (log) {
    log->path = ap_strdup(path);
    log->command = ap_strdup(command);
  }
  if (!log || !log->path || !log->command) {
    st = ap_fail(err, AP_ERR_MEMORY, "training log");
  } else if (resume && ap_file_exists(path)) {
    st = load(log, err);
  }
  if (st) {
    ap_train_log_destroy(log);
    return st;
  }
  *out = log;
  return AP_OK;
}

void ap_train_log_destroy(ap_train_log *log) {
  if (!log) return;
  ap_free(log->path);
  ap_free(log->command);
  ap_free(log->rows);
  ap_free(log);
}

static ap_status write_log(const ap_train_log *log, ap_error *err) {
  ap_output *output = NULL;
  ap_csv csv = {NULL, 0};
  ap_status st = ap_output_open(log->path, true, &output, err);
  if (st) return st;
  csv.file = ap_output_stream(output);
  ap_csv_comment(&csv, "command", log->command);
  for (size_t c = 0; c < COLUMNS; c++) ap_csv_text(&csv, names[c]);
  ap_csv_end_row(&csv);
  for (size_t i = 0; i < log->n; i++) {
    for (size_t c = 0; c < COLUMNS; c++) ap_csv_number(&csv, log->rows[i].values[c]);
    ap_csv_end_row(&csv);
  }
  return ap_output_commit(output, err);
}

ap_status ap_train_log_add(ap_train_log *log, size_t epoch, const ap_train_report *report,
                           ap_error *err) {
  log_row row = {{(double)epoch, report->loss, report->accuracy, report->selection_accuracy,
                  report->lr, report->seconds}};
  ap_status st;
  while (log->n > 0 && log->rows[log->n - 1].values[0] >= (double)epoch) log->n--;
  st = append(log, &row, err);
  return st ? st : write_log(log, err);
}
