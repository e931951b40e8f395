/* cli/history_print.h - what `autoprune history` shows as text. */
#ifndef AP_CLI_HISTORY_PRINT_H
#define AP_CLI_HISTORY_PRINT_H
#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "history/judge.h"
AP_EXTERN_C_BEGIN

void ap_cli_print_runs(const json_t *rows);
void ap_cli_print_values(const json_t *rows);
/* What moved, a line each, the gravest first; all: also what did not. Then the counts. */
void ap_cli_print_report(const ap_report *report, bool all);

AP_EXTERN_C_END
#endif
