#include "test_agent.h"
/* after CMocka's own */
#include <math.h>
#include <string.h>

#include "agent/ddpg.h"
#include "base/alloc.h"
#include "mlp_oracle.h"

#define FEATURES 4
#define HIDDEN 10

static ap_search_options small(void) {
  ap_search_options o;
  assert_int_equal(ap_search_options_default("ddpg", &o, NULL), AP_OK);
  o.hidden = HIDDEN;
  o.batch = 16;
  return o;
}

static void add(ap_replay *replay, size_t i, bool done) {
  const float state[FEATURES] = {(float)i, 1, 0, 0}, next[FEATURES] = {0};
  ap_transition t = {
      .state = state, .next = next, .action = 0.5f, .reward = (float)i, .done = done};
  ap_replay_add(replay, &t);
}

static void replay_keeps_the_newest(void **state) {
  ap_replay *r;
  (void)state;
  assert_int_equal(ap_replay_create(5, FEATURES, &r, NULL), AP_OK);
  assert_int_equal(ap_replay_size(r), 0);
  for (size_t i = 0; i < 12; i++) {
    add(r, i, i % 3 == 2);
    assert_int_equal(ap_replay_size(r), i < 5 ? i + 1 : 5);
  }
  for (size_t i = 0; i < 5; i++) {
    ap_transition t = ap_replay_at(r, i);
    assert_true(t.state[0] == (float)(7 + i) && t.reward == (float)(7 + i));
    assert_int_equal(t.done, (7 + i) % 3 == 2);
  }
  ap_replay_destroy(r);
}

/* Episodes of 4 steps, 64 of them: uniformly, every step of an episode is a quarter of the draws (20,000:
 * standard deviation 61). AMC's code draws the first step of the oldest episode only: 1 in 193. */
static void sampler_histograms(void **state) {
  ap_replay *r;
  ap_rng rng;
  (void)state;
  assert_int_equal(ap_replay_create(256, FEATURES, &r, NULL), AP_OK);
  for (size_t i = 0; i < 256; i++) add(r, i, i % 4 == 3);
  for (int amc = 0; amc < 2; amc++) {
    size_t count[4] = {0};
    ap_rng_seed(&rng, 17, 0);
    for (size_t i = 0; i < 20000; i++) {
      count[ap_replay_draw(r, amc ? AP_SAMPLER_AMC_CODE : AP_SAMPLER_UNIFORM, &rng) % 4]++;
    }
    for (size_t k = 0; k < 4; k++) {
      double share = amc ? (k == 0 ? 1.0 / 193 : 64.0 / 193) : 0.25;
      double spread = sqrt(20000 * share * (1 - share));
      assert_near((double)count[k], 20000 * share, 4 * spread);
    }
  }
  ap_replay_destroy(r);
}

/* The actor's loss is -mean over states of Q(s, actor(s)). */
static oracle actor_truth, critic_truth;

static double actor_loss(size_t n, const float *states) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    double pair[FEATURES + 1], q;
    for (size_t k = 0; k < FEATURES; k++) pair[k] = (double)states[i * FEATURES + k];
    oracle_forward(&actor_truth, pair, &pair[FEATURES]);
    oracle_forward(&critic_truth, pair, &q);
    sum -= q;
  }
  return sum / (double)n;
}

static void actor_gradient_goes_through_the_critic(void **state) {
  const size_t actor[] = {FEATURES, HIDDEN, HIDDEN, 1},
               critic[] = {FEATURES + 1, HIDDEN, HIDDEN, 1};
  const double h = 1e-6;
  ap_search_options o = small();
  float states[7 * FEATURES];
  double largest = 0;
  ap_rng rng;
  ap_ddpg *d;
  (void)state;
  o.invert_gradients = false;
  assert_int_equal(ap_ddpg_create(&o, FEATURES, 50, 1, &d, NULL), AP_OK);
  ap_rng_seed(&rng, 2, 0);
  for (size_t i = 0; i < 7 * FEATURES; i++) states[i] = (float)ap_rng_uniform(&rng);
  /* Fresh networks have faint slopes: three times the weights make them plain. */
  for (size_t l = 0; l < 3; l++) {
    for (size_t i = 0; i <= critic[l]; i++) {
      for (size_t j = 0; j < critic[l + 1]; j++) *ap_mlp_parameter(ap_ddpg_critic(d), l, i, j) *= 3;
    }
  }
  oracle_copy(&actor_truth, ap_ddpg_actor(d), 3, actor, true);
  oracle_copy(&critic_truth, ap_ddpg_critic(d), 3, critic, false);
  assert_near(ap_ddpg_actor_gradient(d, 7, states), actor_loss(7, states), 1e-6);
  for (size_t l = 0; l < 3; l++) {
    for (size_t i = 0; i <= actor[l]; i++) {
      for (size_t j = 0; j < actor[l + 1]; j++) {
        double *v = oracle_parameter(&actor_truth, l, i, j), old = *v, up, down;
        double got = (double)ap_mlp_gradient(ap_ddpg_actor(d), l, i, j);
        *v = old + h;
        up = actor_loss(7, states);
        *v = old - h;
        down = actor_loss(7, states);
        *v = old;
        assert_near(got, (up - down) / (2 * h), 1e-6);
        largest = fmax(largest, fabs(got));
      }
    }
  }
  assert_true(largest > 1e-3); /* else the tolerance would say nothing */
  ap_ddpg_destroy(d);
}

