/* cli/record.h - results of commands into the history (--record, docs/HISTORY.md). */
#ifndef AP_CLI_RECORD_H
#define AP_CLI_RECORD_H
#include <jansson.h>
#include <stddef.h>

#include "base/status.h"
#include "cli/common.h"
#include "cli/options.h"
AP_EXTERN_C_BEGIN

#define AP_CLI_RECORD(cli)                                                                       \
  {                                                                                              \
    "record", "FILE.sqlite", "add the result to a history (autoprune history)", AP_OPTION_MAYBE, \
        &(cli)->record, 0, 0                                                                     \
  }

/* The file that is meant: given, else $AUTOPRUNE_HISTORY, else autoprune-history.sqlite. */
const char *ap_cli_history_file(const char *given);

/* Before long work: can the file of --record be opened? It is made where it is not there. */
AP_NODISCARD ap_status ap_cli_record_ready(const ap_cli *cli, ap_error *err);

/* What of a document is recorded: the number at a path such as "total.crossbars". */
typedef struct {
  const char *path, *metric, *unit;
  bool time; /* in seconds */
} ap_cli_metric;

/* Adds one series with the numbers that the document has; its configuration is in the document's
 * provenance. name: taken over; NULL: MEMORY. Does nothing without --record. */
AP_NODISCARD ap_status ap_cli_record_document(const ap_cli *cli, char *name, const json_t *document,
                                              const ap_cli_metric *metrics, size_t n,
                                              ap_error *err);
/* The same for what `map` and `cost` print. */
AP_NODISCARD ap_status ap_cli_record_priced(const ap_cli *cli, const ap_subject *subject,
                                            const json_t *document, ap_error *err);
/* Every row of a comparison that did not fail is a series. wishes: what was asked for beside the suite, for its
 * name (" hw=mine.ini episodes=50"), or "": results of other settings are other series. */
AP_NODISCARD ap_status ap_cli_record_table(const ap_cli *cli, const char *suite, double max_loss,
                                           const char *wishes, const json_t *table,
                                           const json_t *provenance, ap_error *err);

/* " weight_bits=4 a.x=1 b.y=2" of --weight-bits (may be NULL) and --set, for a series' name; ap_free it; NULL out of memory. */
char *ap_cli_overrides_text(const ap_text_list *overrides, const char *weight_bits);
/* The path without its folders. */
const char *ap_cli_file_name(const char *path);

AP_EXTERN_C_END
#endif
