/* agent/searcher.h - searches for a policy: every searcher by name, one loop for all.
 *
 * The loop asks the searcher for a batch of candidates, has the environment evaluate them at once,
 * keeps every outcome, lets the searcher learn, reports, and saves its state now and then. Equal
 * seed, options and environment give the same candidates, bit for bit, interrupted or not.
 * Single-threaded; the evaluator behind the environment may use threads of its own. */
#ifndef AP_AGENT_SEARCHER_H
#define AP_AGENT_SEARCHER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/env.h"
#include "base/status.h"
AP_EXTERN_C_BEGIN

/* What the critic learns from: all stored steps alike, or AMC's public code, which passes over
 * every step that follows the end of an episode and so almost never shows the first layer to the
 * critic. The latter is there for an ablation only. */
typedef enum { AP_SAMPLER_UNIFORM, AP_SAMPLER_AMC_CODE } ap_sampler;

#define AP_SEARCH_AUTO SIZE_MAX

typedef struct {
  uint64_t seed;
  size_t episodes; /* candidates to evaluate at most, > 0 */
  size_t parallel; /* candidates handed to the evaluator at once, > 0 */
  double budget;   /* dense-equivalent image-forwards to spend at most; 0: no such limit */
  double keep_min; /* least kept fraction to propose, [0,1); snapping may raise it further */

  /* ddpg, ddpg-paper */
  size_t warmup;       /* first episodes, no learning; AUTO: warmup_share of all */
  double warmup_share; /* [0,1] */
  /* Standard deviation of the warm-up's actions round one kept fraction for all layers; the first `population`
   * episodes keep to it exactly. 0: every layer by itself, uniform. */
  double warmup_spread;
  size_t warmup_updates; /* mini-batches learned per step at the end of the warm-up */
  double sigma;          /* standard deviation of the exploration noise at first, > 0 */
  double sigma_decay;    /* factor per episode after warm-up, (0,1] */
  double sigma_least;    /* the noise does not fall below this, >= 0 */
  double explored_share; /* of the layers, on average, whose action gets noise, (0,1] */
  double leap_share;     /* of the episodes, those of which one layer is drawn from [0,1] */
  bool soften_limit;     /* learns ap_outcome.lesson (else .reward) */
  size_t
      limit_patience; /* with soften_limit: episodes of its own in a row beyond the limit after which the
                            lesson's penalty doubles; 0: never */
  bool store_executed; /* the critic learns on the executed action (else on the wish) */
  bool bootstrap;      /* critic target r + discount * Q'(next) (else the episode's reward) */
  ap_sampler sampler;
  size_t hidden;           /* units in each of the two hidden layers */
  size_t batch;            /* transitions in one update */
  size_t replay_episodes;  /* episodes whose steps are kept to learn from, > 0 */
  size_t updates_per_step; /* mini-batches learned per episode and step, > 0 */
  bool invert_gradients;   /* the slope of the actor's sigmoid is replaced by the room left in the
                              direction of the change, so that 0 and 1 can be left again */
  double actor_rate, critic_rate; /* Adam's learning rates */
  double tau;           /* target networks follow by this fraction at each update, (0,1] */
  double discount;      /* [0,1] */
  double baseline_rate; /* share of the newest mini-batch in the moving average of rewards that is
                           taken off them, [0,1]; 0: nothing is taken off */

  /* evolution, knapsack */
  size_t population;   /* parents kept; uniform policies to start from */
  size_t curve_levels; /* knapsack: levels measured per layer at most, >= 2 */
  double spread;       /* knapsack: standard deviation of the log coefficients, > 0 */

  /* interruption */
  const char *state_path; /* file of the state; NULL: none is written. Read only during the call */
  size_t save_every;      /* episodes between two saves, > 0 */
  bool resume;            /* go on from state_path if that file exists */
} ap_search_options;

/* One evaluated candidate. */
typedef struct {
  size_t episode;         /* 0, 1, ... in the order of evaluation */
  const double *executed; /* its n_steps executed actions */
  ap_outcome outcome;
  double sigma;          /* exploration noise it was made with; NaN where there is none */
  double critic_loss;    /* mean over the updates after its batch; NaN: nothing learned */
  double actor_loss;     /* mean of -Q(s, actor(s)) over the same updates; NaN likewise */
  double image_forwards; /* charged up to and including this candidate */
} ap_candidate;

/* Called once per candidate, in order, after its batch; on --resume first for all candidates of
 * the saved state, so that a file written by it is complete again. AP_ERR_INTERRUPTED ends the
 * search as the user's interruption does; any other error ends it at once. */
typedef struct {
  void *context;
  ap_status (*candidate)(void *context, const ap_candidate *candidate, ap_error *err);
} ap_search_observer;

typedef struct {
  size_t n, n_steps;
  ap_candidate *candidates; /* all n, in order */
  double *executed;         /* n x n_steps: what candidates[i].executed points into */
  size_t best;              /* index of the best candidate, see ap_search_top */
  bool found;               /* candidates[best] is feasible */
  size_t *front;            /* n_front indices: no other candidate has more accuracy and no more */
  size_t n_front;           /* crossbars; by rising crossbars */
  double image_forwards;
  double agent_seconds;      /* up to the saved states that it went on from, too ... */
  double evaluation_seconds; /* (likewise) */
  double resumed_seconds;    /* ... of both, before this call */
} ap_search_result;

/* Searchers, in the order in which to list them; NULL past the end. */
const char *ap_search_name(size_t index);
const char *ap_search_summary(const char *name); /* one line; NULL for an unknown name */

/* Defaults of one searcher; ARG for an unknown name, with the list. */
AP_NODISCARD ap_status ap_search_options_default(const char *name, ap_search_options *out,
                                                 ap_error *err);

/* Runs the search. observer may be NULL. *out is a new result (ap_search_result_destroy).
 * Ends after `episodes` candidates, when the budget would be exceeded, or when the searcher has
 * nothing left to propose. At least one candidate is evaluated, or it is an error.
 * Errors: ARG (unknown name, option out of range, environment against the rules, budget below one
 * candidate, or a state of another search), INTERRUPTED after the state was saved (if state_path is
 * given), FORMAT for a damaged state, and what the environment, observer or file system report. */
AP_NODISCARD ap_status ap_search_run(const char *name, const ap_search_options *options,
                                     const ap_env *env, const ap_search_observer *observer,
                                     ap_search_result **out, ap_error *err);
void ap_search_result_destroy(ap_search_result *result); /* NULL is allowed */

/* The k best candidates with different policies, best first: feasible before infeasible, then
 * higher reward, fewer crossbars, lower loss, earlier. Fills index[0..r-1], returns r <= k. */
size_t ap_search_top(const ap_search_result *result, size_t k, size_t *index);

AP_EXTERN_C_END
#endif
