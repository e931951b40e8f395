/* bench/attempt_impl.h - one policy of a bisection, recovered: at first without training, and only where that
 * does not stay within the loss limit, by fine-tuning. The recipe is the same for every method. */
#ifndef AP_BENCH_ATTEMPT_IMPL_H
#define AP_BENCH_ATTEMPT_IMPL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "bench/cell_impl.h"
#include "bench/tuning_impl.h"
#include "nn/network.h"
#include "pruners/level_db.h"

typedef struct {
  ap_tuning kept;
  ap_network
      *net; /* folded, quantised; NULL: known from an earlier run, whose network may be gone */
  ap_tuning_accuracy accuracy;
} ap_attempt;

/* Recovers the policy as far as it takes to have `needed` accuracy on the selection split:
 *   1. without training, the better of the levels' own weights (each layer repaired by itself) and the
 *      layers repaired in sequence (pruners/repair_sequence.h);
 *   2. where that is not enough and the suite fine-tunes this network, fine-tuned from the repair in
 *      sequence; the best of all is taken, since a short fine-tuning may cost a hardly pruned network more than it gives back.
 * title: of the progress line. What is kept from an interrupted run, or from another loss limit, is not
 * made again. */
AP_NODISCARD ap_status ap_attempt_make(const ap_cell *cell, const ap_level_db *db,
                                       const uint32_t *levels, double needed, const char *title,
                                       ap_attempt *out, ap_error *err);
/* The attempt's network: at hand, kept, or made once more; the caller owns it. */
AP_NODISCARD ap_status ap_attempt_network(const ap_cell *cell, const ap_level_db *db,
                                          const uint32_t *levels, const char *title,
                                          ap_attempt *attempt, ap_network **out, ap_error *err);
void ap_attempt_release(ap_attempt *attempt);
#endif
