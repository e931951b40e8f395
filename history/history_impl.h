/* history/history_impl.h - statements and their errors. */
#ifndef AP_HISTORY_HISTORY_IMPL_H
#define AP_HISTORY_HISTORY_IMPL_H
#include <sqlite3.h>

#include "history/history.h"

struct ap_history {
  sqlite3 *db;
  char *path;
};

/* The last error of the database as ours, with the file's name. */
AP_NODISCARD ap_status ap_history_fail(const ap_history *history, int code, ap_error *err);
/* A statement with n texts bound to ?1.. (NULL: null). */
AP_NODISCARD ap_status ap_history_prepare(const ap_history *history, const char *sql, int n,
                                          const char *const *texts, sqlite3_stmt **out,
                                          ap_error *err);
/* One row: *row true. The end: false. */
AP_NODISCARD ap_status ap_history_step(const ap_history *history, sqlite3_stmt *statement,
                                       bool *row, ap_error *err);
#endif
