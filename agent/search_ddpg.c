/* ddpg and ddpg-paper: layer by layer the actor names a kept fraction, noise explores round it, the
 * environment snaps it; the reward of the whole policy is every layer's reward. */
#include <math.h>

#include "agent/ddpg.h"
#include "agent/searcher_impl.h"
#include "base/alloc.h"

typedef struct {
  const ap_search_options *options;
  const ap_env *env;
  ap_ddpg *agent;
  size_t warmup;
  double decay;
  double *state;  /* n_features */
  float *states;  /* n_steps x parallel x n_features: of the batch in flight */
  float *wishes;  /* n_steps x parallel: before snapping */
  float *actions; /* parallel */
  float *end;     /* n_features zeros: the state after the last step */
  ap_rng *rngs;   /* parallel */
} ddpg;

/* With some hundred episodes, AMC's agent learns too little, or runs into a = 1 (keep all), where a
 * sigmoid has no slope left to come back by. These four mended it on problems with known optima;
 * the measurements are in docs/SEARCH.md. */
static void defaults(ap_search_options *o) {
  o->actor_rate = 1e-3;
  o->updates_per_step = 3;
  o->replay_episodes = 50;
  o->invert_gradients = true;
}

static void paper_defaults(ap_search_options *o) {
  o->keep_min = 0.2;
  o->sigma_decay = 0.95;
  o->parallel = 1;
  o->store_executed = false;
  o->bootstrap = true;
}

static void destroy(void *self) {
  ddpg *d = self;
  if (!d) return;
  ap_ddpg_destroy(d->agent);
  ap_free(d->state);
  ap_free(d->states);
  ap_free(d->wishes);
  ap_free(d->actions);
  ap_free(d->end);
  ap_free(d->rngs);
  ap_free(d);
}

static ap_status create(const ap_search_options *o, const ap_env *env, void **out, ap_error *err) {
  ap_status st = AP_OK;
  size_t f = env->n_features;
  ddpg *d = ap_calloc(1, sizeof *d);
  if (!d) goto memory;
  d->options = o;
  d->env = env;
  d->warmup = o->warmup;
  d->decay = o->sigma_decay;
  if (d->decay <= 0) {
    size_t learning = o->episodes > o->warmup ? o->episodes - o->warmup : 1;
    d->decay = pow(0.05, 1 / (double)learning);
  }
  d->state = ap_calloc(f, sizeof *d->state);
  d->states = ap_calloc(env->n_steps * o->parallel, f * sizeof *d->states);
  d->wishes = ap_calloc(env->n_steps * o->parallel, sizeof *d->wishes);
  d->actions = ap_calloc(o->parallel, sizeof *d->actions);
  d->end = ap_calloc(f, sizeof *d->end);
  d->rngs = ap_calloc(o->parallel, sizeof *d->rngs);
  if (!d->state || !d->states || !d->wishes || !d->actions || !d->end || !d->rngs) goto memory;
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

static size_t propose(void *self, size_t first, size_t n, double *executed, double *sigma) {
  ddpg *d = self;
  const ap_env *env = d->env;
  size_t steps = env->n_steps, f = env->n_features, parallel = d->options->parallel;
  for (size_t i = 0; i < n; i++) {
    size_t e = first + i;
    ap_episode_rng(d->options, e, &d->rngs[i]);
    if (e >= d->warmup) sigma[i] = d->options->sigma * pow(d->decay, (double)(e - d->warmup));
  }
  for (size_t t = 0; t < steps; t++) {
    float *states = d->states + t * parallel * f;
    for (size_t i = 0; i < n; i++) {
      env->observe(env->self, t, executed + i * steps, d->state);
      for (size_t k = 0; k < f; k++) states[i * f + k] = (float)d->state[k];
    }
    ap_ddpg_act(d->agent, n, states, d->actions);
    for (size_t i = 0; i < n; i++) {
      double wish = first + i < d->warmup ? ap_rng_uniform(&d->rngs[i])
                                          : ap_rng_truncated_normal(
                                                &d->rngs[i], (double)d->actions[i], sigma[i], 0, 1);
      wish = fmax(wish, d->options->keep_min);
      d->wishes[t * parallel + i] = (float)wish;
      executed[i * steps + t] = env->snap(env->self, t, wish);
    }
  }
  return n;
}

static void learn(void *self, size_t first, size_t n, const double *executed,
                  const ap_outcome *outcomes, ap_learned *learned) {
  ddpg *d = self;
  size_t steps = d->env->n_steps, f = d->env->n_features, parallel = d->options->parallel;
  size_t ready = first + n > d->warmup ? first + n - d->warmup : 0, updates;
  double critic = 0, actor = 0;
  for (size_t i = 0; i < n; i++) {
    for (size_t t = 0; t < steps; t++) {
      const float *state = d->states + (t * parallel + i) * f;
      bool done = t + 1 == steps;
      ap_transition step = {.state = state,
                            .next = done ? d->end : state + parallel * f,
                            .action = d->options->store_executed ? (float)executed[i * steps + t]
                                                                 : d->wishes[t * parallel + i],
                            .reward = (float)outcomes[i].reward,
                            .done = done};
      ap_replay_add(ap_ddpg_replay(d->agent), &step);
    }
  }
  updates = (ready < n ? ready : n) * d->options->updates_per_step * steps;
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
}

const ap_searcher_ops ap_searcher_ddpg = {
    .name = "ddpg",
    .summary = "DDPG with the executed action stored, slower noise decay, parallel episodes",
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
