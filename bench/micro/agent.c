/* bench/micro/agent.c - one update of the agent against one candidate's evaluation: how much of a
 * search goes into learning. A search makes `updates_per_step` x layers updates for a candidate. */
#include <math.h>

#include "agent/ddpg.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "bench/benchmark.h"
#include "bench/micro/micro_impl.h"

enum { IMAGES = 500, FEATURES = 11, TRANSITIONS = 2000, LEARNING = 400 };

typedef struct {
  ap_micro_pair pair;
  ap_ddpg *agent;
  double critic_loss, actor_loss;
} agent_problem;

static void teardown(void *problem) {
  agent_problem *p = problem;
  ap_micro_pair_close(&p->pair);
  ap_ddpg_destroy(p->agent);
  ap_free(p);
}

/* Episodes of one step whose reward is a smooth function of state and action. */
static void remember(ap_replay *replay) {
  const float end[FEATURES] = {0};
  float state[FEATURES];
  ap_rng rng;
  ap_rng_seed(&rng, 5, 0);
  for (size_t i = 0; i < TRANSITIONS; i++) {
    for (size_t j = 0; j < FEATURES; j++) state[j] = (float)ap_rng_uniform(&rng);
    const float action = (float)ap_rng_uniform(&rng);
    ap_replay_add(replay, &(ap_transition){.state = state,
                                           .next = end,
                                           .action = action,
                                           .reward = 1 + state[0] - action,
                                           .done = true});
  }
}

static ap_status setup(const void *context, const int64_t *point, void **problem, ap_error *err) {
  agent_problem *p = ap_calloc(1, sizeof *p);
  ap_search_options options;
  ap_status st = AP_OK;
  *problem = NULL;
  if (!p) return ap_fail(err, AP_ERR_MEMORY, "problem");
  st = ap_search_options_default("ddpg", &options, err);
  options.baseline_rate = 0; /* a moving target would hide whether it learns */
  if (!st) st = ap_ddpg_create(&options, FEATURES, TRANSITIONS, 1, &p->agent, err);
  if (!st) {
    const ap_micro_setting setting = {
        .network = context, .percent = point[0], .n_images = IMAGES, .threads = 1};
    st = ap_micro_pair_open(&setting, &p->pair, err);
  }
  if (st) {
    teardown(p);
    return st;
  }
  remember(ap_ddpg_replay(p->agent));
  *problem = p;
  return AP_OK;
}

static ap_status candidate(void *problem, ap_error *err) {
  agent_problem *p = problem;
  return ap_micro_pair_sparse(&p->pair, err);
}

static ap_status update(void *problem, ap_error *err) {
  agent_problem *p = problem;
  ap_ddpg_update(p->agent, &p->critic_loss, &p->actor_loss);
  return isfinite(p->critic_loss) && isfinite(p->actor_loss)
             ? AP_OK
             : ap_fail(err, AP_ERR_INTERNAL, "losses %g, %g", p->critic_loss, p->actor_loss);
}

/* The candidate against the dense path; the critic must come to explain nine tenths of what it could
 * not at first. */
static ap_status verify(void *problem, ap_error *err) {
  agent_problem *p = problem;
  double first = 0, last = 0;
  ap_status st = ap_micro_pair_verify(&p->pair, err);
  for (size_t i = 0; i < LEARNING && !st; i++) {
    st = update(p, err);
    if (i < 5) first += p->critic_loss / 5;
    if (i + 5 >= LEARNING) last += p->critic_loss / 5;
  }
  if (!st && !(last < 0.1 * first)) {
    st = ap_fail(err, AP_ERR_INTERNAL, "critic's error %g after %d updates, %g at first", last,
                 (int)LEARNING, first);
  }
  return st;
}

static void report(void *problem, size_t way, ap_bench_meter *meter) {
  const agent_problem *p = problem;
  if (way == 0) ap_bench_counter(meter, "images", (double)p->pair.n_images, AP_BENCH_RATE);
  if (way == 1) ap_bench_counter(meter, "updates", 1, AP_BENCH_RATE);
}

ap_status ap_micro_agent(ap_error *err) {
  static const char *const axes[] = {"sparsity_percent"};
  static const int64_t points[] = {90};
  static const ap_bench_way ways[] = {{"candidate", candidate}, {"ddpg_update", update}};
  return ap_bench_register(&(ap_bench_case){.name = "agent/resnet20",
                                            .n_axes = 1,
                                            .axes = axes,
                                            .n_points = 1,
                                            .points = points,
                                            .n_ways = 2,
                                            .ways = ways,
                                            .context = "resnet20",
                                            .setup = setup,
                                            .verify = verify,
                                            .report = report,
                                            .teardown = teardown},
                           err);
}
