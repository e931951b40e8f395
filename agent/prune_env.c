#include "agent/prune_env.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

#define N_FEATURES 11
#define N_STATIC 8 /* the features that only the layer decides */

struct ap_prune_env {
  const ap_level_db *db;
  ap_evaluator *ev;
  ap_reward reward;
  ap_env iface;
  size_t n_layers;
  double dense_accuracy, dense_cost, full_cost; /* cost: crossbars, OUs or MACs (cost_of) */
  double *features;                             /* n_layers x N_STATIC, scaled */
  uint32_t *dense;                              /* n_layers: all at their last level */
  double race_error;                            /* 0: no races */
  char identity[AP_SHA256_TEXT];
};

/* Crossbars where levels are whole crossbars, OUs otherwise. */
static double hardware_cost(const ap_level_db *db, const ap_map_summary *map) {
  return (double)(ap_level_db_snap(db) == AP_SNAP_CROSSBAR ? map->crossbars : map->ous);
}

static double hardware_dense(const ap_level_db *db, const ap_map_summary *map) {
  return (double)(ap_level_db_snap(db) == AP_SNAP_CROSSBAR ? map->crossbars_dense : map->ous_dense);
}

/* What the searcher is told. */
static double cost_of(const ap_prune_env *env, const ap_map_summary *map) {
  return ap_reward_counts_macs(env->reward.kind) ? (double)map->macs_kept
                                                 : hardware_cost(env->db, map);
}

static size_t env_n_levels(void *self, size_t t) {
  return ap_level_db_levels(((ap_prune_env *)self)->db, t);
}

static double env_level_action(void *self, size_t t, size_t level) {
  return ap_level_db_level(((ap_prune_env *)self)->db, t, level)->keep;
}

static size_t env_action_level(void *self, size_t t, double executed) {
  return ap_level_db_find(((ap_prune_env *)self)->db, t, executed);
}

static double env_level_cost(void *self, size_t t, size_t level) {
  const ap_prune_env *env = self;
  return cost_of(env, &ap_level_db_level(env->db, t, level)->map);
}

static double env_snap(void *self, size_t t, double action) {
  return env_level_action(self, t, env_action_level(self, t, action));
}

static void env_observe(void *self, size_t t, const double *executed, double *state) {
  const ap_prune_env *env = self;
  double saved = 0, rest = 0;
  memcpy(state, env->features + t * N_STATIC, N_STATIC * sizeof *state);
  for (size_t i = 0; i < env->n_layers; i++) {
    double full = env_level_cost(self, i, env_n_levels(self, i) - 1);
    if (i < t) {
      saved += full - env_level_cost(self, i, env_action_level(self, i, executed[i]));
    } else {
      rest += full;
    }
  }
  state[N_STATIC] = saved / env->full_cost;
  state[N_STATIC + 1] = rest / env->full_cost;
  state[N_STATIC + 2] = t > 0 ? executed[t - 1] : 1.0;
}

void ap_prune_env_levels(const ap_prune_env *env, const double *executed, uint32_t *levels) {
  for (size_t t = 0; t < env->n_layers; t++) {
    levels[t] = (uint32_t)ap_level_db_find(env->db, t, executed[t]);
  }
}

void ap_prune_env_hardware(const ap_prune_env *env, const double *executed, double *cost,
                           double *compression) {
  double dense = 0;
  *cost = 0;
  for (size_t t = 0; t < env->n_layers; t++) {
    const ap_map_summary *map =
        &ap_level_db_level(env->db, t, ap_level_db_find(env->db, t, executed[t]))->map;
    *cost += hardware_cost(env->db, map);
    dense += hardware_dense(env->db, map);
  }
  *compression = fmax(dense, 1) / fmax(*cost, 1);
}

/* Candidates against the dense network, each up to the loss at which it cannot beat the incumbent. */
static ap_status race(ap_prune_env *env, size_t n, const uint32_t *levels,
                      const ap_outcome *incumbent, const ap_outcome *out, ap_score *scores,
                      ap_error *err) {
  double *most_loss = ap_calloc(n, sizeof *most_loss);
  const ap_race rule = {env->dense, most_loss, env->race_error};
  ap_status st;
  if (!most_loss) return ap_fail(err, AP_ERR_MEMORY, "%zu candidates", n);
  for (size_t i = 0; i < n; i++) {
    most_loss[i] = ap_reward_most_loss(&env->reward, env->dense_accuracy, env->dense_cost,
                                       out[i].crossbars, incumbent);
  }
  st = ap_evaluator_race(env->ev, &rule, n, levels, scores, err);
  ap_free(most_loss);
  return st;
}

