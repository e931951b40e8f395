/* base/progress.h - one line of progress on stderr: a bar with time left on a terminal, a plain
 * line every few seconds elsewhere, nothing when quiet. Also the user's interruption (SIGINT,
 * SIGTERM). */
#ifndef AP_BASE_PROGRESS_H
#define AP_BASE_PROGRESS_H
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct ap_progress ap_progress;
/* total 0: unknown. NULL when quiet or out of memory: every function here accepts NULL. */
ap_progress *ap_progress_create(const char *title, size_t total, bool quiet);
/* note: a short text such as "loss 0.312", or NULL. Cheap enough to call at every step. */
void ap_progress_set(ap_progress *progress, size_t done, const char *note);
void ap_progress_end(ap_progress *progress); /* last state, newline, release */

/* After install, the first SIGINT or SIGTERM only sets the flag below, so that loops can save their
 * state and return AP_ERR_INTERRUPTED; a second one ends the process at once. */
void ap_interrupt_install(void);
bool ap_interrupted(void);
double ap_seconds(void); /* monotonic clock */

AP_EXTERN_C_END
#endif
