/* history/history.h - results over commits and machines, in one SQLite file. What is recorded goes in
 * as one transaction: an interrupted program or a full disk leaves the file as it was. Several
 * programs may use it at once; one waits for the other for at most 5 s. */
#ifndef AP_HISTORY_HISTORY_H
#define AP_HISTORY_HISTORY_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

#define AP_HISTORY_SCHEMA 1 /* of the file; a later one is refused */
#define AP_HISTORY_COMMIT 128

typedef struct ap_history ap_history;

/* create: makes the file where there is none. Errors: IO (absent, locked, refused by the system),
 * FORMAT (no SQLite file, damaged, another program's, of a later version). */
AP_NODISCARD ap_status ap_history_open(const char *path, bool create, ap_history **out,
                                       ap_error *err);
void ap_history_close(ap_history *history); /* NULL is allowed */
const char *ap_history_path(const ap_history *history);

/* Adds a record (history/record.h) after checking it; `where` begins the error text. All or nothing.
 * *run (may be NULL): its number. Errors: FORMAT, IO. */
AP_NODISCARD ap_status ap_history_add(ap_history *history, const json_t *record, const char *where,
                                      int64_t *run, ap_error *err);
/* A note that accepts what changed at a commit, for series and metrics of these patterns (* and ?). */
AP_NODISCARD ap_status ap_history_add_note(ap_history *history, const char *commit,
                                           const char *series, const char *metric, const char *text,
                                           ap_error *err);

/* Newest first, at most `limit`: [{"run", "recorded", "kind", "commit", "machine", "date", "command",
 * "series"}]. *rows is a new reference, here and below. */
AP_NODISCARD ap_status ap_history_runs(ap_history *history, size_t limit, json_t **rows,
                                       ap_error *err);
/* Names of the commits recorded on a machine, the `limit` newest, oldest first. */
AP_NODISCARD ap_status ap_history_commits(ap_history *history, const char *machine, size_t limit,
                                          json_t **rows, ap_error *err);
/* What is known of a commit on a machine, by series and metric: [{"series", "metric", "kind", "unit",
 * "configuration" (hash), "run", "values": [...]}]. Of a model metric the newest value; of timings
 * the repetitions of all runs that have the newest configuration. */
AP_NODISCARD ap_status ap_history_values(ap_history *history, const char *commit,
                                         const char *machine, json_t **rows, ap_error *err);
/* Notes on the commits that were first recorded on this machine after `after` and up to `upto`, newest
 * first: [{"commit", "series", "metric", "text"}]. */
AP_NODISCARD ap_status ap_history_notes(ap_history *history, const char *machine, const char *after,
                                        const char *upto, json_t **rows, ap_error *err);
/* The configuration of this hash; a new reference. */
AP_NODISCARD ap_status ap_history_configuration(ap_history *history, const char *hash,
                                                json_t **document, ap_error *err);

/* The machine of the newest run. ARG when there is none. ap_free it. */
AP_NODISCARD ap_status ap_history_newest_machine(ap_history *history, char **machine,
                                                 ap_error *err);
/* A commit that was recorded on a machine: by the beginning of its name, or "last": the one
 * recorded last, or last before `other` (may be NULL). *found false: there is none; ARG: the beginning fits several. */
AP_NODISCARD ap_status ap_history_find_commit(ap_history *history, const char *text,
                                              const char *machine, const char *other,
                                              char commit[AP_HISTORY_COMMIT], bool *found,
                                              ap_error *err);

AP_EXTERN_C_END
#endif
