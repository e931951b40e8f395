/* agent/lesson_impl.h - what a learner is taught of a limit. An outcome's lesson (agent/reward.h) falls off beyond the limit
 * with a slope that is the same for all networks; where a layer holds most of the crossbars that can be too little, and
 * a learner settles far beyond the limit. Here what is taken off for being beyond it
 * doubles each time when so many outcomes in a row were: a penalty that rises until the limit is kept, as in penalty
 * methods of constrained optimisation. */
#ifndef AP_AGENT_LESSON_IMPL_H
#define AP_AGENT_LESSON_IMPL_H
#include <stdbool.h>
#include <stddef.h>

#include "agent/env.h"
#include "agent/state_impl.h"
#include "base/status.h"

typedef struct {
  size_t patience;    /* outcomes in a row beyond the limit until the penalty doubles; 0: never */
  double penalty;     /* times what the outcomes' own lessons take off */
  size_t beyond;      /* in a row so far; of a reward without a limit none is */
  size_t capacity, n; /* outcomes remembered at most, added so far */
  ap_outcome *past;   /* [capacity], outcome i at i % capacity */
} ap_lessons;

AP_NODISCARD ap_status ap_lessons_open(ap_lessons *lessons, size_t capacity, size_t patience,
                                       ap_error *err);
void ap_lessons_close(ap_lessons *lessons);
/* The outcome's lesson under the present penalty. */
double ap_lessons_of(const ap_lessons *lessons, const ap_outcome *outcome);
/* Remembers it. own: it came out of what was learned, and counts. */
void ap_lessons_add(ap_lessons *lessons, const ap_outcome *outcome, bool own);
/* Doubles the penalty if patience is at its end: lessons given before are then others. */
bool ap_lessons_raise(ap_lessons *lessons);
/* The outcome added `back` outcomes before the last one (0: that one); back < capacity, and as many were added. */
const ap_outcome *ap_lessons_past(const ap_lessons *lessons, size_t back);

void ap_lessons_save(const ap_lessons *lessons, ap_state_writer *to);
void ap_lessons_restore(ap_lessons *lessons, ap_state_reader *from);
#endif
