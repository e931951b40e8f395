/* ddpg and ddpg-paper: layer by layer the actor names a kept fraction, noise explores round it, the
 * environment snaps it; the reward of the whole policy is every layer's reward. */
#include <math.h>

#include "agent/ddpg.h"
#include "agent/lesson_impl.h"
#include "agent/searcher_impl.h"
#include "base/alloc.h"

typedef struct {
  const ap_search_options *options;
  const ap_env *env;
  ap_ddpg *agent;
  double *state;      /* n_features */
  float *states;      /* n_steps x parallel x n_features: of the batch in flight */
  float *wishes;      /* n_steps x parallel: before snapping */
  float *actions;     /* parallel */
  float *end;         /* n_features zeros: the state after the last step */
  ap_rng *rngs;       /* parallel */
  size_t *leaps;      /* parallel: the layer of each episode that leaps, or n_steps */
  ap_lessons lessons; /* of as many episodes as are replayed */
} ddpg;

/* With some hundred episodes, AMC's agent learns too little, or runs into a = 1 (keep all), where a
 * sigmoid has no slope left to come back by; and policies whose layers are drawn one by one are hardly ever within a
 * loss limit, so that it learns nothing about the region that counts. What mended it, and what each change gives, is
 * measured in docs/SEARCH.md. */
static void defaults(ap_search_options *o) {
  o->warmup_share = 0.125;
  o->warmup_spread = 0.1;
  o->warmup_updates = 100;
  o->sigma = 0.2;
  o->sigma_decay = 0.96;
  o->sigma_least = 0.05;
  o->explored_share = 0.5;
  o->leap_share = 0.25;
  o->soften_limit = true;
  o->limit_patience = 64;
  o->actor_rate = 5e-4;
  o->updates_per_step = 2;
  o->replay_episodes = 50;
  o->invert_gradients = true;
}

static void paper_defaults(ap_search_options *o) {
  o->keep_min = 0.2;
  o->parallel = 1;
  o->store_executed = false;
  o->bootstrap = true;
}

static void destroy(void *self) {
  ddpg *d = self;
  if (!d) return;
  ap_ddpg_destroy(d->agent);
  ap_lessons_close(&d->lessons);
  ap_free(d->state);
  ap_free(d->states);
  ap_free(d->wishes);
  ap_free(d->actions);
  ap_free(d->end);
  ap_free(d->rngs);
  ap_free(d->leaps);
  ap_free(d);
}

static ap_status create(const ap_search_options *o, const ap_env *env, void **out, ap_error *err) {
  ap_status st = AP_OK;
  size_t f = env->n_features;
  ddpg *d = ap_calloc(1, sizeof *d);
  if (!d) goto memory;
  d->options = o;
  d->env = env;
  d->state = ap_calloc(f, sizeof *d->state);
  d->states = ap_calloc(env->n_steps * o->parallel, f * sizeof *d->states);
  d->wishes = ap_calloc(env->n_steps * o->parallel, sizeof *d->wishes);
  d->actions = ap_calloc(o->parallel, sizeof *d->actions);
  d->end = ap_calloc(f, sizeof *d->end);
  d->rngs = ap_calloc(o->parallel, sizeof *d->rngs);
  d->leaps = ap_calloc(o->parallel, sizeof *d->leaps);
  if (!d->state || !d->states || !d->wishes || !d->actions || !d->end || !d->rngs || !d->leaps) {
    goto memory;
  }
  st = ap_lessons_open(&d->lessons, o->replay_episodes, o->limit_patience, err);
  if (st) goto done;
  st = ap_ddpg_create(o, f, o->replay_episodes * env->n_steps, o->parallel, &d->agent, err);
  if (st) goto done;
  *out = d;
  d = NULL;
  goto done;
memory:
  st = ap_fail(err, AP_ERR_MEMORY, "searcher");
done:
  destroy(d);
  return st;
}

/* The kept fraction round which episode e of the warm-up is drawn: `population` steps down from 1, then a golden-ratio
 * sequence, which covers (0,1) evenly however long it is. */
static double warmup_centre(const ap_search_options *o, size_t e) {
  const double golden = 0.6180339887498949;
  if (e < o->population) return 1 - (double)e / (double)o->population;
  return fmod(0.5 + (double)e * golden, 1.0);
}

/* An action of the warm-up. */
static double warmup_wish(const ap_search_options *o, size_t e, ap_rng *rng) {
  if (o->warmup_spread <= 0) return ap_rng_uniform(rng);
  if (e < o->population) return warmup_centre(o, e);
  return ap_rng_truncated_normal(rng, warmup_centre(o, e), o->warmup_spread, 0, 1);
}

/* The actor's action, with noise or, in the layers that are not explored, as it is. */
static double noisy_wish(const ap_search_options *o, double action, double sigma, ap_rng *rng) {
  if (o->explored_share < 1 && ap_rng_uniform(rng) >= o->explored_share) return action;
  return ap_rng_truncated_normal(rng, action, sigma, 0, 1);
}

/* What episode e wishes for step t, as the i-th of its batch. */
static double wish_of(ddpg *d, size_t i, size_t e, size_t t, double sigma) {
  const ap_search_options *o = d->options;
  ap_rng *rng = &d->rngs[i];
  double wish;
  if (e < o->warmup) {
    wish = warmup_wish(o, e, rng);
  } else if (t == d->leaps[i]) {
    wish = ap_rng_uniform(rng);
  } else {
    wish = noisy_wish(o, (double)d->actions[i], sigma, rng);
  }
  return fmax(wish, o->keep_min);
}

