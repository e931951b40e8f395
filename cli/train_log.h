/* cli/train_log.h - the table beside a trained model: one row an epoch, rewritten whole (and
 * atomically) after every epoch, continued when the run is. */
#ifndef AP_CLI_TRAIN_LOG_H
#define AP_CLI_TRAIN_LOG_H
#include "base/status.h"
#include "nn/train.h"
AP_EXTERN_C_BEGIN

typedef struct ap_train_log ap_train_log;

/* path: the .csv file; command: a line of provenance. resume: takes over the rows that are there.
 */
AP_NODISCARD ap_status ap_train_log_create(const char *path, const char *command, bool resume,
                                           ap_train_log **out, ap_error *err);
void ap_train_log_destroy(ap_train_log *log); /* NULL is allowed */

/* Adds the row of epoch `epoch` (1, 2, ...), in place of any of that or a later epoch. */
AP_NODISCARD ap_status ap_train_log_add(ap_train_log *log, size_t epoch,
                                        const ap_train_report *report, ap_error *err);

AP_EXTERN_C_END
#endif
