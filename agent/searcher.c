#include "agent/searcher.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/searcher_impl.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/progress.h"

static const ap_searcher_ops *const searchers[] = {&ap_searcher_random,     &ap_searcher_uniform,
                                                   &ap_searcher_ddpg_paper, &ap_searcher_ddpg,
                                                   &ap_searcher_evolution,  &ap_searcher_knapsack};
#define N_SEARCHERS (sizeof searchers / sizeof *searchers)

const char *ap_search_name(size_t index) {
  return index < N_SEARCHERS ? searchers[index]->name : NULL;
}

static const ap_searcher_ops *find(const char *name) {
  for (size_t i = 0; i < N_SEARCHERS; i++) {
    if (strcmp(name, searchers[i]->name) == 0) return searchers[i];
  }
  return NULL;
}

const char *ap_search_summary(const char *name) {
  const ap_searcher_ops *ops = find(name);
  return ops ? ops->summary : NULL;
}

static ap_status unknown(const char *name, ap_error *err) {
  char list[256] = "";
  for (size_t i = 0; i < N_SEARCHERS; i++) {
    size_t used = strlen(list);
    (void)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", searchers[i]->name);
  }
  return ap_fail(err, AP_ERR_ARG, "searcher \"%s\": expected one of %s", name, list);
}

ap_status ap_search_options_default(const char *name, ap_search_options *out, ap_error *err) {
  const ap_searcher_ops *ops = find(name);
  if (!ops) return unknown(name, err);
  *out = (ap_search_options){
      .seed = 1,
      .episodes = 400,
      .parallel = 8,
      .warmup = AP_SEARCH_AUTO,
      .warmup_share = 0.25,
      .sigma = 0.5,
      .sigma_decay = 0.95,
      .explored_share = 1,
      .store_executed = true,
      .sampler = AP_SAMPLER_UNIFORM,
      .hidden = 300,
      .batch = 64,
      .replay_episodes = 100,
      .updates_per_step = 1,
      .actor_rate = 1e-4,
      .critic_rate = 1e-3,
      .tau = 0.01,
      .discount = 1,
      .baseline_rate = 0.5,
      .population = 8,
      .curve_levels = 4,
      .spread = 0.5,
      .save_every = 25,
  };
  if (ops->defaults) ops->defaults(out);
  return AP_OK;
}

void ap_episode_rng(const ap_search_options *options, size_t episode, ap_rng *rng) {
  ap_rng_seed(rng, options->seed, episode);
}

/* value within [lo, hi], or beyond lo when `open`. */
static ap_status in_range(const char *what, double value, double lo, bool open, double hi,
                          ap_error *err) {
  if ((open ? value > lo : value >= lo) && value <= hi) return AP_OK;
  return ap_fail(err, AP_ERR_ARG, "%s %g: expected %s %g and <= %g", what, value,
                 open ? ">" : ">=", lo, hi);
}

static ap_status check_options(const ap_search_options *o, ap_error *err) {
  const struct {
    const char *what;
    double value, lo;
    bool open;
    double hi;
  } rules[] = {
      {"episodes", (double)o->episodes, 1, false, 1e9},
      {"parallel candidates", (double)o->parallel, 1, false, 65536},
      {"budget", o->budget, 0, false, 1e300},
      {"least kept fraction", o->keep_min, 0, false, 1},
      {"exploration noise", o->sigma, 0, true, 1e3},
      {"share of warm-up", o->warmup_share, 0, false, 1},
      {"warm-up spread", o->warmup_spread, 0, false, 1e3},
      {"warm-up updates", (double)o->warmup_updates, 0, false, 1e6},
      {"noise decay", o->sigma_decay, 0, true, 1},
      {"least noise", o->sigma_least, 0, false, 1e3},
      {"explored share", o->explored_share, 0, true, 1},
      {"share of leaps", o->leap_share, 0, false, 1},
      {"patience beyond the limit", (double)o->limit_patience, 0, false, 1e9},
      {"hidden units", (double)o->hidden, 1, false, 65536},
      {"batch", (double)o->batch, 1, false, 65536},
      {"replayed episodes", (double)o->replay_episodes, 1, false, 1e6},
      {"updates per step", (double)o->updates_per_step, 1, false, 1e6},
      {"actor learning rate", o->actor_rate, 0, true, 1},
      {"critic learning rate", o->critic_rate, 0, true, 1},
      {"tau", o->tau, 0, true, 1},
      {"discount", o->discount, 0, false, 1},
      {"baseline rate", o->baseline_rate, 0, false, 1},
      {"population", (double)o->population, 1, false, 65536},
      {"measured levels", (double)o->curve_levels, 2, false, 65536},
      {"coefficient spread", o->spread, 0, true, 100},
      {"episodes between saves", (double)o->save_every, 1, false, 1e9},
  };
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    ap_status st =
        in_range(rules[i].what, rules[i].value, rules[i].lo, rules[i].open, rules[i].hi, err);
    if (st) return st;
  }
  return AP_OK;
}

