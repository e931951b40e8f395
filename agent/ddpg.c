#include "agent/ddpg.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

#define N_NETS 4
static const float least_room = 1e-6f; /* keeps a division by it finite */
/* Random streams of one seed: episodes use 0, 1, ... (search_ddpg.c); these are out of their way.
 */
#define STREAM_INIT ((uint64_t)1 << 62)
#define STREAM_REPLAY (STREAM_INIT + 1)

struct ap_ddpg {
  size_t n_features, batch;
  bool bootstrap, invert;
  ap_sampler sampler;
  double actor_rate, critic_rate, tau, discount, baseline_rate;
  ap_mlp *nets[N_NETS]; /* actor, critic, and the targets of both */
  ap_replay *replay;
  struct {               /* plain data, saved as it is */
    ap_rng rng;          /* draws from the replay */
    double baseline;     /* moving average of mini-batch rewards */
    double has_baseline; /* 1 after the first mini-batch */
  } now;
  /* scratch of one mini-batch */
  float *states, *next, *pairs, *d_pairs; /* batch x n_features (+ 1) */
  float *actions, *rewards, *values, *targets, *slopes;
};

enum { ACTOR, CRITIC, TARGET_ACTOR, TARGET_CRITIC };

ap_status ap_ddpg_create(const ap_search_options *o, size_t n_features, size_t replay,
                         size_t max_states, ap_ddpg **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_ddpg *d = NULL;
  size_t most = o->batch > max_states ? o->batch : max_states, f = n_features;
  const size_t actor[] = {f, o->hidden, o->hidden, 1}, critic[] = {f + 1, o->hidden, o->hidden, 1};
  ap_rng rng;
  *out = NULL;
  d = ap_calloc(1, sizeof *d);
  if (!d) goto memory;
  d->n_features = f;
  d->batch = o->batch;
  d->bootstrap = o->bootstrap;
  d->invert = o->invert_gradients;
  d->sampler = o->sampler;
  d->actor_rate = o->actor_rate;
  d->critic_rate = o->critic_rate;
  d->tau = o->tau;
  d->discount = o->discount;
  d->baseline_rate = o->baseline_rate;
  ap_rng_seed(&rng, o->seed, STREAM_INIT);
  ap_rng_seed(&d->now.rng, o->seed, STREAM_REPLAY);
  st = ap_replay_create(replay, f, &d->replay, err);
  if (st) goto done;
  for (int i = 0; i < N_NETS; i++) {
    bool acts = i == ACTOR || i == TARGET_ACTOR;
    st = ap_mlp_create(3, acts ? actor : critic, acts ? AP_MLP_SIGMOID : AP_MLP_LINEAR, most,
                       &d->nets[i], err);
    if (st) goto done;
  }
  ap_mlp_init(d->nets[ACTOR], 0, &rng);
  ap_mlp_init(d->nets[CRITIC], 1, &rng);
  ap_mlp_follow(d->nets[TARGET_ACTOR], d->nets[ACTOR], 1);
  ap_mlp_follow(d->nets[TARGET_CRITIC], d->nets[CRITIC], 1);
  d->states = ap_calloc(o->batch * f, sizeof(float));
  d->next = ap_calloc(o->batch * f, sizeof(float));
  d->pairs = ap_calloc(o->batch * (f + 1), sizeof(float));
  d->d_pairs = ap_calloc(o->batch * (f + 1), sizeof(float));
  d->actions = ap_calloc(o->batch, sizeof(float));
  d->rewards = ap_calloc(o->batch, sizeof(float));
  d->values = ap_calloc(o->batch, sizeof(float));
  d->targets = ap_calloc(o->batch, sizeof(float));
  d->slopes = ap_calloc(o->batch, sizeof(float));
  if (!d->states || !d->next || !d->pairs || !d->d_pairs || !d->actions || !d->rewards ||
      !d->values || !d->targets || !d->slopes) {
    goto memory;
  }
  *out = d;
  d = NULL;
  goto done;
memory:
  st = ap_fail(err, AP_ERR_MEMORY, "agent of %zu features, batch %zu", n_features, o->batch);
done:
  ap_ddpg_destroy(d);
  return st;
}

void ap_ddpg_destroy(ap_ddpg *d) {
  if (!d) return;
  for (int i = 0; i < N_NETS; i++) ap_mlp_destroy(d->nets[i]);
  ap_replay_destroy(d->replay);
  ap_free(d->states);
  ap_free(d->next);
  ap_free(d->pairs);
  ap_free(d->d_pairs);
  ap_free(d->actions);
  ap_free(d->rewards);
  ap_free(d->values);
  ap_free(d->targets);
  ap_free(d->slopes);
  ap_free(d);
}

void ap_ddpg_act(ap_ddpg *d, size_t n, const float *states, float *actions) {
  ap_mlp_forward(d->nets[ACTOR], n, states, actions);
}

ap_replay *ap_ddpg_replay(ap_ddpg *d) { return d->replay; }
ap_mlp *ap_ddpg_actor(ap_ddpg *d) { return d->nets[ACTOR]; }
ap_mlp *ap_ddpg_critic(ap_ddpg *d) { return d->nets[CRITIC]; }

/* pairs = states with the action behind each. */
static void join(const ap_ddpg *d, size_t n, const float *states, const float *actions) {
  size_t f = d->n_features;
  for (size_t i = 0; i < n; i++) {
    memcpy(d->pairs + i * (f + 1), states + i * f, f * sizeof(float));
    d->pairs[i * (f + 1) + f] = actions[i];
  }
}

