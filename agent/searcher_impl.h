/* agent/searcher_impl.h - what a searcher implements; searcher.c runs it. Private to agent/. */
#ifndef AP_AGENT_SEARCHER_IMPL_H
#define AP_AGENT_SEARCHER_IMPL_H
#include "agent/searcher.h"
#include "agent/state_impl.h"
#include "base/rng.h"

/* Means over the updates after a batch; NaN where nothing was learned. */
typedef struct {
  double critic_loss, actor_loss;
} ap_learned;

typedef struct {
  const char *name, *summary;
  /* Changes what differs from the common defaults of searcher.c; NULL: nothing. */
  void (*defaults)(ap_search_options *options);
  /* Options are checked, AUTO values resolved; they and env live longer than *out. */
  ap_status (*create)(const ap_search_options *options, const ap_env *env, void **out,
                      ap_error *err);
  void (*destroy)(void *self); /* NULL is allowed */
  /* Writes up to n candidates of episodes first, first+1, ...: executed (n x n_steps, snapped) and
   * sigma[n] (NaN at entry). Returns how many; 0: nothing left to propose. Changes
   * nothing that save writes: an interrupted batch is proposed again. */
  size_t (*propose)(void *self, size_t first, size_t n, double *executed, double *sigma);
  /* The outcomes of what was proposed last. NULL: nothing to learn. */
  void (*learn)(void *self, size_t first, size_t n, const double *executed,
                const ap_outcome *outcomes, ap_learned *learned);
  /* Between learn and propose. Both NULL: there is no state but the episode number. */
  void (*save)(const void *self, ap_state_writer *to);
  void (*restore)(void *self, ap_state_reader *from);
} ap_searcher_ops;

extern const ap_searcher_ops ap_searcher_random, ap_searcher_uniform, ap_searcher_ddpg,
    ap_searcher_ddpg_paper, ap_searcher_evolution, ap_searcher_knapsack;

/* Where the random numbers of an episode come from: of its number alone, so that they depend
 * neither on the batch size nor on what happened before. */
void ap_episode_rng(const ap_search_options *options, size_t episode, ap_rng *rng);

/* A search in progress, as its file needs it (search_state.c). */
typedef struct {
  const ap_searcher_ops *ops;
  const ap_search_options *options; /* as given, AUTO resolved */
  const ap_env *env;
  void *self;
  ap_search_result *result; /* candidates has room for options->episodes */
} ap_search;
ap_status ap_search_save(const ap_search *search, ap_error *err);
ap_status ap_search_restore(ap_search *search, ap_error *err);

/* a is the better one: whole evaluations before stopped ones, feasible before infeasible, higher reward, fewer
 * crossbars, lower loss, earlier. */
bool ap_search_better(const ap_candidate *a, const ap_candidate *b);
/* Fills best, found, front and n_front (n >= 1). */
void ap_search_result_finish(ap_search_result *result);

#endif
