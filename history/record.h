/* history/record.h - what one command measured, as a JSON document: it goes into the history as it
 * is, and can be written by any program.
 *
 * {"schema": "autoprune-history-record-1", "kind": "cost", "commit", "machine", "date", "command",
 *  "series": [{"name", "configuration": {...},
 *              "metrics": [{"name", "kind": "model"|"time", "unit", "values": [numbers]}]}]}
 *
 * A series is what is measured again at every commit; its name has to stay the same. model: one value
 * that has to come out equal (area, crossbars, an accuracy at a fixed seed). time: seconds, one for
 * each repetition. */
#ifndef AP_HISTORY_RECORD_H
#define AP_HISTORY_RECORD_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

#define AP_HISTORY_RECORD_SCHEMA "autoprune-history-record-1"

/* Commit, date, command and machine (processor and threads) from base/provenance.h's object. NULL
 * out of memory. */
json_t *ap_history_record_new(const char *kind, const json_t *provenance);
/* A new series at the end; borrowed; NULL out of memory. configuration: copied, its member "commit"
 * left out; NULL: {}. */
json_t *ap_history_record_series(json_t *record, const char *name, const json_t *configuration);
/* A metric at the end of a series. A value that is not finite is left out. False out of memory. */
bool ap_history_series_model(json_t *series, const char *metric, const char *unit, double value);
bool ap_history_series_time(json_t *series, const char *metric, double seconds);
/* "AMD EPYC, 2 threads" of base/provenance.h's object. ap_free it; NULL out of memory. */
char *ap_history_machine(const json_t *provenance);

/* Is it a record? FORMAT: `where`, the member and what is expected. */
AP_NODISCARD ap_status ap_history_record_check(const json_t *record, const char *where,
                                               ap_error *err);

AP_EXTERN_C_END
#endif
