/* Prints the tables of docs/SEARCH.md: what the searchers, and ddpg without each of its changes, reach on the toy
 * problems. `toy_table [SEEDS]` (default 10); some minutes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/searcher.h"
#include "tests/agent/toy_env.h"

static const struct {
  const char *name;
  bool entangled;
  size_t episodes;
} columns[] = {
    {"additive, 100", false, 100},
    {"additive, 400", false, 400},
    {"entangled, 100", true, 100},
    {"entangled, 400", true, 400},
};
#define N_COLUMNS (sizeof columns / sizeof columns[0])

typedef void change(ap_search_options *o);

static void independent_warmup(ap_search_options *o) { o->warmup_spread = 0; }
static void no_warmup_updates(ap_search_options *o) { o->warmup_updates = 0; }
static void noise_of_amc(ap_search_options *o) {
  o->sigma = 0.5;
  o->sigma_decay = 0.95;
  o->sigma_least = 0;
}
static void all_layers_explored(ap_search_options *o) { o->explored_share = 1; }
static void no_leaps(ap_search_options *o) { o->leap_share = 0; }
static void step_at_limit(ap_search_options *o) { o->soften_limit = false; }
static void wishes_stored(ap_search_options *o) { o->store_executed = false; }
static void bootstrapped(ap_search_options *o) { o->bootstrap = true; }
static void one_penalty(ap_search_options *o) { o->limit_patience = 0; }
static void long_replay(ap_search_options *o) { o->replay_episodes = 100; }
static void one_update(ap_search_options *o) { o->updates_per_step = 1; }
static void slow_actor(ap_search_options *o) { o->actor_rate = 1e-4; }
static void plain_sigmoid(ap_search_options *o) { o->invert_gradients = false; }

static const struct {
  const char *name;
  change *change;
} ablations[] = {
    {"warm-up: every layer by itself", independent_warmup},
    {"no updates at the end of the warm-up", no_warmup_updates},
    {"noise 0.5 * 0.95^e", noise_of_amc},
    {"noise in every layer", all_layers_explored},
    {"no leaps", no_leaps},
    {"the reward itself, with its step", step_at_limit},
    {"one penalty beyond the limit", one_penalty},
    {"wishes stored", wishes_stored},
    {"bootstrapped critic", bootstrapped},
    {"replay of 100 episodes", long_replay},
    {"1 update a step", one_update},
    {"actor's rate 1e-4", slow_actor},
    {"the sigmoid's own slope", plain_sigmoid},
};

static bool reach(const char *searcher, change *how, size_t column, size_t seeds, double *mean,
                  double *worst) {
  *mean = 0;
  *worst = INFINITY;
  for (size_t seed = 1; seed <= seeds; seed++) {
    toy world = columns[column].entangled ? toy_entangled() : toy_eight();
    ap_env env = toy_env(&world);
    ap_search_options o;
    ap_search_result *result = NULL;
    ap_error err = {0};
    double best;
    ap_status st = ap_search_options_default(searcher, &o, &err);
    o.seed = seed;
    o.episodes = columns[column].episodes;
    o.parallel = 8;
    o.keep_min = 0;
    o.hidden = 64;
    if (how) how(&o);
    if (!st) st = ap_search_run(searcher, &o, &env, NULL, &result, &err);
    if (st) {
      (void)fprintf(stderr, "%s: %s\n", searcher, err.text);
      return false;
    }
    best = result->candidates[result->best].outcome.reward;
    *mean += best / (double)seeds;
    *worst = fmin(*worst, best);
    ap_search_result_destroy(result);
  }
  return true;
}

static bool row(const char *title, const char *searcher, change *how, size_t seeds) {
  (void)printf("| %s |", title);
  for (size_t c = 0; c < N_COLUMNS; c++) {
    double mean, worst;
    if (!reach(searcher, how, c, seeds, &mean, &worst)) return false;
    (void)printf(" %.3f (%.3f) |", mean, worst);
    (void)fflush(stdout);
  }
  (void)printf("\n");
  return true;
}

static void head(const char *title) {
  (void)printf("| %s |", title);
  for (size_t c = 0; c < N_COLUMNS; c++) (void)printf(" %s |", columns[c].name);
  (void)printf("\n|---|");
  for (size_t c = 0; c < N_COLUMNS; c++) (void)printf("---|");
  (void)printf("\n");
}

int main(int argc, char **argv) {
  long seeds = argc > 1 ? strtol(argv[1], NULL, 10) : 10;
  if (argc > 2 || seeds < 1 || seeds > 1000) {
    (void)fprintf(stderr, "usage: toy_table [SEEDS], 1 to 1000\n");
    return 2;
  }
  head("searcher");
  (void)printf("| optimum |");
  for (size_t c = 0; c < N_COLUMNS; c++) {
    toy world = columns[c].entangled ? toy_entangled() : toy_eight();
    (void)printf(" %.3f |", toy_brute_force(&world));
  }
  (void)printf("\n");
  for (size_t i = 0; ap_search_name(i); i++) {
    if (!row(ap_search_name(i), ap_search_name(i), NULL, (size_t)seeds)) return 1;
  }
  (void)printf("\n");
  head("ddpg, but");
  for (size_t i = 0; i < sizeof ablations / sizeof ablations[0]; i++) {
    if (!row(ablations[i].name, "ddpg", ablations[i].change, (size_t)seeds)) return 1;
  }
  return 0;
}
