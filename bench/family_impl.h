/* bench/family_impl.h - a method's policies from light to heavy pruning, out of which bisection
 * takes the heaviest that recovers. */
#ifndef AP_BENCH_FAMILY_IMPL_H
#define AP_BENCH_FAMILY_IMPL_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/evaluator.h"
#include "pruners/level_db.h"

typedef struct {
  size_t n, n_layers;
  uint32_t *levels;  /* n x n_layers; crossbars fall from row to row */
  double *crossbars; /* n */
  double *accuracy;  /* n: one shot, on the evaluator's split */
} ap_family;

#define AP_FAMILY_STEPS 400 /* kept fractions tried: 1, 1 - 1/400, ... */
/* The parts of every builder: room for n policies; the row after the last becomes a policy if it takes
 * fewer crossbars than the one before; one-shot accuracies of all, at once. */
AP_NODISCARD ap_status ap_family_reserve(ap_family *family, size_t n, size_t n_layers,
                                         ap_error *err);
void ap_family_add(ap_family *family, const ap_level_db *db);
AP_NODISCARD ap_status ap_family_score(ap_family *family, ap_evaluator *ev, ap_error *err);

/* One kept fraction for all layers, in fine steps; policies that cost the same are listed once. */
AP_NODISCARD ap_status ap_family_uniform(const ap_level_db *db, ap_evaluator *ev, ap_family *out,
                                         ap_error *err);

/* One threshold of the pruner's score for all layers, so that 1, 1 - 1/400, ... of the network's
 * weights stay; a layer keeps what its lowest level keeps even if none of it reaches the threshold.
 * UNSUPPORTED where vectors of different layers do not compare (plug-ins). */
AP_NODISCARD ap_status ap_family_global(const ap_level_db *db, ap_evaluator *ev, ap_family *out,
                                        ap_error *err);

typedef struct {
  const char *searcher;
  const char *reward; /* agent/reward.h; NULL: the default */
  size_t episodes;
  double max_loss; /* one shot, on the evaluator's split: where the search looks */
  uint64_t seed;
  const char *state_path;
  bool quiet;
} ap_family_search;
/* The front that a search found. A search for the limit leaves few policies in front of it; where two neighbours are more
 * than 8 % of crossbars apart, policies between them are filled in: the lighter one with the pruned share of every
 * layer reduced alike. *episodes: a new JSON array, one row [episode, reward, accuracy,
 * accuracy_loss, compression, crossbars, feasible, sigma, critic_loss, image_forwards] a candidate
 * (null for what is not a number); *seconds: {"agent", "evaluator"}. */
AP_NODISCARD ap_status ap_family_searched(const ap_level_db *db, ap_evaluator *ev,
                                          const ap_family_search *search, ap_family *out,
                                          json_t **episodes, json_t **seconds, ap_error *err);
void ap_family_release(ap_family *family);
#endif