static ap_status env_evaluate(void *self, size_t n, const double *executed,
                              const ap_outcome *incumbent, ap_outcome *out, ap_error *err) {
  ap_prune_env *env = self;
  size_t layers = env->n_layers;
  uint32_t *levels = ap_calloc(n * layers, sizeof *levels);
  ap_score *scores = ap_calloc(n, sizeof *scores);
  ap_status st = AP_OK;
  if (!levels || !scores) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu candidates", n);
    goto done;
  }
  for (size_t i = 0; i < n; i++) {
    ap_prune_env_levels(env, executed + i * layers, levels + i * layers);
    memset(&out[i], 0, sizeof out[i]);
    for (size_t t = 0; t < layers; t++) {
      out[i].crossbars += env_level_cost(env, t, levels[i * layers + t]);
      levels[i * layers + t]++; /* the evaluator's level 0 is the network before quantisation */
    }
  }
  st = env->race_error > 0 ? race(env, n, levels, incumbent, out, scores, err)
                           : ap_evaluator_run(env->ev, n, levels, scores, err);
  if (st) goto done;
  for (size_t i = 0; i < n; i++) {
    out[i].accuracy = scores[i].accuracy;
    out[i].loss = scores[i].loss;
    out[i].image_forwards = (double)scores[i].images;
    out[i].stopped = out[i].image_forwards < env->iface.evaluation_cost;
    ap_reward_fill(&env->reward, env->dense_accuracy, env->dense_cost, &out[i]);
  }
done:
  ap_free(levels);
  ap_free(scores);
  return st;
}

static void env_tally(void *self, double *totals) {
  const ap_evaluator_stats s = ap_evaluator_statistics(((const ap_prune_env *)self)->ev);
  const double all[AP_ENV_TALLIES] = {
      (double)s.candidates, (double)s.cache_hits, (double)s.stopped, s.stopped_forwards,
      s.image_forwards,     s.shared_forwards,    s.seconds};
  memcpy(totals, all, sizeof all);
}

static void env_set_tally(void *self, const double *totals) {
  const ap_evaluator_stats s = {.candidates = (size_t)totals[0],
                                .cache_hits = (size_t)totals[1],
                                .stopped = (size_t)totals[2],
                                .stopped_forwards = totals[3],
                                .image_forwards = totals[4],
                                .shared_forwards = totals[5],
                                .seconds = totals[6]};
  ap_evaluator_set_statistics(((ap_prune_env *)self)->ev, &s);
}

/* Scales each of the features to 0..1 over the layers; a constant feature becomes 0.5. */
static void scale_features(double *features, size_t n) {
  for (size_t f = 0; f < N_STATIC; f++) {
    double lo = features[f], hi = features[f];
    for (size_t t = 1; t < n; t++) {
      double x = features[t * N_STATIC + f];
      if (x < lo) lo = x;
      if (x > hi) hi = x;
    }
    for (size_t t = 0; t < n; t++) {
      double *x = &features[t * N_STATIC + f];
      *x = hi > lo ? (*x - lo) / (hi - lo) : 0.5;
    }
  }
}

static void fill_features(ap_prune_env *env) {
  for (size_t t = 0; t < env->n_layers; t++) {
    const ap_layer_info *l = ap_level_db_layer(env->db, t);
    double *x = env->features + t * N_STATIC;
    x[0] = (double)t;
    x[1] = l->is_conv ? 1 : 0;
    x[2] = (double)l->c_in;
    x[3] = (double)l->c_out;
    x[4] = (double)(l->kh * l->kw);
    x[5] = (double)l->stride;
    x[6] = (double)(l->k * l->n);
    x[7] = env_level_cost(env, t, env_n_levels(env, t) - 1);
  }
  scale_features(env->features, env->n_layers);
}