double ap_ddpg_actor_gradient(ap_ddpg *d, size_t n, const float *states) {
  size_t f = d->n_features;
  double sum = 0;
  ap_mlp_forward(d->nets[ACTOR], n, states, d->actions);
  join(d, n, states, d->actions);
  ap_mlp_forward(d->nets[CRITIC], n, d->pairs, d->values);
  for (size_t i = 0; i < n; i++) {
    sum += (double)d->values[i];
    d->slopes[i] = -1 / (float)n;
  }
  ap_mlp_backward(d->nets[CRITIC], n, d->pairs, d->slopes, false, d->d_pairs);
  for (size_t i = 0; i < n; i++) {
    float slope = d->d_pairs[i * (f + 1) + f], a = d->actions[i];
    /* backward multiplies by a (1 - a); what remains is 1 - a for a rise of a, and a for a fall. */
    if (d->invert) slope /= fmaxf(slope < 0 ? a : 1 - a, least_room);
    d->slopes[i] = slope;
  }
  ap_mlp_backward(d->nets[ACTOR], n, states, d->slopes, true, NULL);
  return -sum / (double)n;
}

/* Draws a mini-batch into states, next, pairs (state and action taken), rewards less the baseline;
 * targets = 1 where a next step follows. */
static void draw(ap_ddpg *d) {
  size_t f = d->n_features, n = d->batch;
  double mean = 0;
  for (size_t i = 0; i < n; i++) {
    size_t at = ap_replay_draw(d->replay, d->sampler, &d->now.rng);
    ap_transition t = ap_replay_at(d->replay, at);
    memcpy(d->states + i * f, t.state, f * sizeof(float));
    memcpy(d->next + i * f, t.next, f * sizeof(float));
    d->actions[i] = t.action;
    d->rewards[i] = t.reward;
    d->targets[i] = t.done ? 0 : 1;
    mean += (double)t.reward;
  }
  mean /= (double)n;
  if (d->baseline_rate > 0) {
    double rate = d->now.has_baseline > 0 ? d->baseline_rate : 1;
    d->now.baseline += rate * (mean - d->now.baseline);
    d->now.has_baseline = 1;
    for (size_t i = 0; i < n; i++) d->rewards[i] -= (float)d->now.baseline;
  }
}

void ap_ddpg_update(ap_ddpg *d, double *critic_loss, double *actor_loss) {
  size_t n = d->batch;
  double sum = 0;
  draw(d);
  join(d, n, d->states, d->actions);
  if (d->bootstrap) {
    /* The pairs taken are needed again below: the joined next pairs go through d_pairs. */
    float *taken = d->pairs;
    d->pairs = d->d_pairs;
    ap_mlp_forward(d->nets[TARGET_ACTOR], n, d->next, d->actions);
    join(d, n, d->next, d->actions);
    ap_mlp_forward(d->nets[TARGET_CRITIC], n, d->pairs, d->values);
    d->pairs = taken;
    for (size_t i = 0; i < n; i++) {
      d->targets[i] = d->rewards[i] + (float)d->discount * d->targets[i] * d->values[i];
    }
  } else {
    memcpy(d->targets, d->rewards, n * sizeof(float));
  }
  ap_mlp_forward(d->nets[CRITIC], n, d->pairs, d->values);
  for (size_t i = 0; i < n; i++) {
    float e = d->values[i] - d->targets[i];
    sum += (double)e * (double)e;
    d->slopes[i] = 2 * e / (float)n;
  }
  *critic_loss = sum / (double)n;
  ap_mlp_backward(d->nets[CRITIC], n, d->pairs, d->slopes, true, NULL);
  ap_mlp_adam(d->nets[CRITIC], d->critic_rate);
  *actor_loss = ap_ddpg_actor_gradient(d, n, d->states);
  ap_mlp_adam(d->nets[ACTOR], d->actor_rate);
  ap_mlp_follow(d->nets[TARGET_ACTOR], d->nets[ACTOR], d->tau);
  ap_mlp_follow(d->nets[TARGET_CRITIC], d->nets[CRITIC], d->tau);
}

size_t ap_ddpg_state_bytes(const ap_ddpg *d) {
  size_t bytes = sizeof d->now + ap_replay_state_bytes(d->replay);
  for (int i = 0; i < N_NETS; i++) bytes += ap_mlp_state_bytes(d->nets[i]);
  return bytes;
}

void ap_ddpg_state_get(const ap_ddpg *d, void *bytes) {
  char *to = bytes;
  memcpy(to, &d->now, sizeof d->now);
  to += sizeof d->now;
  for (int i = 0; i < N_NETS; i++) {
    ap_mlp_state_get(d->nets[i], to);
    to += ap_mlp_state_bytes(d->nets[i]);
  }
  ap_replay_state_get(d->replay, to);
}

bool ap_ddpg_state_set(ap_ddpg *d, const void *bytes) {
  const char *from = bytes;
  memcpy(&d->now, from, sizeof d->now);
  from += sizeof d->now;
  for (int i = 0; i < N_NETS; i++) {
    ap_mlp_state_set(d->nets[i], from);
    from += ap_mlp_state_bytes(d->nets[i]);
  }
  return ap_replay_state_set(d->replay, from);
}