static size_t propose(void *self, size_t first, size_t n, double *executed, double *sigma) {
  ddpg *d = self;
  const ap_env *env = d->env;
  const ap_search_options *o = d->options;
  size_t steps = env->n_steps, f = env->n_features, parallel = o->parallel;
  for (size_t i = 0; i < n; i++) {
    size_t e = first + i;
    ap_episode_rng(o, e, &d->rngs[i]);
    d->leaps[i] = steps;
    if (e < o->warmup) continue;
    if (o->leap_share > 0 && ap_rng_uniform(&d->rngs[i]) < o->leap_share) {
      d->leaps[i] = ap_rng_below(&d->rngs[i], steps);
    }
    sigma[i] = fmax(o->sigma * pow(o->sigma_decay, (double)(e - o->warmup)), o->sigma_least);
  }
  for (size_t t = 0; t < steps; t++) {
    float *states = d->states + t * parallel * f;
    for (size_t i = 0; i < n; i++) {
      env->observe(env->self, t, executed + i * steps, d->state);
      for (size_t k = 0; k < f; k++) states[i * f + k] = (float)d->state[k];
    }
    ap_ddpg_act(d->agent, n, states, d->actions);
    for (size_t i = 0; i < n; i++) {
      double wish = wish_of(d, i, first + i, t, sigma[i]);
      d->wishes[t * parallel + i] = (float)wish;
      executed[i * steps + t] = env->snap(env->self, t, wish);
    }
  }
  return n;
}

static float lesson_of(const ddpg *d, const ap_outcome *outcome) {
  return (float)(d->options->soften_limit ? ap_lessons_of(&d->lessons, outcome) : outcome->reward);
}

/* The same steps with the lessons of a steeper slope. */
static void relabel(ddpg *d) {
  ap_replay *replay = ap_ddpg_replay(d->agent);
  const size_t size = ap_replay_size(replay);
  for (size_t back = 0; back < size; back++) {
    const ap_outcome *outcome = ap_lessons_past(&d->lessons, back / d->env->n_steps);
    ap_replay_set_reward(replay, size - 1 - back, lesson_of(d, outcome));
  }
}

static void learn(void *self, size_t first, size_t n, const double *executed,
                  const ap_outcome *outcomes, ap_learned *learned) {
  ddpg *d = self;
  const ap_search_options *o = d->options;
  size_t steps = d->env->n_steps, f = d->env->n_features, parallel = o->parallel;
  size_t ready = first + n > o->warmup ? first + n - o->warmup : 0, updates;
  double critic = 0, actor = 0;
  for (size_t i = 0; i < n; i++) {
    ap_lessons_add(&d->lessons, &outcomes[i], first + i >= o->warmup);
    for (size_t t = 0; t < steps; t++) {
      const float *state = d->states + (t * parallel + i) * f;
      bool done = t + 1 == steps;
      ap_transition step = {.state = state,
                            .next = done ? d->end : state + parallel * f,
                            .action = o->store_executed ? (float)executed[i * steps + t]
                                                        : d->wishes[t * parallel + i],
                            .reward = lesson_of(d, &outcomes[i]),
                            .done = done};
      ap_replay_add(ap_ddpg_replay(d->agent), &step);
    }
  }
  updates = (ready < n ? ready : n) * o->updates_per_step * steps;
  if (first < o->warmup && first + n >= o->warmup) updates += o->warmup_updates * steps;
  if (o->soften_limit && ap_lessons_raise(&d->lessons)) {
    relabel(d);
    updates += o->warmup_updates * steps;
  }
  for (size_t u = 0; u < updates; u++) {
    double c, a;
    ap_ddpg_update(d->agent, &c, &a);
    critic += c;
    actor += a;
  }
  if (updates) {
    learned->critic_loss = critic / (double)updates;
    learned->actor_loss = actor / (double)updates;
  }
}

static void save(const void *self, ap_state_writer *to) {
  const ddpg *d = self;
  size_t bytes = ap_ddpg_state_bytes(d->agent);
  void *block = ap_calloc(bytes, 1);
  if (!block) {
    to->failed = true;
    return;
  }
  ap_ddpg_state_get(d->agent, block);
  ap_state_put(to, block, bytes);
  ap_free(block);
  ap_lessons_save(&d->lessons, to);
}

static void restore(void *self, ap_state_reader *from) {
  ddpg *d = self;
  size_t bytes = ap_ddpg_state_bytes(d->agent);
  if (from->failed || bytes > from->size - from->at ||
      !ap_ddpg_state_set(d->agent, from->data + from->at)) {
    from->failed = true;
    return;
  }
  from->at += bytes;
  ap_lessons_restore(&d->lessons, from);
}

const ap_searcher_ops ap_searcher_ddpg = {
    .name = "ddpg",
    .summary =
        "DDPG that begins on uniform policies, explores near its own, and learns a limit without a "
        "step",
    .defaults = defaults,
    .create = create,
    .destroy = destroy,
    .propose = propose,
    .learn = learn,
    .save = save,
    .restore = restore,
};

const ap_searcher_ops ap_searcher_ddpg_paper = {
    .name = "ddpg-paper",
    .summary = "DDPG with the settings of AMC",
    .defaults = paper_defaults,
    .create = create,
    .destroy = destroy,
    .propose = propose,
    .learn = learn,
    .save = save,
    .restore = restore,
};
