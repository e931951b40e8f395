#include "tests/agent/toy_env.h"

#include <math.h>
#include <stdint.h>

static size_t level_of(const toy *w, size_t t, double action) {
  /* The cheapest level that keeps at least `action`; the last bits of k/n decide nothing. */
  double k = ceil(action * (double)w->levels[t] - 1e-9);
  return k < 1 ? 0 : (size_t)k - 1;
}

static double action_of(const toy *w, size_t t, size_t level) {
  return (double)(level + 1) / (double)w->levels[t];
}

static void observe(void *self, size_t t, const double *executed, double *state) {
  const toy *w = self;
  double total = 0, reduced = 0, rest = 0;
  for (size_t i = 0; i < w->n_layers; i++) {
    double n = (double)w->levels[i];
    total += n;
    if (i < t) reduced += n * (1 - executed[i]);
    if (i > t) rest += n;
  }
  state[0] = (double)(t + 1) / (double)w->n_layers;
  state[1] = (double)w->levels[t] / total;
  state[2] = reduced / total;
  state[3] = rest / total;
  state[4] = t ? executed[t - 1] : 1;
  state[5] = t == 0 ? 1 : 0;
}

static double snap(void *self, size_t t, double action) {
  return action_of(self, t, level_of(self, t, action));
}

static size_t n_levels(void *self, size_t t) { return ((const toy *)self)->levels[t]; }
static double level_action(void *self, size_t t, size_t k) { return action_of(self, t, k); }
static size_t action_level(void *self, size_t t, double a) { return level_of(self, t, a); }

static double level_cost(void *self, size_t t, size_t k) {
  (void)self;
  (void)t;
  return (double)(k + 1);
}

static void judge(const toy *w, const double *executed, ap_outcome *out) {
  double harm = 0, cost = 0, dense = 0;
  for (size_t t = 0; t < w->n_layers; t++) {
    double pruned = w->power[t] > 0 ? pow(1 - executed[t], w->power[t])
                                    : fabs(executed[t] - 0.37); /* the bandit */
    harm += w->weight[t] * pruned;
    if (t) harm += w->interaction * (1 - executed[t]) * (1 - executed[t - 1]);
    cost += executed[t] * (double)w->levels[t];
    dense += (double)w->levels[t];
  }
  *out = (ap_outcome){.accuracy = w->dense_accuracy - harm,
                      .loss = harm,
                      .crossbars = nearbyint(cost),
                      .image_forwards = 100};
  ap_reward_fill(&w->reward, w->dense_accuracy, dense, out);
}

static ap_status evaluate(void *self, size_t n, const double *executed, const ap_outcome *incumbent,
                          ap_outcome *out, ap_error *err) {
  toy *w = self;
  (void)incumbent;
  if (n > w->largest_batch) w->largest_batch = n;
  for (size_t i = 0; i < n; i++) {
    if (w->fail_at && w->evaluations >= w->fail_at) {
      return ap_fail(err, AP_ERR_DEVICE, "toy device fault");
    }
    judge(w, executed + i * w->n_layers, &out[i]);
    w->evaluations++;
    w->tallied++;
  }
  return AP_OK;
}

static void tally(void *self, double *totals) {
  totals[AP_ENV_TALLIES - 1] = ((const toy *)self)->tallied;
}

static void set_tally(void *self, const double *totals) {
  ((toy *)self)->tallied = totals[AP_ENV_TALLIES - 1];
}

ap_env toy_env(toy *world) {
  return (ap_env){.self = world,
                  .n_steps = world->n_layers,
                  .n_features = TOY_FEATURES,
                  .identity = "toy",
                  .evaluation_cost = 100,
                  .observe = observe,
                  .snap = snap,
                  .n_levels = n_levels,
                  .level_action = level_action,
                  .action_level = action_level,
                  .level_cost = level_cost,
                  .evaluate = evaluate,
                  .tally = tally,
                  .set_tally = set_tally};
}

toy toy_three(void) {
  toy w = {.n_layers = 3,
           .levels = {7, 11, 5},
           .weight = {0.40, 0.05, 0.15},
           .power = {2, 1.5, 3},
           .dense_accuracy = 0.9,
           .reward = ap_reward_default()};
  w.reward.max_loss = 0.05;
  return w;
}

toy toy_eight(void) {
  toy w = {.n_layers = 8,
           .levels = {3, 5, 13, 7, 11, 4, 9, 6},
           .weight = {0.30, 0.10, 0.02, 0.15, 0.05, 0.25, 0.04, 0.20},
           .power = {2, 2, 1.5, 3, 2, 2.5, 1.5, 3},
           .dense_accuracy = 0.9,
           .reward = ap_reward_default()};
  w.reward.max_loss = 0.05;
  return w;
}

toy toy_entangled(void) {
  toy w = toy_eight();
  w.interaction = 0.2;
  return w;
}

toy toy_bandit(void) {
  toy w = {.n_layers = 1,
           .levels = {1000},
           .weight = {1},
           .power = {0},
           .dense_accuracy = 1,
           .reward = ap_reward_default()};
  w.reward.kind = AP_REWARD_ACCURACY;
  return w;
}

double toy_brute_force(const toy *world) {
  size_t level[TOY_LAYERS] = {0}, t;
  double executed[TOY_LAYERS], best = -INFINITY;
  ap_outcome y;
  do {
    for (t = 0; t < world->n_layers; t++) executed[t] = action_of(world, t, level[t]);
    judge(world, executed, &y);
    if (y.reward > best) best = y.reward;
    for (t = 0; t < world->n_layers && ++level[t] == world->levels[t]; t++) level[t] = 0;
  } while (t < world->n_layers);
  return best;
}
