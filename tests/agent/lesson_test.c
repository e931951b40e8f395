/* Lessons whose slope rises while a learner stays beyond the limit. */
#include "agent/lesson_impl.h"
#include "test_agent.h"
/* after CMocka's own */
#include <math.h>

#include "agent/reward.h"
#include "agent/searcher.h"
#include "base/alloc.h"

#define LIMIT 0.01

static ap_outcome judged(ap_reward_kind kind, double accuracy, double crossbars) {
  ap_reward reward = ap_reward_default();
  ap_outcome y = {.accuracy = accuracy, .crossbars = crossbars};
  reward.kind = kind;
  reward.max_loss = LIMIT;
  ap_reward_fill(&reward, 0.9, 160, &y);
  return y;
}

static void open_lessons(ap_lessons *l, size_t capacity, size_t patience) {
  ap_error err = {0};
  if (ap_lessons_open(l, capacity, patience, &err)) fail_msg("%s", err.text);
}

/* By hand: 4 times fewer crossbars, 0.05 beyond the limit: ln 4 - penalty * ln(1 + 20 * 0.05). */
static void penalty_by_hand(void **state) {
  const ap_outcome beyond = judged(AP_REWARD_CONSTRAINED, 0.84, 40);
  const ap_outcome within = judged(AP_REWARD_CONSTRAINED, 0.895, 40);
  const ap_outcome amc = judged(AP_REWARD_AMC, 0.7, 40);
  ap_lessons l;
  (void)state;
  open_lessons(&l, 4, 1);
  for (int raised = 0; raised < 5; raised++) {
    assert_near(ap_lessons_of(&l, &beyond),
                log(4) - pow(2, raised) * log(1 + AP_LESSON_SLOPE * 0.05), 1e-9);
    assert_near(ap_lessons_of(&l, &within), within.reward, 0);
    assert_near(ap_lessons_of(&l, &amc), amc.reward, 0); /* which knows no limit */
    ap_lessons_add(&l, &beyond, true);
    assert_true(ap_lessons_raise(&l));
  }
  ap_lessons_close(&l);
}

/* Patience counts own outcomes in a row, and begins anew with each that is within the limit and each rise. */
static void patience(void **state) {
  const ap_outcome beyond = judged(AP_REWARD_CONSTRAINED, 0.5, 10);
  const ap_outcome within = judged(AP_REWARD_CONSTRAINED, 0.9, 100);
  ap_lessons l;
  (void)state;
  open_lessons(&l, 3, 5);
  for (int i = 0; i < 20; i++) ap_lessons_add(&l, &beyond, false);
  assert_false(ap_lessons_raise(&l));
  for (int i = 0; i < 4; i++) ap_lessons_add(&l, &beyond, true);
  assert_false(ap_lessons_raise(&l));
  ap_lessons_add(&l, &within, true);
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 5; i++) {
      assert_false(ap_lessons_raise(&l));
      ap_lessons_add(&l, &beyond, true);
    }
    assert_true(ap_lessons_raise(&l));
  }
  assert_near(l.penalty, 4, 0);
  ap_lessons_close(&l);
  open_lessons(&l, 3, 0);
  for (int i = 0; i < 100; i++) ap_lessons_add(&l, &beyond, true);
  assert_false(ap_lessons_raise(&l));
  ap_lessons_close(&l);
}

/* The last ones, newest first; the same after a state has been saved and read, and refused when it is cut. */
static void what_is_remembered(void **state) {
  ap_lessons l, again;
  ap_state_writer to = {0};
  ap_state_reader from = {0};
  (void)state;
  open_lessons(&l, 4, 2);
  open_lessons(&again, 4, 2);
  for (int i = 0; i < 11; i++) {
    const ap_outcome y = judged(AP_REWARD_CONSTRAINED, 0.5, 10 + i);
    ap_lessons_add(&l, &y, true);
    (void)ap_lessons_raise(&l);
  }
  ap_lessons_save(&l, &to);
  assert_false(to.failed);
  from = (ap_state_reader){.data = to.data, .size = to.size};
  ap_lessons_restore(&again, &from);
  assert_false(from.failed);
  assert_int_equal(from.at, to.size);
  for (size_t back = 0; back < 4; back++) {
    assert_near(ap_lessons_past(&l, back)->compression, 160.0 / (20 - (double)back), 1e-12);
    assert_near(ap_lessons_of(&again, ap_lessons_past(&again, back)),
                ap_lessons_of(&l, ap_lessons_past(&l, back)), 0);
  }
  assert_int_equal(again.beyond, l.beyond);
  from = (ap_state_reader){.data = to.data, .size = to.size - 1};
  ap_lessons_restore(&again, &from);
  assert_true(from.failed);
  ap_free(to.data);
  ap_lessons_close(&l);
  ap_lessons_close(&again);
}

