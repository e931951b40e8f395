#include "test_agent.h"
/* after CMocka's own */
#include <math.h>
#include <string.h>

#include "agent/env.h"
#include "agent/reward.h"
#include "toy_env.h"

#define DENSE_ACCURACY 0.9
#define DENSE_CROSSBARS 160.0

static ap_outcome judged(const ap_reward *r, double accuracy, double crossbars) {
  ap_outcome y = {.accuracy = accuracy, .crossbars = crossbars};
  ap_reward_fill(r, DENSE_ACCURACY, DENSE_CROSSBARS, &y);
  return y;
}

/* By hand: 160/40 = 4 times fewer crossbars at a loss of 0.004, limit 0.01: ln 4 + 0.006. */
static void constrained_by_hand(void **state) {
  ap_reward r = ap_reward_default();
  ap_outcome y = judged(&r, 0.896, 40);
  (void)state;
  assert_true(y.feasible);
  assert_near(y.accuracy_loss, 0.004, 1e-12);
  assert_near(y.compression, 4, 1e-12);
  assert_near(y.reward, log(4) + 0.006, 1e-12);
  assert_true(y.lesson == y.reward);
  y = judged(&r, 0.79, 40); /* loss 0.11, excess 0.10, penalty 2 */
  assert_false(y.feasible);
  assert_near(y.reward, -0.2, 1e-12);
  assert_near(y.lesson, log(4) - log(3), 1e-12); /* 1 + 20 * 0.10 */
}

/* What is taught has no step at the limit, never rises with the loss, and is the reward where nothing is limited. */
static void lesson_is_the_reward_without_the_step(void **state) {
  (void)state;
  for (int kind = 0; kind <= AP_REWARD_AMC_MACS; kind++) {
    ap_reward r = ap_reward_default();
    bool limited = kind == AP_REWARD_CONSTRAINED || kind == AP_REWARD_MACS;
    double last = -INFINITY, limit = DENSE_ACCURACY - r.max_loss;
    r.kind = (ap_reward_kind)kind;
    for (double accuracy = 0; accuracy <= 1; accuracy += 1.0 / 512) {
      ap_outcome y = judged(&r, accuracy, 40);
      if (!limited || y.feasible) assert_true(y.lesson == y.reward);
      assert_true(y.lesson >= last);
      last = y.lesson;
    }
    if (limited) {
      double step = judged(&r, limit, 40).lesson - judged(&r, limit - 1e-6, 40).lesson;
      assert_true(step > 0 && step < 1e-4);
      assert_true(judged(&r, limit, 40).reward - judged(&r, limit - 1e-6, 40).reward > 1);
    }
  }
}

static void constrained_orders_as_promised(void **state) {
  ap_reward r = ap_reward_default();
  (void)state;
  for (double crossbars = 1; crossbars < 200; crossbars += 7) {
    double last = -INFINITY;
    for (double accuracy = 0; accuracy <= 1; accuracy += 1.0 / 512) {
      ap_outcome y = judged(&r, accuracy, crossbars);
      assert_true(y.reward >= last); /* more accuracy, same crossbars: never worse */
      assert_true(y.feasible ? y.reward >= 0 : y.reward < 0);
      assert_true(y.feasible == (y.accuracy_loss <= r.max_loss + 1e-9));
      if (y.feasible) {
        assert_true(judged(&r, accuracy, crossbars + 1).reward <= y.reward);
        if (crossbars + 1 < DENSE_CROSSBARS) {
          assert_true(judged(&r, accuracy, crossbars + 1).reward < y.reward);
        }
      } else {
        assert_true(y.reward > last);
      }
      last = y.reward;
    }
  }
}

/* The most a candidate may lose: a little less still beats the incumbent, a little more does not. */
static void most_loss_is_where_the_incumbent_is_met(void **state) {
  static const double crossbars[] = {1, 2, 20, 40, 80, 159, 160};
  (void)state;
  for (int kind = 0; kind <= AP_REWARD_AMC_MACS; kind++) {
    ap_reward r = ap_reward_default();
    r.kind = (ap_reward_kind)kind;
    assert_true(ap_reward_most_loss(&r, DENSE_ACCURACY, DENSE_CROSSBARS, 40, NULL) >= HUGE_VAL);
    for (double accuracy = 0.7; accuracy <= 1; accuracy += 0.0125) {
      ap_outcome best = judged(&r, accuracy, 50);
      for (size_t i = 0; i < sizeof crossbars / sizeof crossbars[0]; i++) {
        const double most =
            ap_reward_most_loss(&r, DENSE_ACCURACY, DENSE_CROSSBARS, crossbars[i], &best);
        for (double loss = -0.09; loss < 0.9; loss += 0.0049) {
          ap_outcome y = judged(&r, DENSE_ACCURACY - loss, crossbars[i]);
          const bool wins = y.feasible != best.feasible ? y.feasible : y.reward >= best.reward;
          if (fabs(loss - most) > 1e-8) assert_int_equal(wins, loss < most);
        }
      }
    }
  }
}

