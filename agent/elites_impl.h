/* agent/elites_impl.h - the best policies so far as level numbers, and small changes to them: shared by the
 * searchers that work on levels. Private to agent/. */
#ifndef AP_AGENT_ELITES_IMPL_H
#define AP_AGENT_ELITES_IMPL_H
#include "agent/searcher_impl.h"

/* Levels of an environment, read once. */
typedef struct {
  const ap_env *env;
  size_t n_steps;
  uint32_t *least; /* lowest level that the option keep_min allows */
  uint32_t *count; /* levels of the step: 0..count-1 */
} ap_levels;
ap_status ap_levels_init(ap_levels *levels, const ap_env *env, double keep_min, ap_error *err);
void ap_levels_release(ap_levels *levels);
double ap_levels_cost(const ap_levels *levels, const uint32_t *policy);
void ap_levels_execute(const ap_levels *levels, const uint32_t *policy, double *executed);
void ap_levels_read(const ap_levels *levels, const double *executed, uint32_t *policy);
/* Lowers one layer by some levels and raises another by what that frees (half of the time), or lowers
 * or raises one layer alone (a quarter each); one to three such changes. */
void ap_levels_mutate(const ap_levels *levels, ap_rng *rng, uint32_t *policy);

/* Up to `capacity` different policies by falling reward, each with n_steps numbers of the searcher's. */
typedef struct {
  size_t n_steps, capacity, n;
  uint32_t *policies; /* capacity x n_steps */
  double *notes;      /* capacity x n_steps */
  double *rewards;    /* capacity */
} ap_elites;
ap_status ap_elites_init(ap_elites *elites, size_t capacity, size_t n_steps, ap_error *err);
void ap_elites_release(ap_elites *elites);
void ap_elites_add(ap_elites *elites, const uint32_t *policy, const double *note, double reward);
/* The better of two drawn at random; n > 0. */
size_t ap_elites_pick(const ap_elites *elites, ap_rng *rng);
bool ap_elites_hold(const ap_elites *elites, const uint32_t *policy);
void ap_elites_save(const ap_elites *elites, ap_state_writer *to);
void ap_elites_restore(ap_elites *elites, const ap_levels *levels, ap_state_reader *from);

#endif