static void resolve(ap_search_options *o) {
  if (o->warmup == AP_SEARCH_AUTO) o->warmup = (size_t)((double)o->episodes * o->warmup_share);
}

static ap_status result_create(size_t capacity, size_t n_steps, ap_search_result **out,
                               ap_error *err) {
  ap_search_result *r = ap_calloc(1, sizeof *r);
  *out = NULL;
  if (r) {
    r->n_steps = n_steps;
    r->candidates = ap_calloc(capacity, sizeof *r->candidates);
    r->executed = ap_calloc(capacity, n_steps * sizeof *r->executed);
    r->front = ap_calloc(capacity, sizeof *r->front);
  }
  if (!r || !r->candidates || !r->executed || !r->front) {
    ap_search_result_destroy(r);
    return ap_fail(err, AP_ERR_MEMORY, "results of %zu candidates", capacity);
  }
  *out = r;
  return AP_OK;
}

/* Size of the next batch: within the episodes and the budget. */
static size_t batch_size(const ap_search *s, double dearest) {
  const ap_search_options *o = s->options;
  size_t n = o->episodes - s->result->n;
  if (n > o->parallel) n = o->parallel;
  if (o->budget > 0) {
    double cost = fmax(s->env->evaluation_cost, dearest),
           left = o->budget - s->result->image_forwards;
    if (left <= 0) return 0;
    if (cost > 0 && left / cost + 1e-9 < (double)n) n = (size_t)(left / cost + 1e-9);
  }
  return n;
}

static ap_status report(const ap_search_observer *observer, const ap_search_result *result,
                        size_t from, ap_error *err) {
  for (size_t i = from; observer && i < result->n; i++) {
    ap_status st = observer->candidate(observer->context, &result->candidates[i], err);
    if (st) return st;
  }
  return AP_OK;
}

/* The best so far; NULL: none. */
static const ap_candidate *incumbent(const ap_search_result *r) {
  const ap_candidate *best = NULL;
  for (size_t i = 0; i < r->n; i++) {
    const ap_candidate *c = &r->candidates[i];
    if (!c->outcome.stopped && (!best || ap_search_better(c, best))) best = c;
  }
  return best;
}

/* Evaluates and keeps n proposed candidates, which stand behind the others in result->executed. */
static ap_status evaluate(ap_search *s, size_t n, const double *sigma, ap_outcome *outcomes,
                          ap_error *err) {
  ap_search_result *r = s->result;
  const double *executed = r->executed + r->n * r->n_steps;
  const ap_candidate *best = incumbent(r);
  double began = ap_seconds(), ended;
  ap_learned learned = {NAN, NAN};
  ap_status st =
      s->env->evaluate(s->env->self, n, executed, best ? &best->outcome : NULL, outcomes, err);
  if (st) return st;
  ended = ap_seconds();
  r->evaluation_seconds += ended - began;
  for (size_t i = 0; i < n; i++) {
    const ap_outcome *y = &outcomes[i];
    if (!isfinite(y->reward) || !isfinite(y->crossbars) || !(y->image_forwards >= 0)) {
      return ap_fail(err, AP_ERR_INTERNAL,
                     "episode %zu: reward %g, crossbars %g, image-forwards %g: not usable",
                     r->n + i, y->reward, y->crossbars, y->image_forwards);
    }
  }
  if (s->ops->learn) s->ops->learn(s->self, r->n, n, executed, outcomes, &learned);
  r->agent_seconds += ap_seconds() - ended;
  for (size_t i = 0; i < n; i++) {
    r->image_forwards += outcomes[i].image_forwards;
    r->candidates[r->n] = (ap_candidate){.episode = r->n,
                                         .executed = executed + i * r->n_steps,
                                         .outcome = outcomes[i],
                                         .sigma = sigma[i],
                                         .critic_loss = learned.critic_loss,
                                         .actor_loss = learned.actor_loss,
                                         .image_forwards = r->image_forwards};
    r->n++;
  }
  return AP_OK;
}

