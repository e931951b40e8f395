/* bench/bisect_impl.h - the heaviest policy of a family whose fine-tuned network stays within the
 * accuracy-loss limit, with a fixed number of fine-tunings. */
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
  ap_network *deployed;     /* its network, fine-tuned, folded, quantised */
  double oneshot_selection; /* accuracy of the same policy without fine-tuning, selection split */
  char *kept_network;       /* file of the chosen fine-tuning's network (tuning_impl.h), or NULL */
  json_t *log; /* array of {"crossbars", "oneshot_accuracy_search", "accuracy_selection",
                               "accepted"}, in order */
} ap_bisection;

/* Halves the range of log(crossbars) between the heaviest pruning that is known to pass (at first none) and the
 * lightest known to fail. dense: accuracy to compare with.
 * Fine-tunings that are kept from an interrupted run, or from another loss limit, are not made again. */
AP_NODISCARD ap_status ap_bisect(const ap_cell *cell, const ap_level_db *db,
                                 const ap_family *family, double dense, ap_bisection *out,
                                 ap_error *err);
void ap_bisection_release(ap_bisection *bisection);
#endif