/* ---- a layer that holds nearly everything -------------------------------------------------------
 * One of three layers has 800 crossbars, the others 40 and 40; harm rises slowly to far beyond the limit, so that under
 * the lesson's own slope the lightest policy of all is the best one. */
#define LEVELS 40
static double keep_of(size_t level) { return (double)(level + 1) / LEVELS; }
static size_t level_of(double action) {
  size_t level = 0;
  while (level + 1 < LEVELS && keep_of(level) < action - 1e-12) level++;
  return level;
}
static double crossbars_of(size_t t, double action) {
  return (t == 1 ? 20 : 1) * (double)(level_of(action) + 1);
}
static void observe(void *self, size_t t, const double *executed, double *features) {
  (void)self;
  features[0] = (double)t / 3;
  features[1] = t ? executed[t - 1] : 1;
}
static double snap(void *self, size_t t, double action) {
  (void)self;
  (void)t;
  return keep_of(level_of(action));
}
static size_t n_levels(void *self, size_t t) {
  (void)self;
  (void)t;
  return LEVELS;
}
static double level_action(void *self, size_t t, size_t level) {
  (void)self;
  (void)t;
  return keep_of(level);
}
static size_t action_level(void *self, size_t t, double action) {
  (void)self;
  (void)t;
  return level_of(action);
}
static double level_cost(void *self, size_t t, size_t level) {
  (void)self;
  return crossbars_of(t, keep_of(level));
}
static ap_status evaluate(void *self, size_t n, const double *executed, const ap_outcome *incumbent,
                          ap_outcome *out, ap_error *err) {
  ap_reward reward = ap_reward_default();
  (void)self;
  (void)incumbent;
  (void)err;
  reward.max_loss = LIMIT;
  for (size_t i = 0; i < n; i++) {
    double loss = 0, cost = 0;
    for (size_t t = 0; t < 3; t++) {
      const double pruned = 1 - executed[i * 3 + t];
      loss += (t == 1 ? 0.12 : 0.04) * pruned * pruned;
      cost += crossbars_of(t, executed[i * 3 + t]);
    }
    out[i] =
        (ap_outcome){.accuracy = 0.9 - loss, .loss = loss, .crossbars = cost, .image_forwards = 1};
    ap_reward_fill(&reward, 0.9, 880, &out[i]);
  }
  return AP_OK;
}

static double share_within(size_t limit_patience) {
  const ap_env env = {.n_steps = 3,
                      .n_features = 2,
                      .observe = observe,
                      .snap = snap,
                      .n_levels = n_levels,
                      .level_action = level_action,
                      .action_level = action_level,
                      .level_cost = level_cost,
                      .evaluate = evaluate};
  ap_search_options o;
  ap_search_result *result = NULL;
  ap_error err = {0};
  double within = 0;
  if (ap_search_options_default("ddpg", &o, &err)) fail_msg("%s", err.text);
  o.hidden = 64;
  o.limit_patience = limit_patience;
  if (ap_search_run("ddpg", &o, &env, NULL, &result, &err)) fail_msg("%s", err.text);
  for (size_t i = 300; i < result->n; i++) within += result->candidates[i].outcome.feasible;
  within /= (double)(result->n - 300);
  ap_search_result_destroy(result);
  return within;
}

static void the_agent_comes_back(void **state) {
  const double one_slope = share_within(0), rising = share_within(64);
  (void)state;
  if (!(one_slope < 0.1 && rising > 0.2))
    fail_msg("within the limit: %.2f with one slope, %.2f with a rising one", one_slope, rising);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(penalty_by_hand),
      cmocka_unit_test(patience),
      cmocka_unit_test(what_is_remembered),
      cmocka_unit_test(the_agent_comes_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