/* Accuracy of all layers at their last level, and the costs to compare with. */
static ap_status measure_dense(ap_prune_env *env, ap_error *err) {
  ap_score score;
  ap_status st;
  for (size_t t = 0; t < env->n_layers; t++) {
    const ap_keep_level *full = ap_level_db_level(env->db, t, ap_level_db_levels(env->db, t) - 1);
    env->dense[t] = (uint32_t)ap_level_db_levels(env->db, t);
    env->full_cost += cost_of(env, &full->map);
    env->dense_cost += ap_reward_counts_macs(env->reward.kind)
                           ? (double)full->map.macs
                           : hardware_dense(env->db, &full->map);
  }
  st = ap_evaluator_run(env->ev, 1, env->dense, &score, err);
  if (st) return st;
  env->dense_accuracy = score.accuracy;
  env->iface.evaluation_cost = (double)score.images;
  return AP_OK;
}

static ap_status identify(ap_prune_env *env, ap_error *err) {
  ap_hash *hash = NULL;
  ap_status st = ap_hash_create(&hash, err);
  if (st) return st;
  ap_hash_add(hash, ap_level_db_hash(env->db), strlen(ap_level_db_hash(env->db)));
  ap_hash_add(hash, &env->reward.kind, sizeof env->reward.kind);
  ap_hash_add(hash, &env->reward.max_loss, sizeof(double));
  ap_hash_add(hash, &env->reward.accuracy_weight, sizeof(double));
  ap_hash_add(hash, &env->reward.penalty, sizeof(double));
  ap_hash_add(hash, &env->iface.evaluation_cost, sizeof(double));
  ap_hash_add(hash, &env->dense_accuracy, sizeof(double));
  if (env->race_error > 0) ap_hash_add(hash, &env->race_error, sizeof(double));
  ap_hash_text(hash, env->identity);
  ap_hash_destroy(hash);
  return AP_OK;
}

ap_status ap_prune_env_create(const ap_level_db *db, ap_evaluator *ev, const ap_reward *reward,
                              ap_prune_env **out, ap_error *err) {
  ap_prune_env *env = NULL;
  ap_status st = ap_reward_check(reward, err);
  *out = NULL;
  if (st) return st;
  env = ap_calloc(1, sizeof *env);
  if (!env) return ap_fail(err, AP_ERR_MEMORY, "environment");
  env->db = db;
  env->ev = ev;
  env->reward = *reward;
  env->n_layers = ap_level_db_layers(db);
  env->iface = (ap_env){.self = env,
                        .n_steps = env->n_layers,
                        .n_features = N_FEATURES,
                        .identity = env->identity,
                        .observe = env_observe,
                        .snap = env_snap,
                        .n_levels = env_n_levels,
                        .level_action = env_level_action,
                        .action_level = env_action_level,
                        .level_cost = env_level_cost,
                        .evaluate = env_evaluate,
                        .tally = env_tally,
                        .set_tally = env_set_tally};
  env->features = ap_calloc(env->n_layers * N_STATIC, sizeof *env->features);
  env->dense = ap_calloc(env->n_layers, sizeof *env->dense);
  if (!env->features || !env->dense) st = ap_fail(err, AP_ERR_MEMORY, "environment");
  if (!st) fill_features(env);
  if (!st) st = measure_dense(env, err);
  if (!st) st = identify(env, err);
  if (!st) st = ap_env_check(&env->iface, err);
  if (!st) {
    *out = env;
    env = NULL;
  }
  ap_prune_env_destroy(env);
  return st;
}

ap_status ap_prune_env_race(ap_prune_env *env, double error, ap_error *err) {
  if (!(error >= 0 && error < 1)) {
    return ap_fail(err, AP_ERR_ARG, "error probability %g of a race: 0 to below 1 is expected",
                   error);
  }
  if (error > 0 && ap_evaluator_has_engine(env->ev)) {
    return ap_fail(err, AP_ERR_UNSUPPORTED, "races are the processor's: backend cpu is expected");
  }
  env->race_error = error;
  return identify(env, err);
}

void ap_prune_env_destroy(ap_prune_env *env) {
  if (!env) return;
  ap_free(env->features);
  ap_free(env->dense);
  ap_free(env);
}

const ap_env *ap_prune_env_interface(const ap_prune_env *env) { return &env->iface; }

double ap_prune_env_dense_accuracy(const ap_prune_env *env) { return env->dense_accuracy; }
