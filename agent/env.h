/* agent/env.h - what a searcher sees of the world: a row of prunable layers (steps), what is known
 * before each decision, the decisions that make a difference, and the price of whole policies.
 *
 * An action is the KEPT fraction of a layer's prunable units, in [0,1]: 1 keeps all. An executed
 * action is one of the layer's levels (see n_levels); a policy is one executed action per step.
 * The environment owns everything behind `self`; a searcher calls it from one thread, in any order,
 * and every function must give the same answer to the same question (a resumed search relies on
 * it). The concrete environment is agent/prune_env.h; tests bring small ones of their own. */
#ifndef AP_AGENT_ENV_H
#define AP_AGENT_ENV_H
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

#define AP_ENV_TALLIES 8

/* What one candidate policy is worth. */
typedef struct {
  double reward;         /* larger is better; agent/reward.h */
  double lesson;         /* the same for a learner: without the step at the limit; agent/reward.h */
  double accuracy;       /* on the split searched on, [0,1] */
  double loss;           /* mean cross-entropy (or any smooth error; smaller is better) there */
  double accuracy_loss;  /* accuracy of the dense network minus `accuracy`: may be negative */
  double compression;    /* crossbars of the dense network / crossbars */
  double crossbars;      /* occupied crossbars (or what the environment counts: OUs, MACs) */
  double image_forwards; /* dense-equivalent image-forwards that this evaluation is charged */
  bool feasible;         /* accuracy_loss is within the limit */
  bool stopped; /* seen on some images only, as it cannot be the best: estimated from these */
} ap_outcome;

typedef struct {
  void *self;
  size_t n_steps;    /* prunable layers, >= 1 */
  size_t n_features; /* length of a state, >= 1 */
  /* Names network, data, pruner, hardware and limits (a hash will do): the state of an interrupted
   * search is refused by an environment of another identity. NULL: not checked. Lives as long as
   * the environment. */
  const char *identity;
  /* Upper bound of the image_forwards of one candidate; 0 when unknown (a search with a budget then
   * goes by the dearest candidate so far, and may overrun by its first batch). */
  double evaluation_cost;

  /* Writes state[n_features], every value in [0,1]: what the layer of step t looks like, and
   * what is reduced so far, what is left, and the previous action, given the executed actions of
   * the steps before t (executed[0..t-1]; later ones are not read). */
  void (*observe)(void *self, size_t t, const double *executed, double *state);

  /* The executed action for a wish in [0,1]: the largest kept set that costs the same whole
   * number of crossbars (or OUs) as the wish does. snap(snap(x)) == snap(x); monotone in x; the
   * lowest level is the least that the layer may keep. */
  double (*snap)(void *self, size_t t, double action);

  /* The layer's levels 0..n_levels-1 (n_levels >= 1): strictly rising kept fraction and strictly
   * rising cost; the last one keeps all (1.0). */
  size_t (*n_levels)(void *self, size_t t);
  double (*level_action)(void *self, size_t t, size_t level); /* == snap of itself */
  /* Level of an executed action (of the snapped action, for any other value). */
  size_t (*action_level)(void *self, size_t t, double executed);
  /* Crossbars (or OUs) that the layer occupies at this level: >= 0, a whole number. The sum over
   * the layers is ap_outcome.crossbars when layers do not share crossbars. */
  double (*level_cost)(void *self, size_t t, size_t level);

  /* Evaluates n candidate policies AT ONCE: executed is n x n_steps (row-major, one row a policy,
   * all values snapped); fills out[0..n-1]. Evaluators share work between candidates, so searchers
   * hand over as many as they can. incumbent: the best outcome so far, or NULL; an environment may stop
   * a candidate early that cannot be better. On an error nothing in out counts. n == 0 does nothing. */
  ap_status (*evaluate)(void *self, size_t n, const double *executed, const ap_outcome *incumbent,
                        ap_outcome *out, ap_error *err);

  /* What evaluating has cost so far: AP_ENV_TALLIES running totals, 0 where there are fewer. A search
   * keeps them in its state and sets them when it goes on, so that they tell of all of it. Both NULL:
   * nothing is counted. */
  void (*tally)(void *self, double *totals);
  void (*set_tally)(void *self, const double *totals);
} ap_env;

/* ARG with the reason if a function is missing, a size is 0, or a layer's levels break the rules
 * above (order, last level 1.0, action_level and snap agreeing with level_action). Cost: all
 * levels. */
AP_NODISCARD ap_status ap_env_check(const ap_env *env, ap_error *err);

AP_EXTERN_C_END
#endif
