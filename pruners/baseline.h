/* pruners/baseline.h - published ways to prune, each as what it is made of: a granularity
 * and a score (pruners/pruner.h), and how much of each layer is kept. One file each in baselines/
 * says which publication, what is known of it and what was assumed here; docs/BASELINES.md has them
 * in one table.
 *
 * All are counted by the one mapper, priced by the one hardware model and fine-tuned by the one
 * recipe: what is compared is the idea, not its authors' training or circuits. */
#ifndef AP_PRUNERS_BASELINE_H
#define AP_PRUNERS_BASELINE_H
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct {
  const char *name;       /* in tables and on the command line: "lamp" */
  const char *pruner;     /* "unstructured+lamp" */
  const char *allocation; /* "uniform": the same kept fraction in every layer; "global": one
                             threshold of the score over all layers; else a searcher's name
                             (agent/searcher.h); NULL: nothing is pruned */
  const char *reward;     /* of a searcher (agent/reward.h); NULL: its default */
  const char *publication;
  const char *known;   /* of the published method */
  const char *assumed; /* here */
} ap_baseline;

/* In the order in which to list them; NULL past the end. Static: lives for ever. */
const ap_baseline *ap_baseline_at(size_t index);
/* NULL: no such name. */
const ap_baseline *ap_baseline_find(const char *name);

AP_EXTERN_C_END
#endif