static void a_limit_met_exactly_is_met(void **state) {
  ap_reward r = ap_reward_default();
  /* 2287 and 2262 of 2500 images: the loss is 25/2500, which is not 0.01 in doubles. */
  ap_outcome y = {.accuracy = 2262.0 / 2500, .crossbars = 10};
  (void)state;
  ap_reward_fill(&r, 2287.0 / 2500, 100, &y);
  assert_true(y.feasible && y.reward >= log(10) - 1e-8);
  y.accuracy = 2261.0 / 2500;
  ap_reward_fill(&r, 2287.0 / 2500, 100, &y);
  assert_false(y.feasible);
}

static void amc_and_accuracy(void **state) {
  ap_reward r = ap_reward_default();
  (void)state;
  r.kind = AP_REWARD_AMC;
  assert_near(judged(&r, 0.75, 100).reward, -0.25 * log(100), 1e-12);
  assert_true(judged(&r, 0.76, 100).reward > judged(&r, 0.75, 100).reward);
  assert_true(judged(&r, 0.75, 99).reward > judged(&r, 0.75, 100).reward);
  r.kind = AP_REWARD_ACCURACY;
  assert_true(judged(&r, 0.75, 100).reward == 0.75);
  assert_true(judged(&r, 0.75, 3).reward == 0.75);
}

static void odd_values_stay_finite(void **state) {
  ap_reward r = ap_reward_default();
  (void)state;
  for (int kind = 0; kind < 5; kind++) {
    r.kind = (ap_reward_kind)kind;
    assert_true(isfinite(judged(&r, NAN, 10).reward));
    assert_true(isfinite(judged(&r, 0.9, 0).reward)); /* all layers gone */
    assert_false(judged(&r, NAN, 10).feasible);
  }
}

static void names_and_ranges(void **state) {
  ap_reward r = ap_reward_default();
  ap_reward_kind kind;
  ap_error err;
  (void)state;
  for (int k = 0; k < 5; k++) {
    assert_int_equal(ap_reward_parse(ap_reward_name((ap_reward_kind)k), &kind, &err), AP_OK);
    assert_int_equal(kind, k);
  }
  assert_int_equal(ap_reward_parse("best", &kind, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "best"));
  assert_int_equal(ap_reward_check(&r, &err), AP_OK);
  r.max_loss = -0.01;
  assert_int_equal(ap_reward_check(&r, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "-0.01"));
  r.max_loss = NAN;
  assert_int_equal(ap_reward_check(&r, &err), AP_ERR_ARG);
  r = ap_reward_default();
  r.penalty = 0;
  assert_int_equal(ap_reward_check(&r, &err), AP_ERR_ARG);
  r = ap_reward_default();
  r.accuracy_weight = INFINITY;
  assert_int_equal(ap_reward_check(&r, &err), AP_ERR_ARG);
}

static double wrong_cost(void *self, size_t t, size_t k) {
  (void)self;
  return t == 1 ? 1.5 : (double)k;
}

static double flat_cost(void *self, size_t t, size_t k) {
  (void)self;
  (void)t;
  (void)k;
  return 3;
}

static double low_action(void *self, size_t t, size_t k) {
  (void)self;
  (void)t;
  return (double)k / 100;
}

static void environments_against_the_rules_are_refused(void **state) {
  toy world = toy_three();
  ap_env env = toy_env(&world);
  ap_error err;
  (void)state;
  assert_int_equal(ap_env_check(&env, &err), AP_OK);
  env.level_cost = wrong_cost;
  assert_int_equal(ap_env_check(&env, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "step 1"));
  env.level_cost = flat_cost;
  assert_int_equal(ap_env_check(&env, &err), AP_ERR_ARG);
  env = toy_env(&world);
  env.level_action = low_action;
  assert_int_equal(ap_env_check(&env, &err), AP_ERR_ARG);
  env = toy_env(&world);
  env.evaluate = NULL;
  assert_int_equal(ap_env_check(&env, &err), AP_ERR_ARG);
  env = toy_env(&world);
  env.n_steps = 0;
  assert_int_equal(ap_env_check(&env, &err), AP_ERR_ARG);
  env = toy_env(&world);
  env.evaluation_cost = NAN;
  assert_int_equal(ap_env_check(&env, &err), AP_ERR_ARG);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(constrained_by_hand),
      cmocka_unit_test(lesson_is_the_reward_without_the_step),
      cmocka_unit_test(constrained_orders_as_promised),
      cmocka_unit_test(most_loss_is_where_the_incumbent_is_met),
      cmocka_unit_test(a_limit_met_exactly_is_met),
      cmocka_unit_test(amc_and_accuracy),
      cmocka_unit_test(odd_values_stay_finite),
      cmocka_unit_test(names_and_ranges),
      cmocka_unit_test(environments_against_the_rules_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