/* One state, so that the output bias has gradient slope * a (1 - a), or, inverted, slope times the room
 * left: both ways, and far up the sigmoid. */
static void inverted_gradients_leave_room(void **state) {
  const float x[FEATURES] = {0.3f, 0.6f, 0.1f, 0.9f};
  (void)state;
  for (int sign = -1; sign <= 1; sign += 2) {
    double gradient[2], a = 0;
    for (int inverted = 0; inverted < 2; inverted++) {
      ap_search_options o = small();
      float action;
      ap_ddpg *d;
      o.invert_gradients = inverted;
      assert_int_equal(ap_ddpg_create(&o, FEATURES, 50, 1, &d, NULL), AP_OK);
      *ap_mlp_parameter(ap_ddpg_actor(d), 2, HIDDEN, 0) = 7;
      for (size_t j = 0; j < HIDDEN; j++) { /* a critic that rises or falls with the action */
        *ap_mlp_parameter(ap_ddpg_critic(d), 0, FEATURES, j) = 2;
        for (size_t k = 0; k < HIDDEN; k++) *ap_mlp_parameter(ap_ddpg_critic(d), 1, k, j) = 1;
        *ap_mlp_parameter(ap_ddpg_critic(d), 2, j, 0) = (float)sign;
      }
      ap_ddpg_act(d, 1, x, &action);
      a = (double)action;
      (void)ap_ddpg_actor_gradient(d, 1, x);
      gradient[inverted] = (double)ap_mlp_gradient(ap_ddpg_actor(d), 2, HIDDEN, 0);
      ap_ddpg_destroy(d);
    }
    assert_true(a > 0.998 && gradient[0] * sign < 0);
    assert_near(gradient[1] / gradient[0], sign > 0 ? 1 / a : 1 / (1 - a), sign > 0 ? 1e-3 : 1);
  }
}

/* One state, one action, one reward: with one stored step that ends its episode and no baseline, the
 * critic must learn the reward, with or without bootstrapping. */
static void critic_learns_the_reward(void **state) {
  (void)state;
  for (int bootstrap = 0; bootstrap < 2; bootstrap++) {
    ap_search_options o = small();
    double critic = 1, actor;
    ap_ddpg *d;
    o.bootstrap = bootstrap;
    o.baseline_rate = 0;
    o.actor_rate = 1e-9;
    assert_int_equal(ap_ddpg_create(&o, FEATURES, 50, 1, &d, NULL), AP_OK);
    add(ap_ddpg_replay(d), 1, true);
    for (int i = 0; i < 600; i++) ap_ddpg_update(d, &critic, &actor);
    assert_true(critic < 1e-4);
    ap_ddpg_destroy(d);
  }
}

/* Two steps of one episode, reward 1 at both (AMC copies the episode's reward to every step), discount 1:
 * with bootstrapping the last step is worth 1 and the first 1 + Q(next) = 2. */
