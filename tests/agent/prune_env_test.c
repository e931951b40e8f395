/* The pruning environment on a real level database and evaluator of a small random network: the
 * rules of agent/env.h, prices against the database, the same answers in any order. */
#include "agent/prune_env.h"

#include <math.h>

#include "agent/searcher.h"
#include "base/hash.h"
#include "base/threads.h"
#include "tests/nn/answers.h"

#define STEPS 3
#define CANDIDATES 60

typedef struct {
  ap_network *net;
  ap_tech *tech;
  ap_pool *pool;
  ap_level_db *db;
  ap_evaluator *ev;
  ap_prune_env *env;
  const ap_env *face;
} world;

/* convolution 9 x 6, convolution 54 x 7, linear 112 x 10 */
static ap_network *three_layers(uint64_t seed) {
  ap_network *net = NULL, *out = NULL;
  size_t at;
  must(ap_network_create("three", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  at = put_conv(net, 6, 3, 1, 1, false, 0);
  at = put_plain(net, AP_NODE_BATCHNORM, at);
  at = put_plain(net, AP_NODE_RELU, at);
  at = put_conv(net, 7, 3, 2, 1, true, at);
  at = put_plain(net, AP_NODE_RELU, at);
  at = put_plain(net, AP_NODE_FLATTEN, at);
  (void)put_linear(net, 10, true, at);
  net->classes = 10;
  net->mean[0] = 0.3F;
  net->std[0] = 0.25F;
  randomise(net, seed);
  must(ap_network_fold(net, &out, &failure));
  ap_network_destroy(net);
  return out;
}

static ap_evaluator *evaluator_on(const world *w, const ap_dataset *data, ap_split split) {
  ap_evaluator_options options = {.n_threads = 2};
  ap_evaluator *ev = NULL;
  must(ap_evaluator_create(w->net, data, split, 0, &options, &ev, &failure));
  must(ap_level_db_register(w->db, ev, true, &failure));
  return ev;
}

static ap_evaluator *evaluator_of(const world *w) {
  return evaluator_on(w, images, AP_SPLIT_TRAIN);
}

static void open_world(world *w, ap_snap snap, const char *pruner) {
  ap_level_db_options options = ap_level_db_defaults();
  ap_reward reward = ap_reward_default();
  memset(w, 0, sizeof *w);
  w->net = three_layers(11);
  must(ap_tech_open("ou", &w->tech, &failure));
  must(ap_tech_override(w->tech, "array.rows", "27", &failure));
  must(ap_tech_override(w->tech, "array.cols", "16", &failure));
  must(ap_pool_create(2, &w->pool, &failure));
  must(ap_pruner_parse(pruner, &options.pruner, &failure));
  options.snap = snap;
  must(ap_level_db_create(w->net, w->tech, w->pool, NULL, &options, &w->db, &failure));
  w->ev = evaluator_of(w);
  must(ap_prune_env_create(w->db, w->ev, &reward, &w->env, &failure));
  w->face = ap_prune_env_interface(w->env);
  assert_int_equal(w->face->n_steps, STEPS);
}

static void close_world(world *w) {
  ap_prune_env_destroy(w->env);
  ap_evaluator_destroy(w->ev);
  ap_level_db_destroy(w->db);
  ap_pool_destroy(w->pool);
  ap_tech_close(w->tech);
  ap_network_destroy(w->net);
}

static void draw(const ap_env *env, uint64_t seed, size_t n, double *executed) {
  ap_rng rng;
  ap_rng_seed(&rng, seed, 0);
  for (size_t i = 0; i < n * STEPS; i++) {
    executed[i] = env->snap(env->self, i % STEPS, ap_rng_uniform(&rng));
  }
}

static void same_outcome(const ap_outcome *a, const ap_outcome *b) {
  assert_true(a->reward == b->reward);
  assert_true(a->accuracy == b->accuracy);
  assert_true(a->loss == b->loss);
  assert_true(a->accuracy_loss == b->accuracy_loss);
  assert_true(a->compression == b->compression);
  assert_true(a->crossbars == b->crossbars);
  assert_true(a->image_forwards == b->image_forwards);
  assert_int_equal(a->feasible, b->feasible);
}

static void snaps_to_levels(void **state) {
  static const char *const pruners[] = {"column-vector", "row-vector", "filter", "block"};
  static const ap_snap snaps[] = {AP_SNAP_CROSSBAR, AP_SNAP_OU, AP_SNAP_NONE};
  (void)state;
  for (size_t c = 0; c < 12; c++) {
    world w;
    const ap_env *env;
    open_world(&w, snaps[c % 3], pruners[c / 3]);
    env = w.face;
    must(ap_env_check(env, &failure));
    for (size_t t = 0; t < STEPS; t++) {
      double last = 0;
      size_t n = env->n_levels(env->self, t);
      assert_int_equal(n, ap_level_db_levels(w.db, t));
      for (int i = 0; i <= 1000; i++) {
        double wish = i / 1000.0, snapped = env->snap(env->self, t, wish);
        size_t level = env->action_level(env->self, t, wish);
        assert_true(snapped >= last); /* monotone */
        assert_true(env->snap(env->self, t, snapped) == snapped);
        assert_true(env->level_action(env->self, t, level) == snapped);
        assert_true(snapped >= wish); /* never less than asked for */
        last = snapped;
      }
      assert_true(last == 1.0);
    }
    close_world(&w);
  }
}

static void observes_within_bounds(void **state) {
  double executed[CANDIDATES * STEPS], x[32], all[STEPS] = {1, 1, 1};
  world w;
  const ap_env *env;
  size_t f;
  (void)state;
  open_world(&w, AP_SNAP_CROSSBAR, "column-vector");
  env = w.face;
  f = env->n_features;
  assert_true(f >= 3 && f <= 32);
  draw(env, 5, CANDIDATES, executed);
  for (size_t i = 0; i < CANDIDATES; i++) {
    double costs = 0, full = 0, saved = 0;
    for (size_t t = 0; t < STEPS; t++) {
      full += env->level_cost(env->self, t, env->n_levels(env->self, t) - 1);
    }
    for (size_t t = 0; t < STEPS; t++) {
      double *policy = executed + i * STEPS, own;
      for (size_t j = 0; j < f; j++) x[j] = NAN;
      env->observe(env->self, t, policy, x);
      for (size_t j = 0; j < f; j++) assert_true(x[j] >= 0 && x[j] <= 1);
      assert_true(fabs(x[f - 3] - saved / full) < 1e-12);
      assert_true(fabs(x[f - 2] - (full - costs) / full) < 1e-12);
      assert_true(x[f - 1] == (t ? policy[t - 1] : 1.0));
      own = env->level_cost(env->self, t, env->n_levels(env->self, t) - 1);
      saved += own - env->level_cost(env->self, t, env->action_level(env->self, t, policy[t]));
      costs += own;
    }
  }
  env->observe(env->self, STEPS - 1, all, x);
  assert_true(x[f - 3] == 0); /* nothing saved where all is kept */
  close_world(&w);
}

static void all_kept_is_the_reference(void **state) {
  const double all[STEPS] = {1, 1, 1};
  (void)state;
  for (int snap = AP_SNAP_CROSSBAR; snap <= AP_SNAP_OU; snap++) {
    double dense = 0, mapped = 0;
    uint32_t levels[STEPS], top[STEPS];
    ap_outcome out;
    ap_score score;
    world w;
    open_world(&w, (ap_snap)snap, "column-vector");
    must(w.face->evaluate(w.face->self, 1, all, NULL, &out, &failure));
    for (size_t t = 0; t < STEPS; t++) {
      const ap_map_summary *map = &ap_level_db_level(w.db, t, ap_level_db_levels(w.db, t) - 1)->map;
      dense += (double)(snap == AP_SNAP_CROSSBAR ? map->crossbars_dense : map->ous_dense);
      mapped += (double)(snap == AP_SNAP_CROSSBAR ? map->crossbars : map->ous);
      top[t] = (uint32_t)ap_level_db_levels(w.db, t); /* the evaluator counts from 1 */
    }
    must(ap_evaluator_run(w.ev, 1, top, &score, &failure));
    assert_true(out.accuracy == score.accuracy);
    assert_true(ap_prune_env_dense_accuracy(w.env) == score.accuracy);
    assert_true(out.accuracy_loss == 0);
    assert_true(out.crossbars == mapped);
    assert_true(out.compression == dense / mapped);
    assert_true(out.feasible);
    assert_true(out.image_forwards == (double)score.images);
    assert_true(w.face->evaluation_cost == (double)score.images);
    ap_prune_env_levels(w.env, all, levels);
    for (size_t t = 0; t < STEPS; t++) assert_int_equal(levels[t] + 1, top[t]);
    close_world(&w);
  }
}

/* One at a time, backwards, on an evaluator that has seen nothing: what the batch gave. */
static void answers_do_not_depend_on_order(void **state) {
  double executed[CANDIDATES * STEPS];
  ap_outcome batch[CANDIDATES], one;
  ap_reward reward = ap_reward_default();
  ap_evaluator *fresh;
  ap_prune_env *other = NULL;
  const ap_env *env;
  size_t different = 0;
  world w;
  (void)state;
  open_world(&w, AP_SNAP_CROSSBAR, "column-vector");
  draw(w.face, 6, CANDIDATES, executed);
  must(w.face->evaluate(w.face->self, CANDIDATES, executed, NULL, batch, &failure));
  fresh = evaluator_of(&w);
  must(ap_prune_env_create(w.db, fresh, &reward, &other, &failure));
  env = ap_prune_env_interface(other);
  assert_string_equal(env->identity, w.face->identity);
  for (size_t i = CANDIDATES; i-- > 0;) {
    must(env->evaluate(env->self, 1, executed + i * STEPS, NULL, &one, &failure));
    same_outcome(&one, &batch[i]);
    must(w.face->evaluate(w.face->self, 1, executed + i * STEPS, NULL, &one, &failure));
    same_outcome(&one, &batch[i]); /* asked again */
    different += batch[i].accuracy != batch[0].accuracy;
  }
  assert_true(different > 0); /* the levels do matter */
  must(env->evaluate(env->self, 0, executed, NULL, NULL, &failure));
  ap_prune_env_destroy(other);
  ap_evaluator_destroy(fresh);
  close_world(&w);
}

static void prices_add_up_and_rewards_rise(void **state) {
  double executed[CANDIDATES * STEPS];
  ap_outcome out[CANDIDATES];
  size_t dominated = 0;
  world w;
  (void)state;
  open_world(&w, AP_SNAP_CROSSBAR, "column-vector");
  draw(w.face, 7, CANDIDATES, executed);
  must(w.face->evaluate(w.face->self, CANDIDATES, executed, NULL, out, &failure));
  for (size_t i = 0; i < CANDIDATES; i++) {
    double sum = 0, dense = ap_prune_env_dense_accuracy(w.env);
    uint32_t levels[STEPS];
    ap_prune_env_levels(w.env, executed + i * STEPS, levels);
    for (size_t t = 0; t < STEPS; t++) {
      sum += (double)ap_level_db_level(w.db, t, levels[t])->map.crossbars;
    }
    assert_true(out[i].crossbars == sum);
    assert_true(out[i].compression == ap_level_db_dense_crossbars(w.db) / sum);
    assert_true(out[i].accuracy_loss == dense - out[i].accuracy);
    assert_int_equal(out[i].feasible, dense - out[i].accuracy <= 0.01 + 1e-9);
    for (size_t j = 0; j < CANDIDATES; j++) {
      if (out[j].accuracy < out[i].accuracy || out[j].crossbars > out[i].crossbars) continue;
      dominated += j != i;
      assert_true(out[j].reward >= out[i].reward);
    }
  }
  assert_true(dominated > 0);
  close_world(&w);
}

/* With a reward of multiply-accumulates the searcher sees those alone; the hardware's count stands apart. */
static void macs_in_place_of_crossbars(void **state) {
  static const ap_reward_kind kinds[] = {AP_REWARD_MACS, AP_REWARD_AMC_MACS};
  double executed[CANDIDATES * STEPS];
  ap_outcome out[CANDIDATES], crossbars[CANDIDATES];
  world w;
  (void)state;
  open_world(&w, AP_SNAP_CROSSBAR, "column-vector");
  draw(w.face, 7, CANDIDATES, executed);
  must(w.face->evaluate(w.face->self, CANDIDATES, executed, NULL, crossbars, &failure));
  for (size_t k = 0; k < 2; k++) {
    ap_reward reward = ap_reward_default();
    ap_prune_env *env = NULL;
    const ap_env *face;
    reward.kind = kinds[k];
    must(ap_prune_env_create(w.db, w.ev, &reward, &env, &failure));
    face = ap_prune_env_interface(env);
    must(ap_env_check(face, &failure));
    assert_string_not_equal(face->identity, w.face->identity);
    must(face->evaluate(face->self, CANDIDATES, executed, NULL, out, &failure));
    for (size_t i = 0; i < CANDIDATES; i++) {
      double macs = 0, dense = 0, cost, compression;
      uint32_t levels[STEPS];
      ap_prune_env_levels(env, executed + i * STEPS, levels);
      for (size_t t = 0; t < STEPS; t++) {
        const ap_map_summary *map = &ap_level_db_level(w.db, t, levels[t])->map;
        macs += (double)map->macs_kept;
        dense += (double)map->macs;
        assert_true(face->level_cost(face->self, t, levels[t]) == (double)map->macs_kept);
      }
      assert_true(out[i].crossbars == macs);
      assert_true(out[i].compression == dense / macs);
      if (k == 1) assert_true(out[i].reward == -(1 - out[i].accuracy) * log(macs));
      ap_prune_env_hardware(env, executed + i * STEPS, &cost, &compression);
      assert_true(cost == crossbars[i].crossbars && compression == crossbars[i].compression);
    }
    ap_prune_env_destroy(env);
  }
  close_world(&w);
}

static void identity_tells_limits_apart(void **state) {
  ap_reward reward = ap_reward_default();
  ap_prune_env *other = NULL;
  world w;
  (void)state;
  open_world(&w, AP_SNAP_CROSSBAR, "column-vector");
  reward.max_loss = 0.02;
  must(ap_prune_env_create(w.db, w.ev, &reward, &other, &failure));
  assert_string_not_equal(ap_prune_env_interface(other)->identity, w.face->identity);
  ap_prune_env_destroy(other);
  reward.max_loss = -0.01;
  assert_int_equal(ap_prune_env_create(w.db, w.ev, &reward, &other, &failure), AP_ERR_ARG);
  assert_null(other);
  close_world(&w);
}

/* A search with races: the best and the front are of whole evaluations, fewer images are charged, and scores are the
 * exact search's bit for bit. */
static void races_spare_images(void **state) {
  enum { IMAGES = 1500, EPISODES = 60 };
  ap_reward reward = ap_reward_default();
  ap_search_options options;
  ap_search_result *exact = NULL, *raced = NULL;
  ap_dataset *data;
  ap_evaluator *ev;
  ap_prune_env *env = NULL;
  size_t stopped = 0;
  char plain[AP_SHA256_TEXT];
  world w;
  (void)state;
  open_world(&w, AP_SNAP_OU, "column-vector");
  data = answers_of(w.net, IMAGES);
  ev = evaluator_on(&w, data, AP_SPLIT_TEST);
  reward.max_loss = 0.25;
  must(ap_prune_env_create(w.db, ev, &reward, &env, &failure));
  (void)snprintf(plain, sizeof plain, "%s", ap_prune_env_interface(env)->identity);
  must(ap_search_options_default("random", &options, &failure));
  options.episodes = EPISODES;
  must(ap_search_run("random", &options, ap_prune_env_interface(env), NULL, &exact, &failure));
  assert_int_equal(ap_prune_env_race(env, 1, &failure), AP_ERR_ARG);
  assert_int_equal(ap_prune_env_race(env, -0.1, &failure), AP_ERR_ARG);
  must(ap_prune_env_race(env, 1e-3, &failure));
  assert_string_not_equal(ap_prune_env_interface(env)->identity, plain);
  ap_evaluator_destroy(ev); /* another, whose cache knows nothing */
  ap_prune_env_destroy(env);
  ev = evaluator_on(&w, data, AP_SPLIT_TEST);
  must(ap_prune_env_create(w.db, ev, &reward, &env, &failure));
  must(ap_prune_env_race(env, 1e-3, &failure));
  must(ap_search_run("random", &options, ap_prune_env_interface(env), NULL, &raced, &failure));
  assert_int_equal(raced->n, exact->n);
  assert_int_equal(raced->best, exact->best);
  for (size_t i = 0; i < raced->n; i++) {
    const ap_outcome *a = &raced->candidates[i].outcome, *b = &exact->candidates[i].outcome;
    stopped += a->stopped;
    if (!a->stopped) same_outcome(a, b);
    if (a->stopped) assert_true(a->image_forwards < IMAGES);
  }
  assert_in_range(stopped, EPISODES / 4, EPISODES - 1);
  assert_true(raced->image_forwards < 0.9 * exact->image_forwards);
  for (size_t i = 0; i < raced->n_front; i++)
    assert_false(raced->candidates[raced->front[i]].outcome.stopped);
  ap_search_result_destroy(exact);
  ap_search_result_destroy(raced);
  ap_prune_env_destroy(env);
  ap_evaluator_destroy(ev);
  ap_dataset_destroy(data);
  close_world(&w);
}

static void survives_failing_allocations(void **state) {
  const double policy[2 * STEPS] = {1, 0, 1, 0, 1, 0};
  double snapped[2 * STEPS];
  ap_reward reward = ap_reward_default();
  ap_outcome out[2];
  world w;
  (void)state;
  open_world(&w, AP_SNAP_CROSSBAR, "column-vector");
  for (size_t i = 0;; i++) {
    ap_prune_env *env = NULL;
    ap_status st;
    ap_alloc_fail_after(i);
    st = ap_prune_env_create(w.db, w.ev, &reward, &env, &failure);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) {
      assert_true(i > 2);
      ap_prune_env_destroy(env);
      break;
    }
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(env);
  }
  for (size_t i = 0; i < 2 * STEPS; i++) {
    snapped[i] = w.face->snap(w.face->self, i % STEPS, policy[i]);
  }
  for (size_t i = 0;; i++) {
    ap_status st;
    ap_alloc_fail_after(i);
    st = w.face->evaluate(w.face->self, 2, snapped, NULL, out, &failure);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) {
      assert_true(i > 1);
      break;
    }
    assert_int_equal(st, AP_ERR_MEMORY);
  }
  close_world(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(snaps_to_levels),
                                     cmocka_unit_test(observes_within_bounds),
                                     cmocka_unit_test(all_kept_is_the_reference),
                                     cmocka_unit_test(answers_do_not_depend_on_order),
                                     cmocka_unit_test(prices_add_up_and_rewards_rise),
                                     cmocka_unit_test(macs_in_place_of_crossbars),
                                     cmocka_unit_test(identity_tells_limits_apart),
                                     cmocka_unit_test(races_spare_images),
                                     cmocka_unit_test(survives_failing_allocations)};
  return cmocka_run_group_tests(tests, open_images, close_images);
}
