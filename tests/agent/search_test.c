#include "test_agent.h"
/* after CMocka's own */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/searcher.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/progress.h"
#include "toy_env.h"

static ap_search_options quick(const char *name) {
  ap_search_options o;
  assert_int_equal(ap_search_options_default(name, &o, NULL), AP_OK);
  o.episodes = 44;
  o.warmup = 12;
  o.hidden = 12;
  o.batch = 8;
  o.seed = 5;
  return o;
}

static ap_search_result *run(const char *name, const ap_search_options *o) {
  toy world = toy_eight();
  ap_env env = toy_env(&world);
  ap_search_result *r = NULL;
  ap_error err = {0};
  if (ap_search_run(name, o, &env, NULL, &r, &err)) fail_msg("%s: %s", name, err.text);
  return r;
}

static bool same_number(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static void assert_same(const ap_search_result *a, const ap_search_result *b) {
  assert_int_equal(a->n, b->n);
  assert_memory_equal(a->executed, b->executed, a->n * a->n_steps * sizeof(double));
  for (size_t i = 0; i < a->n; i++) {
    const ap_candidate *x = &a->candidates[i], *y = &b->candidates[i];
    assert_true(x->episode == i && y->episode == i);
    assert_true(x->outcome.reward == y->outcome.reward);
    assert_true(x->outcome.feasible == y->outcome.feasible);
    assert_true(x->outcome.loss == y->outcome.loss && x->image_forwards == y->image_forwards);
    assert_true(same_number(x->sigma, y->sigma));
    assert_true(same_number(x->critic_loss, y->critic_loss));
    assert_true(same_number(x->actor_loss, y->actor_loss));
  }
  assert_int_equal(a->best, b->best);
  assert_int_equal(a->n_front, b->n_front);
}

static void equal_seeds_give_equal_searches(void **state) {
  (void)state;
  for (size_t s = 0; ap_search_name(s); s++) {
    ap_search_options o = quick(ap_search_name(s));
    ap_search_result *a = run(ap_search_name(s), &o), *b = run(ap_search_name(s), &o), *c;
    assert_same(a, b);
    assert_true(a->n > 0 && a->n <= 44);
    o.seed = 6;
    c = run(ap_search_name(s), &o);
    if (strcmp(ap_search_name(s), "uniform") != 0) {
      assert_true(c->n != a->n ||
                  memcmp(a->executed, c->executed, a->n * a->n_steps * sizeof(double)) != 0);
    }
    ap_search_result_destroy(a);
    ap_search_result_destroy(b);
    ap_search_result_destroy(c);
  }
}

/* The warm-up round uniform policies: the first ones are uniform, the others near to one, and in the whole range; noise
 * falls to its floor; layers that are not explored get the actor's own action, so that with next to none explored the
 * episodes of one batch are equal. */
static void warmup_and_noise_of_ddpg(void **state) {
  toy world = toy_eight();
  ap_env env = toy_env(&world);
  ap_search_options o = quick("ddpg");
  ap_search_result *r;
  double least = 1, most = 0;
  (void)state;
  o.episodes = 60;
  o.warmup = 40;
  o.parallel = 4;
  o.warmup_spread = 1e-6;
  o.sigma = 0.2;
  o.sigma_decay = 0.5;
  o.sigma_least = 0.02;
  o.explored_share = 1e-12;
  o.leap_share = 0;
  r = run("ddpg", &o);
  for (size_t e = 0; e < 40; e++) {
    const double *a = r->candidates[e].executed;
    double wish = e < o.population ? 1 - (double)e / (double)o.population
                                   : fmod(0.5 + (double)e * 0.6180339887498949, 1.0);
    for (size_t t = 0; t < 8; t++) {
      double exact = env.snap(&world, t, wish), other = env.snap(&world, t, wish + 1e-5),
             under = env.snap(&world, t, wish - 1e-5);
      assert_true(a[t] == exact || (e >= o.population && (a[t] == other || a[t] == under)));
    }
    least = fmin(least, wish);
    most = fmax(most, wish);
  }
  assert_true(least < 0.05 && most == 1);
  for (size_t e = 40; e < 60; e++) {
    double sigma = fmax(0.2 * pow(0.5, (double)(e - 40)), 0.02);
    assert_true(fabs(r->candidates[e].sigma - sigma) < 1e-12);
    assert_memory_equal(r->candidates[e].executed, r->candidates[e / 4 * 4].executed,
                        8 * sizeof(double));
  }
  ap_search_result_destroy(r);
  /* Without noise, every episode leaps in one layer: of one batch, some differ in a layer, others do not. */
  o.leap_share = 1;
  o.warmup = 0;
  o.parallel = 60;
  r = run("ddpg", &o);
  for (size_t t = 0; t < 8; t++) {
    size_t differ = 0, same = 0;
    for (size_t e = 1; e < 60; e++) {
      double a = r->candidates[e].executed[t], b = r->candidates[e - 1].executed[t];
      differ += a < b || a > b;
      same += !(a < b || a > b);
    }
    assert_true(differ > 0 && same > 0);
  }
  ap_search_result_destroy(r);
}

/* At the end of the warm-up, wherever a batch ends, the agent learns from it at once. */
static void warmup_is_learned_from(void **state) {
  (void)state;
  for (size_t warmup = 7; warmup <= 9; warmup++) {
    ap_search_options o = quick("ddpg");
    ap_search_result *r;
    o.episodes = 20;
    o.warmup = warmup;
    o.parallel = 4;
    for (int learns = 0; learns < 2; learns++) {
      size_t end = (warmup + 3) / 4 * 4;
      o.warmup_updates = learns ? 5 : 0;
      r = run("ddpg", &o);
      for (size_t e = 0; e < 20; e++) {
        bool expected = e >= end || (e >= end - 4 && (learns || end > warmup));
        assert_int_equal(!isnan(r->candidates[e].critic_loss), expected);
      }
      ap_search_result_destroy(r);
    }
  }
}

static void any_number_of_parallel_episodes(void **state) {
  const size_t parallel[] = {1, 7, 8, 100};
  (void)state;
  for (size_t s = 0; ap_search_name(s); s++) {
    for (size_t i = 0; i < 4; i++) {
      ap_search_options o = quick(ap_search_name(s));
      toy world = toy_three();
      ap_env env = toy_env(&world);
      ap_search_result *r;
      o.parallel = parallel[i];
      assert_int_equal(ap_search_run(ap_search_name(s), &o, &env, NULL, &r, NULL), AP_OK);
      assert_true(r->n == world.evaluations && r->n <= 44);
      assert_true(world.largest_batch <= parallel[i]);
      if (parallel[i] <= 8) assert_int_equal(world.largest_batch, parallel[i]);
      for (size_t k = 0; k < r->n * r->n_steps; k++) {
        double a = r->executed[k];
        assert_true(a > 0 && a <= 1 && env.snap(&world, k % 3, a) == a);
      }
      ap_search_result_destroy(r);
    }
  }
}

/* The random numbers of an episode depend on its number only: so does the whole random search, and the
 * warm-up of the agent. */
static void random_search_does_not_depend_on_the_batch(void **state) {
  ap_search_options o = quick("random");
  ap_search_result *a, *b;
  (void)state;
  o.parallel = 1;
  a = run("random", &o);
  o.parallel = 8;
  b = run("random", &o);
  assert_same(a, b);
  ap_search_result_destroy(b);
  o = quick("ddpg");
  o.warmup_spread = 0;
  o.sigma = 0.5;
  b = run("ddpg", &o);
  assert_memory_equal(a->executed, b->executed, 12 * a->n_steps * sizeof(double));
  for (size_t i = 0; i < b->n; i++) {
    assert_int_equal(isnan(b->candidates[i].sigma), i < 12);
    assert_int_equal(isnan(b->candidates[i].critic_loss), i < 8); /* batches of 8 */
    if (i > 12) assert_true(b->candidates[i].sigma < b->candidates[i - 1].sigma);
  }
  assert_true(b->candidates[12].sigma == 0.5);
  ap_search_result_destroy(a);
  ap_search_result_destroy(b);
}

typedef struct {
  size_t calls, stop_at; /* answers INTERRUPTED at this call; SIZE_MAX: never */
  size_t last_episode;
} watcher;

static ap_status watch(void *context, const ap_candidate *c, ap_error *err) {
  watcher *w = context;
  assert_int_equal(c->episode, w->calls);
  assert_true(c->image_forwards == 100.0 * (double)(c->episode + 1));
  w->last_episode = c->episode;
  return w->calls++ == w->stop_at ? ap_fail(err, AP_ERR_INTERRUPTED, "stopped") : AP_OK;
}

/* Interrupted again and again, each time resumed: the same bits as in one go. */
static void resumed_equals_uninterrupted(void **state) {
  char path[64];
  (void)state;
  (void)snprintf(path, sizeof path, "agent_search_%ld.state", (long)getpid());
  for (size_t s = 0; ap_search_name(s); s++) {
    ap_search_options o = quick(ap_search_name(s));
    ap_search_result *whole, *parts = NULL;
    ap_status st = AP_ERR_INTERRUPTED;
    size_t rounds = 0;
    o.parallel = 4;
    o.limit_patience = 3; /* lessons change under way */
    whole = run(ap_search_name(s), &o);
    o.state_path = path;
    o.save_every = 1000; /* only what the interruption saves */
    (void)remove(path);
    while (st == AP_ERR_INTERRUPTED) {
      toy world = toy_eight();
      ap_env env = toy_env(&world);
      watcher w = {.stop_at = rounds * 9 + 5};
      ap_search_observer observer = {&w, watch};
      ap_error err = {0};
      o.resume = rounds > 0;
      st = ap_search_run(ap_search_name(s), &o, &env, &observer, &parts, &err);
      rounds++;
      if (st == AP_OK) assert_int_equal(w.calls, parts->n); /* all reported again */
      if (st == AP_OK) assert_true(world.tallied == (double)parts->n && parts->resumed_seconds > 0);
    }
    assert_int_equal(st, AP_OK);
    assert_true(rounds > 2);
    assert_same(whole, parts);
    ap_search_result_destroy(parts);
    /* A finished search is finished. */
    {
      toy world = toy_eight();
      ap_env env = toy_env(&world);
      assert_int_equal(ap_search_run(ap_search_name(s), &o, &env, NULL, &parts, NULL), AP_OK);
      assert_int_equal(world.evaluations, 0);
      assert_true(world.tallied == (double)parts->n);
      assert_true(parts->resumed_seconds > 0);
      assert_true(parts->resumed_seconds == parts->agent_seconds + parts->evaluation_seconds);
      assert_same(whole, parts);
    }
    ap_search_result_destroy(parts);
    ap_search_result_destroy(whole);
    (void)remove(path);
  }
}

/* A fault of the environment (or a killed process) leaves the state of the last save. */
static void a_fault_leaves_a_state_to_resume(void **state) {
  char path[64];
  ap_search_options o = quick("ddpg");
  ap_search_result *whole = run("ddpg", &o), *parts;
  toy world = toy_eight();
  ap_env env = toy_env(&world);
  ap_error err;
  (void)state;
  (void)snprintf(path, sizeof path, "agent_fault_%ld.state", (long)getpid());
  (void)remove(path);
  o.state_path = path;
  o.save_every = 10;
  world.fail_at = 35;
  assert_int_equal(ap_search_run("ddpg", &o, &env, NULL, &parts, &err), AP_ERR_DEVICE);
  assert_null(parts);
  assert_true(ap_file_exists(path));
  world.fail_at = 0;
  /* not silently thrown away */
  assert_int_equal(ap_search_run("ddpg", &o, &env, NULL, &parts, &err), AP_ERR_ARG);
  o.resume = true;
  world.evaluations = 0;
  assert_int_equal(ap_search_run("ddpg", &o, &env, NULL, &parts, &err), AP_OK);
  assert_int_equal(world.evaluations, 12); /* 32 were saved */
  assert_same(whole, parts);
  ap_search_result_destroy(parts);
  ap_search_result_destroy(whole);
  (void)remove(path);
}

static void states_that_do_not_fit_are_refused(void **state) {
  char path[64];
  ap_search_options o = quick("ddpg"), other;
  toy world = toy_eight();
  ap_env env = toy_env(&world);
  ap_search_result *r;
  ap_error err;
  char *data;
  size_t size;
  (void)state;
  (void)snprintf(path, sizeof path, "agent_misfit_%ld.state", (long)getpid());
  (void)remove(path);
  o.state_path = path;
  o.resume = true;
  assert_int_equal(ap_search_run("ddpg", &o, &env, NULL, &r, &err), AP_OK); /* no file yet */
  ap_search_result_destroy(r);
  other = o;
  other.tau = 0.02;
  assert_int_equal(ap_search_run("ddpg", &other, &env, NULL, &r, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "tau"));
  assert_int_equal(ap_search_run("random", &o, &env, NULL, &r, &err), AP_ERR_ARG);
  env.identity = "another network";
  assert_int_equal(ap_search_run("ddpg", &o, &env, NULL, &r, &err), AP_ERR_ARG);
  env.identity = "toy";
  assert_int_equal(ap_file_read(path, 1 << 24, &data, &size, &err), AP_OK);
  for (size_t cut = 0; cut < size; cut += size / 7 + 1) { /* truncated */
    assert_int_equal(ap_file_write(path, data, cut, true, &err), AP_OK);
    assert_int_equal(ap_search_run("ddpg", &o, &env, NULL, &r, &err), AP_ERR_FORMAT);
    assert_non_null(strstr(err.text, path));
    assert_null(r);
  }
  data[size / 2] ^= 1; /* one bit */
  assert_int_equal(ap_file_write(path, data, size, true, &err), AP_OK);
  assert_int_equal(ap_search_run("ddpg", &o, &env, NULL, &r, &err), AP_ERR_FORMAT);
  data[7]--; /* an older program's */
  assert_int_equal(ap_file_write(path, data, size, true, &err), AP_OK);
  assert_int_equal(ap_search_run("ddpg", &o, &env, NULL, &r, &err), AP_ERR_FORMAT);
  assert_non_null(strstr(err.text, "APSEARC4, APSEARC5 is expected"));
  ap_free(data);
  (void)remove(path);
  o.state_path = "no/such/folder/state";
  assert_int_equal(ap_search_run("ddpg", &o, &env, NULL, &r, &err), AP_ERR_IO);
}

static void the_budget_is_kept(void **state) {
  (void)state;
  for (size_t s = 0; ap_search_name(s); s++) {
    ap_search_options o = quick(ap_search_name(s));
    toy world = toy_eight();
    ap_env env = toy_env(&world);
    ap_search_result *r;
    ap_error err;
    o.budget = 2099; /* 20 candidates of 100 */
    assert_int_equal(ap_search_run(ap_search_name(s), &o, &env, NULL, &r, &err), AP_OK);
    assert_int_equal(r->n, 20);
    assert_true(r->image_forwards == 2000);
    ap_search_result_destroy(r);
    o.budget = 99;
    assert_int_equal(ap_search_run(ap_search_name(s), &o, &env, NULL, &r, &err), AP_ERR_ARG);
    assert_non_null(strstr(err.text, "99"));
    assert_null(r);
  }
}

/* Against plain loops over all candidates. */
static void best_top_and_front(void **state) {
  ap_search_options o = quick("random");
  ap_search_result *r;
  size_t top[10], n;
  (void)state;
  o.episodes = 300;
  r = run("random", &o);
  n = ap_search_top(r, 10, top);
  assert_int_equal(n, 10);
  assert_int_equal(top[0], r->best);
  assert_true(r->found);
  for (size_t i = 0; i < r->n; i++) {
    const ap_outcome *y = &r->candidates[i].outcome;
    bool in_top = false, dominated = false, in_front = false;
    for (size_t k = 0; k < n; k++) {
      in_top |= memcmp(r->candidates[top[k]].executed, r->candidates[i].executed,
                       8 * sizeof(double)) == 0;
    }
    if (!in_top) assert_true(y->reward <= r->candidates[top[9]].outcome.reward);
    for (size_t k = 0; k < r->n; k++) {
      const ap_outcome *z = &r->candidates[k].outcome;
      dominated |= (z->accuracy > y->accuracy && z->crossbars <= y->crossbars) ||
                   (z->accuracy >= y->accuracy && z->crossbars < y->crossbars) ||
                   (z->accuracy == y->accuracy && z->crossbars == y->crossbars && k < i);
    }
    for (size_t k = 0; k < r->n_front; k++) in_front |= r->front[k] == i;
    assert_true(in_front == !dominated);
  }
  for (size_t k = 1; k < n; k++) {
    assert_true(r->candidates[top[k]].outcome.reward <= r->candidates[top[k - 1]].outcome.reward);
  }
  for (size_t k = 1; k < r->n_front; k++) {
    assert_true(r->candidates[r->front[k]].outcome.crossbars >
                r->candidates[r->front[k - 1]].outcome.crossbars);
  }
  assert_int_equal(ap_search_top(r, 0, top), 0);
  ap_search_result_destroy(r);
}

static void bad_options_are_refused(void **state) {
  toy world = toy_three();
  ap_env env = toy_env(&world);
  ap_search_options good = quick("ddpg"), o;
  ap_search_result *r;
  ap_error err;
  (void)state;
  assert_int_equal(ap_search_options_default("best", &o, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "ddpg"));
  assert_int_equal(ap_search_run("best", &good, &env, NULL, &r, &err), AP_ERR_ARG);
  assert_null(ap_search_summary("best"));
  assert_non_null(ap_search_summary("ddpg"));
#define refuse(change) \
  o = good;            \
  change;              \
  assert_int_equal(ap_search_run("ddpg", &o, &env, NULL, &r, &err), AP_ERR_ARG)
  refuse(o.episodes = 0);
  refuse(o.parallel = 0);
  refuse(o.budget = -1);
  refuse(o.budget = NAN);
  refuse(o.keep_min = 1.5);
  refuse(o.sigma = 0);
  refuse(o.sigma = NAN);
  refuse(o.sigma_decay = 1.01);
  refuse(o.sigma_decay = 0);
  refuse(o.sigma_least = -1);
  refuse(o.explored_share = 0);
  refuse(o.warmup_share = 1.5);
  refuse(o.warmup_spread = NAN);
  refuse(o.hidden = 0);
  refuse(o.batch = 0);
  refuse(o.replay_episodes = 0);
  refuse(o.limit_patience = (size_t)2e9);
  refuse(o.updates_per_step = 0);
  refuse(o.actor_rate = 0);
  refuse(o.critic_rate = -1);
  refuse(o.tau = 0);
  refuse(o.discount = 2);
  refuse(o.baseline_rate = NAN);
  refuse(o.save_every = 0);
#undef refuse
  world.fail_at = 1;
  assert_int_equal(ap_search_run("random", &good, &env, NULL, &r, &err), AP_ERR_DEVICE);
}

static void lack_of_memory_is_reported(void **state) {
  (void)state;
  for (size_t s = 0; ap_search_name(s); s++) {
    ap_search_options o = quick(ap_search_name(s));
    o.episodes = 16;
    for (size_t n = 0;; n++) {
      toy world = toy_three();
      ap_env env = toy_env(&world);
      ap_search_result *r;
      ap_error err;
      ap_status st;
      ap_alloc_fail_after(n);
      st = ap_search_run(ap_search_name(s), &o, &env, NULL, &r, &err);
      ap_alloc_fail_after(SIZE_MAX);
      if (st == AP_OK) {
        assert_true(n > 3);
        ap_search_result_destroy(r);
        break;
      }
      assert_int_equal(st, AP_ERR_MEMORY);
      assert_null(r);
    }
  }
}

/* Last of all: the flag of a signal stays set. */
static void a_signal_ends_the_search_with_a_state(void **state) {
  char path[64];
  ap_search_options o = quick("ddpg");
  toy world = toy_eight();
  ap_env env = toy_env(&world);
  ap_search_result *r;
  ap_error err;
  (void)state;
  (void)snprintf(path, sizeof path, "agent_signal_%ld.state", (long)getpid());
  (void)remove(path);
  o.state_path = path;
  ap_interrupt_install();
  (void)raise(SIGTERM);
  assert_int_equal(ap_search_run("ddpg", &o, &env, NULL, &r, &err), AP_ERR_INTERRUPTED);
  assert_null(r);
  assert_int_equal(world.evaluations, 8); /* one batch */
  assert_true(ap_file_exists(path));
  (void)remove(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_seeds_give_equal_searches),
      cmocka_unit_test(warmup_and_noise_of_ddpg),
      cmocka_unit_test(warmup_is_learned_from),
      cmocka_unit_test(any_number_of_parallel_episodes),
      cmocka_unit_test(random_search_does_not_depend_on_the_batch),
      cmocka_unit_test(resumed_equals_uninterrupted),
      cmocka_unit_test(a_fault_leaves_a_state_to_resume),
      cmocka_unit_test(states_that_do_not_fit_are_refused),
      cmocka_unit_test(the_budget_is_kept),
      cmocka_unit_test(best_top_and_front),
      cmocka_unit_test(bad_options_are_refused),
      cmocka_unit_test(lack_of_memory_is_reported),
      cmocka_unit_test(a_signal_ends_the_search_with_a_state),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
