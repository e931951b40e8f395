/* evolution: changes good policies a little, mostly so that the cost stays the same (a layer gives crossbars,
 * another takes them), after EvoPress (ICML'25), whose level switch is neutral only where all levels cost
 * the same. Starts from the uniform policies. */
#include <math.h>
#include <string.h>

#include "agent/elites_impl.h"
#include "base/alloc.h"

#define TRIES 20 /* to find a child that is not among the parents or its siblings */

typedef struct {
  const ap_search_options *options;
  ap_levels levels;
  ap_elites elites;
  uint32_t *policies; /* parallel x n_steps: the batch in flight */
  double *no_note;    /* n_steps zeros */
} evolution;

static void destroy(void *self) {
  evolution *e = self;
  if (!e) return;
  ap_levels_release(&e->levels);
  ap_elites_release(&e->elites);
  ap_free(e->policies);
  ap_free(e->no_note);
  ap_free(e);
}

static ap_status create(const ap_search_options *o, const ap_env *env, void **out, ap_error *err) {
  ap_status st = AP_OK;
  evolution *e = ap_calloc(1, sizeof *e);
  if (!e) goto memory;
  e->options = o;
  st = ap_levels_init(&e->levels, env, o->keep_min, err);
  if (st) goto done;
  st = ap_elites_init(&e->elites, o->population, env->n_steps, err);
  if (st) goto done;
  e->policies = ap_calloc(o->parallel, env->n_steps * sizeof *e->policies);
  e->no_note = ap_calloc(env->n_steps, sizeof *e->no_note);
  if (!e->policies || !e->no_note) goto memory;
  *out = e;
  e = NULL;
  goto done;
memory:
  st = ap_fail(err, AP_ERR_MEMORY, "searcher");
done:
  destroy(e);
  return st;
}

static bool among(const evolution *e, size_t n, const uint32_t *policy) {
  size_t steps = e->levels.n_steps;
  for (size_t i = 0; i < n; i++) {
    if (memcmp(e->policies + i * steps, policy, steps * sizeof *policy) == 0) return true;
  }
  return ap_elites_hold(&e->elites, policy);
}

static size_t propose(void *self, size_t first, size_t n, double *executed, double *sigma) {
  evolution *e = self;
  const ap_env *env = e->levels.env;
  size_t steps = e->levels.n_steps, starters = e->options->population;
  (void)sigma;
  for (size_t i = 0; i < n; i++) {
    uint32_t *policy = e->policies + i * steps;
    if (first + i < starters || e->elites.n == 0) {
      double keep_min = e->options->keep_min;
      double wish = 1 - (double)((first + i) % starters) / (double)starters * (1 - keep_min);
      for (size_t t = 0; t < steps; t++) {
        policy[t] = (uint32_t)env->action_level(env->self, t, env->snap(env->self, t, wish));
      }
    } else {
      ap_rng rng;
      ap_episode_rng(e->options, first + i, &rng);
      for (int tries = 0; tries < TRIES; tries++) {
        size_t parent = ap_elites_pick(&e->elites, &rng);
        memcpy(policy, e->elites.policies + parent * steps, steps * sizeof *policy);
        ap_levels_mutate(&e->levels, &rng, policy);
        if (!among(e, i, policy)) break;
      }
    }
    ap_levels_execute(&e->levels, policy, executed + i * steps);
  }
  return n;
}

static void learn(void *self, size_t first, size_t n, const double *executed,
                  const ap_outcome *outcomes, ap_learned *learned) {
  evolution *e = self;
  (void)first;
  (void)executed;
  (void)learned;
  for (size_t i = 0; i < n; i++) {
    ap_elites_add(&e->elites, e->policies + i * e->levels.n_steps, e->no_note, outcomes[i].reward);
  }
}

static void save(const void *self, ap_state_writer *to) {
  ap_elites_save(&((const evolution *)self)->elites, to);
}

static void restore(void *self, ap_state_reader *from) {
  evolution *e = self;
  ap_elites_restore(&e->elites, &e->levels, from);
}

const ap_searcher_ops ap_searcher_evolution = {
    .name = "evolution",
    .summary = "population search by cost-neutral exchanges between layers",
    .create = create,
    .destroy = destroy,
    .propose = propose,
    .learn = learn,
    .save = save,
    .restore = restore,
};
