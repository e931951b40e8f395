/* history/judge.h - two commits on one machine: what moved, and is it more than noise? Rules:
 * docs/HISTORY.md. */
#ifndef AP_HISTORY_JUDGE_H
#define AP_HISTORY_JUDGE_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "history/history.h"
AP_EXTERN_C_BEGIN

typedef enum {
  AP_VERDICT_EQUAL,     /* model: the same number */
  AP_VERDICT_MOVED,     /* model: another one, without a note */
  AP_VERDICT_EXPLAINED, /* model: another one, and a note accepts it */
  AP_VERDICT_SAME,      /* time: no difference that counts */
  AP_VERDICT_FASTER,    /* time */
  AP_VERDICT_SLOWER,    /* time */
  AP_VERDICT_AMBIGUOUS, /* time: a difference that would count, but may be chance */
  AP_VERDICT_GONE,      /* measured at the old commit only */
  AP_VERDICT_NEW        /* measured at the new commit only */
} ap_verdict;
const char *ap_verdict_name(ap_verdict verdict);

typedef struct {
  double level;       /* of significance, all timings of a comparison together: 0.01 */
  double effect;      /* least difference of medians that counts, as a fraction of the old: 0.05 */
  size_t repetitions; /* that either side needs for a verdict: 9 */
} ap_judge_options;
ap_judge_options ap_judge_defaults(void);

typedef struct {
  const char *series, *metric, *unit; /* owned by the report */
  bool time;
  ap_verdict verdict;
  double before, after; /* values; medians of timings */
  size_t n_before, n_after;
  double p;         /* timings with enough repetitions: Holm-adjusted; else NAN */
  const char *note; /* that explains, or what changed in the configuration; "" */
} ap_change;

typedef struct {
  char before[AP_HISTORY_COMMIT], after[AP_HISTORY_COMMIT];
  size_t n;
  ap_change *changes; /* by series and metric */
  size_t counts[AP_VERDICT_NEW + 1];
  bool regression; /* something moved unexplained, or is slower */
  json_t *rows;    /* holds the texts */
} ap_report;

/* Errors: ARG for options out of range; those of history.h. End with ap_report_destroy. */
AP_NODISCARD ap_status ap_history_judge(ap_history *history, const char *machine,
                                        const char *before, const char *after,
                                        const ap_judge_options *options, ap_report **out,
                                        ap_error *err);
void ap_report_destroy(ap_report *report);
/* {"before", "after", "regression", "counts": {...}, "changes": [...]}; NULL out of memory. */
json_t *ap_report_to_json(const ap_report *report);

AP_EXTERN_C_END
#endif
