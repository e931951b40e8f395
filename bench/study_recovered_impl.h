/* bench/study_recovered_impl.h - one network pruned to a share of its vectors, after one way of getting
 * its accuracy back. */
#ifndef AP_BENCH_STUDY_RECOVERED_IMPL_H
#define AP_BENCH_STUDY_RECOVERED_IMPL_H
#include <stdbool.h>
#include <stddef.h>

#include "bench/study_impl.h"
#include "bench/workbench.h"
#include "nn/train.h"
#include "pruners/level_db.h"

typedef enum {
  AP_RECOVERY_DENSE,                 /* not pruned: what the others are compared with */
  AP_RECOVERY_ONE_SHOT,              /* the smallest vectors set to 0 and nothing else */
  AP_RECOVERY_RECALIBRATED,          /* and batch normalisation measured anew */
  AP_RECOVERY_REPAIRED,              /* the kept weights and biases by least squares */
  AP_RECOVERY_REPAIRED_RECALIBRATED, /* both, repair first */
  AP_RECOVERY_IN_SEQUENCE, /* repaired layer by layer, each from what the ones before give */
  AP_RECOVERY_FINE_TUNED,  /* trained from there with masks held */
  AP_RECOVERIES
} ap_recovery;
const char *ap_recovery_name(ap_recovery how); /* "dense", "one-shot", ... */

/* What the networks of one study are made with. Begins with study, bench, recipe and observer; context may change. What
 * stands below is of the last sparsity and ends with release. */
typedef struct {
  const ap_study *study;
  ap_workbench *bench;
  ap_train_options recipe;
  ap_train_observer *observer; /* of fine-tuning; may be NULL */
  void *context;               /* of the observer */
  double sparsity;
  ap_level_db *plain, *repaired;
  ap_network *in_sequence;
} ap_recovered;
void ap_recovered_release(ap_recovered *r);

/* Does this way change this network? Recalibration needs batch normalisation. */
bool ap_recovery_applies(ap_recovery how, const ap_network *trained);

/* Every layer keeps ceil((1 - sparsity) * its vectors), the first by the pruner's order; the first and
 * the last layer stay whole, unless `prune_ends` or the network has no others. *out: folded, in
 * floats. A fine-tuned network is kept in the points' folder under the hash of `config` (all that it
 * depends on, borrowed) and read from there when it is asked for again; an interrupted fine-tuning
 * goes on from its checkpoint. */
AP_NODISCARD ap_status ap_recovered_network(ap_recovered *r, ap_recovery how, double sparsity,
                                            const json_t *config, ap_network **out, ap_error *err);
#endif