/* Writes the state if there is a file for it; keeps `why` (OK or INTERRUPTED) unless that fails. */
static ap_status save(ap_search *s, size_t *saved, ap_status why, ap_error *err) {
  ap_error failure;
  ap_status st = s->options->state_path ? ap_search_save(s, &failure) : AP_OK;
  if (st) return ap_fail(err, st, "%s", failure.text);
  *saved = s->result->n;
  return why;
}

/* One batch of n candidates at most; *n = 0 when nothing was left to propose. */
static ap_status batch(ap_search *s, const ap_search_observer *observer, double *sigma,
                       ap_outcome *outcomes, size_t *n, ap_error *err) {
  ap_search_result *r = s->result;
  size_t first = r->n;
  double began = ap_seconds();
  ap_status st;
  for (size_t i = 0; i < *n; i++) sigma[i] = NAN;
  *n = s->ops->propose(s->self, first, *n, r->executed + first * r->n_steps, sigma);
  r->agent_seconds += ap_seconds() - began;
  if (*n == 0) return AP_OK;
  st = evaluate(s, *n, sigma, outcomes, err);
  if (!st) st = report(observer, r, first, err);
  if (!st && ap_interrupted()) {
    st = ap_fail(err, AP_ERR_INTERRUPTED, "interrupted after %zu candidates", r->n);
  }
  return st;
}

/* sigma and outcomes: room for options->parallel. */
static ap_status loop(ap_search *s, const ap_search_observer *observer, double *sigma,
                      ap_outcome *outcomes, ap_error *err) {
  ap_search_result *r = s->result;
  size_t saved = r->n, n;
  double dearest = 0;
  for (size_t i = 0; i < r->n; i++)
    dearest = fmax(dearest, r->candidates[i].outcome.image_forwards);
  while ((n = batch_size(s, dearest)) > 0) {
    ap_status st = batch(s, observer, sigma, outcomes, &n, err);
    if (st == AP_ERR_INTERRUPTED) return save(s, &saved, st, err);
    if (st) return st;
    if (n == 0) break;
    for (size_t i = 0; i < n; i++) dearest = fmax(dearest, outcomes[i].image_forwards);
    if (r->n - saved >= s->options->save_every) {
      st = save(s, &saved, AP_OK, err);
      if (st) return st;
    }
  }
  if (r->n == 0) {
    return ap_fail(err, AP_ERR_ARG, "budget of %g image-forwards: one candidate costs %g",
                   s->options->budget, s->env->evaluation_cost);
  }
  return saved < r->n ? save(s, &saved, AP_OK, err) : AP_OK;
}

ap_status ap_search_run(const char *name, const ap_search_options *options, const ap_env *env,
                        const ap_search_observer *observer, ap_search_result **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_search_options o = *options;
  ap_search s = {.ops = find(name), .options = &o, .env = env};
  double *sigma = NULL;
  ap_outcome *outcomes = NULL;
  *out = NULL;
  if (!s.ops) return unknown(name, err);
  st = ap_env_check(env, err);
  if (st) return st;
  resolve(&o);
  st = check_options(&o, err);
  if (st) return st;
  if (o.state_path && !o.resume && ap_file_exists(o.state_path)) {
    return ap_fail(err, AP_ERR_ARG, "%s: state of a search exists: resume it, or remove the file",
                   o.state_path);
  }
  st = result_create(o.episodes, env->n_steps, &s.result, err);
  if (st) goto done;
  sigma = ap_calloc(o.parallel, sizeof *sigma);
  outcomes = ap_calloc(o.parallel, sizeof *outcomes);
  if (!sigma || !outcomes) {
    st = ap_fail(err, AP_ERR_MEMORY, "batch of %zu candidates", o.parallel);
    goto done;
  }
  st = s.ops->create(&o, env, &s.self, err);
  if (st) goto done;
  if (o.state_path && o.resume && ap_file_exists(o.state_path)) {
    st = ap_search_restore(&s, err);
    if (st) goto done;
    st = report(observer, s.result, 0, err);
    if (st) goto done;
  }
  st = loop(&s, observer, sigma, outcomes, err);
  if (st) goto done;
  ap_search_result_finish(s.result);
  *out = s.result;
  s.result = NULL;
done:
  if (s.self) s.ops->destroy(s.self);
  ap_search_result_destroy(s.result);
  ap_free(sigma);
  ap_free(outcomes);
  return st;
}