static void bootstrapping_adds_what_follows(void **state) {
  const float first[FEATURES] = {1, 0, 0, 0}, second[FEATURES] = {0, 1, 0, 0}, end[FEATURES] = {0};
  ap_search_options o = small();
  float pairs[2 * (FEATURES + 1)] = {1, 0, 0, 0, 0.5f, 0, 1, 0, 0, 0}, q[2];
  double critic, actor;
  ap_ddpg *d;
  (void)state;
  o.bootstrap = true;
  o.baseline_rate = 0;
  o.actor_rate = 1e-9;
  o.tau = 0.1;
  assert_int_equal(ap_ddpg_create(&o, FEATURES, 50, 2, &d, NULL), AP_OK);
  /* The second state's action is what the (nearly constant) actor does there. */
  ap_ddpg_act(d, 1, second, &pairs[2 * FEATURES + 1]);
  ap_replay_add(ap_ddpg_replay(d), &(ap_transition){first, second, 0.5f, 1, false});
  ap_replay_add(ap_ddpg_replay(d), &(ap_transition){second, end, pairs[2 * FEATURES + 1], 1, true});
  for (int i = 0; i < 2000; i++) ap_ddpg_update(d, &critic, &actor);
  ap_mlp_forward(ap_ddpg_critic(d), 2, pairs, q);
  assert_near((double)q[0], 2, 0.05);
  assert_near((double)q[1], 1, 0.05);
  ap_ddpg_destroy(d);
}

static void fill(ap_ddpg *d, size_t n) {
  ap_rng rng;
  ap_rng_seed(&rng, 9, 0);
  for (size_t i = 0; i < n; i++) {
    float s[2 * FEATURES];
    for (size_t k = 0; k < 2 * FEATURES; k++) s[k] = (float)ap_rng_uniform(&rng);
    ap_replay_add(ap_ddpg_replay(d), &(ap_transition){s, s + FEATURES, (float)ap_rng_uniform(&rng),
                                                      (float)ap_rng_normal(&rng), i % 4 == 3});
  }
}

static void a_saved_agent_continues_equally_and_allocates_nothing(void **state) {
  ap_search_options o = small();
  ap_ddpg *a, *b;
  size_t bytes, before;
  char *saved;
  (void)state;
  o.bootstrap = true;
  assert_int_equal(ap_ddpg_create(&o, FEATURES, 50, 1, &a, NULL), AP_OK);
  o.seed = 99; /* all of it must come from the block */
  assert_int_equal(ap_ddpg_create(&o, FEATURES, 50, 1, &b, NULL), AP_OK);
  fill(a, 70);
  bytes = ap_ddpg_state_bytes(a);
  saved = ap_calloc(bytes, 1);
  before = ap_alloc_count();
  for (int i = 0; i < 5; i++) {
    double c, l;
    ap_ddpg_update(a, &c, &l);
  }
  assert_int_equal(ap_alloc_count(), before);
  ap_ddpg_state_get(a, saved);
  assert_true(ap_ddpg_state_set(b, saved));
  for (int i = 0; i < 5; i++) {
    double c[2], l[2];
    ap_ddpg_update(a, &c[0], &l[0]);
    ap_ddpg_update(b, &c[1], &l[1]);
    assert_true(c[0] == c[1] && l[0] == l[1]);
  }
  memset(saved + bytes - ap_replay_state_bytes(ap_ddpg_replay(a)), 0xff, 16); /* size, start */
  assert_false(ap_ddpg_state_set(b, saved));
  ap_free(saved);
  ap_ddpg_destroy(a);
  ap_ddpg_destroy(b);
}

static void lack_of_memory_is_reported(void **state) {
  ap_search_options o = small();
  ap_ddpg *d;
  ap_replay *r;
  ap_error err;
  (void)state;
  for (size_t n = 0;; n++) {
    ap_status st;
    ap_alloc_fail_after(n);
    st = ap_ddpg_create(&o, FEATURES, 50, 3, &d, &err);
    ap_alloc_fail_after(SIZE_MAX);
    if (st == AP_OK) {
      assert_true(n > 40);
      break;
    }
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(d);
  }
  ap_ddpg_destroy(d);
  assert_int_equal(ap_replay_create(0, 1, &r, &err), AP_ERR_ARG);
  assert_int_equal(ap_replay_create(1, 0, &r, &err), AP_ERR_ARG);
  ap_ddpg_destroy(NULL);
  ap_replay_destroy(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(replay_keeps_the_newest),
      cmocka_unit_test(sampler_histograms),
      cmocka_unit_test(actor_gradient_goes_through_the_critic),
      cmocka_unit_test(inverted_gradients_leave_room),
      cmocka_unit_test(critic_learns_the_reward),
      cmocka_unit_test(bootstrapping_adds_what_follows),
      cmocka_unit_test(a_saved_agent_continues_equally_and_allocates_nothing),
      cmocka_unit_test(lack_of_memory_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
