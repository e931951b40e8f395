/* bench/bisect_impl.h - the heaviest policy of a family whose recovered network stays within the
 * accuracy-loss limit, with a largest number of fine-tunings. */
#ifndef AP_BENCH_BISECT_IMPL_H
#define AP_BENCH_BISECT_IMPL_H
#include <jansson.h>
#include <stddef.h>

#include "base/status.h"
#include "bench/cell_impl.h"
#include "bench/family_impl.h"
#include "nn/network.h"

typedef struct {
  size_t chosen;            /* row of the family */
  ap_network *deployed;     /* its network, recovered, folded, quantised */
  double oneshot_selection; /* accuracy of the levels' own weights, selection split */
  char *kept_network;       /* file of the chosen recovery's network (tuning_impl.h), or NULL */
  /* Array of {"crossbars", "oneshot_accuracy_search", "oneshot_accuracy_selection",
   * "repaired_accuracy_selection", "tuned_accuracy_selection" (null: not needed), "accuracy_selection"
   * (the best), "accepted"}, in order. */
  json_t *log;
} ap_bisection;

/* Halves the range of log(crossbars) between the heaviest pruning that is known to pass (at first none) and the
 * lightest known to fail, until no policy lies between or all fine-tunings of the suite are spent; a policy
 * that is within the limit without fine-tuning costs none (bench/attempt_impl.h). dense: accuracy to compare
 * with. Recoveries that are kept from an interrupted run, or from another loss limit, are not made again. */
AP_NODISCARD ap_status ap_bisect(const ap_cell *cell, const ap_level_db *db,
                                 const ap_family *family, double dense, ap_bisection *out,
                                 ap_error *err);
void ap_bisection_release(ap_bisection *bisection);
#endif
