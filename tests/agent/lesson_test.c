/* Lessons whose slope rises while a learner stays beyond the limit. */
#include "agent/lesson_impl.h"
#include "test_agent.h"
/* after CMocka's own */
#include <math.h>

#include "agent/reward.h"
#include "agent/searcher.h"
#include "base/alloc.h"
#include "toy_env.h"

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

/* Of a reward without a limit nothing is beyond it. */
static void no_limit_no_patience(void **state) {
  const ap_outcome amc = judged(AP_REWARD_AMC, 0.5, 10);
  ap_lessons l;
  (void)state;
  assert_false(amc.feasible);
  open_lessons(&l, 3, 5);
  for (int i = 0; i < 20; i++) ap_lessons_add(&l, &amc, true);
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

/* One of three layers has 800 crossbars, the others 40 and 40; harm rises slowly to far beyond the limit, so that
 * under the lesson's own penalty the lightest policy of all is the best one. */
static double share_within(size_t limit_patience) {
  toy world = {.n_layers = 3,
               .levels = {40, 800, 40},
               .weight = {0.04, 0.12, 0.04},
               .power = {2, 2, 2},
               .dense_accuracy = 0.9,
               .reward = ap_reward_default()};
  const ap_env env = toy_env(&world);
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
  const double one_penalty = share_within(0), rising = share_within(64);
  (void)state;
  if (!(one_penalty < 0.1 && rising > 0.2))
    fail_msg("within the limit: %.2f with one penalty, %.2f with a rising one", one_penalty,
             rising);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(penalty_by_hand),      cmocka_unit_test(patience),
      cmocka_unit_test(no_limit_no_patience), cmocka_unit_test(what_is_remembered),
      cmocka_unit_test(the_agent_comes_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
