/* knapsack: measures what pruning each layer alone does to the loss, lets a dynamic programme choose
 * the levels for a given cost as if the harms added up, finds the lowest feasible cost, and then corrects
 * what does not add up: coefficients per layer (after SPDY, ICML'22) and exchanges between layers
 * (after EvoPress, ICML'25). The measurements are candidates like all others and count in the budget.
 *
 *   curves    episode 0: all layers dense; then one layer at a few levels, all others dense
 *   bracket   the programme's answer for costs between the highest infeasible and the lowest feasible
 *   improve   half coefficients (of a good policy, changed; costs just below the best), half exchanges;
 *             in the last quarter exchanges only */
#include <math.h>
#include <string.h>

#include "agent/elites_impl.h"
#include "agent/knapsack_impl.h"
#include "base/alloc.h"

#define MAX_CHOICES ((size_t)128) /* levels of one layer that the programme sees */
#define MAX_CELLS ((size_t)8192)  /* whole costs up to here are exact */
#define TRIES 4
static const double bracket_width = 0.02; /* relative; then it is narrow enough */
static const size_t bracket_most = 32;    /* candidates */
static const double cost_step = 0.04;     /* how far below the best cost to look, relative */

typedef struct {
  const ap_search_options *options;
  ap_levels levels;
  ap_elites elites;        /* notes: logarithms of the coefficients */
  size_t expected;         /* candidates that episodes and budget allow */
  size_t n_measured;       /* levels measured, over all layers */
  size_t *first_measured;  /* n_steps + 1: where a layer's begin in the next two */
  uint32_t *measured;      /* levels, rising within a layer */
  double *losses;          /* of the candidates that measured them */
  size_t *n_choices;       /* n_steps */
  uint32_t *choices;       /* n_steps x MAX_CHOICES: levels */
  double *errors, *scaled; /* n_steps x MAX_CHOICES */
  const double **rows;     /* n_steps: into scaled */
  ap_knapsack *programme;
  struct { /* plain data, saved as it is */
    double dense_loss;
    double seen;      /* curve candidates evaluated */
    double bracketed; /* bracket candidates evaluated */
    double low, high; /* costs: highest infeasible below `high`, lowest feasible */
  } now;
  uint32_t *policies; /* parallel x n_steps: the batch in flight */
  double *notes;      /* the same shape */
  size_t *picked;     /* n_steps */
} knapsack;

static double level_cost(const knapsack *s, size_t t, uint32_t level) {
  return s->levels.env->level_cost(s->levels.env->self, t, level);
}

static void destroy(void *self) {
  knapsack *s = self;
  if (!s) return;
  ap_levels_release(&s->levels);
  ap_elites_release(&s->elites);
  ap_knapsack_destroy(s->programme);
  ap_free(s->first_measured);
  ap_free(s->measured);
  ap_free(s->losses);
  ap_free(s->n_choices);
  ap_free(s->choices);
  ap_free(s->errors);
  ap_free(s->scaled);
  ap_free(s->rows);
  ap_free(s->policies);
  ap_free(s->notes);
  ap_free(s->picked);
  ap_free(s);
}

/* Which levels to measure: evenly spread, from the least upwards, without the last (its harm is 0). */
static void plan_curves(knapsack *s) {
  size_t steps = s->levels.n_steps, each = (s->expected / 2) / steps, n = 0;
  if (each > s->options->curve_levels) each = s->options->curve_levels;
  if (each < 1) each = 1;
  for (size_t t = 0; t < steps; t++) {
    size_t range = s->levels.count[t] - 1 - s->levels.least[t], m = range < each ? range : each;
    s->first_measured[t] = n;
    for (size_t i = 0; i < m; i++) {
      size_t at = m == 1 ? range / 2 : i * range / m;
      s->measured[n++] = s->levels.least[t] + (uint32_t)at;
    }
  }
  s->first_measured[steps] = s->n_measured = n;
}

/* Levels that the programme chooses from: all, or MAX_CHOICES evenly spread, both ends included. */
static ap_status plan_programme(knapsack *s, ap_error *err) {
  size_t steps = s->levels.n_steps;
  double *costs = ap_calloc(steps * MAX_CHOICES, sizeof *costs);
  const double **rows = ap_calloc(steps, sizeof *rows);
  ap_status st = AP_OK;
  if (!costs || !rows) {
    st = ap_fail(err, AP_ERR_MEMORY, "searcher");
    goto done;
  }
  for (size_t t = 0; t < steps; t++) {
    size_t range = s->levels.count[t] - 1 - s->levels.least[t];
    size_t n = range + 1 < MAX_CHOICES ? range + 1 : MAX_CHOICES;
    s->n_choices[t] = n;
    rows[t] = costs + t * MAX_CHOICES;
    for (size_t k = 0; k < n; k++) {
      uint32_t level = s->levels.least[t] + (uint32_t)(n > 1 ? k * range / (n - 1) : 0);
      s->choices[t * MAX_CHOICES + k] = level;
      costs[t * MAX_CHOICES + k] = level_cost(s, t, level);
    }
  }
  st = ap_knapsack_create(steps, s->n_choices, rows, MAX_CELLS, &s->programme, err);
done:
  ap_free(costs);
  ap_free(rows);
  return st;
}

static ap_status create(const ap_search_options *o, const ap_env *env, void **out, ap_error *err) {
  ap_status st = AP_OK;
  size_t steps = env->n_steps;
  knapsack *s = ap_calloc(1, sizeof *s);
  if (!s) goto memory;
  s->options = o;
  s->expected = o->episodes;
  if (o->budget > 0 && env->evaluation_cost > 0) {
    s->expected = (size_t)fmin((double)o->episodes, o->budget / env->evaluation_cost);
  }
  st = ap_levels_init(&s->levels, env, o->keep_min, err);
  if (st) goto done;
  st = ap_elites_init(&s->elites, o->population, steps, err);
  if (st) goto done;
  s->first_measured = ap_calloc(steps + 1, sizeof *s->first_measured);
  s->measured = ap_calloc(steps * o->curve_levels, sizeof *s->measured);
  s->losses = ap_calloc(steps * o->curve_levels, sizeof *s->losses);
  s->n_choices = ap_calloc(steps, sizeof *s->n_choices);
  s->choices = ap_calloc(steps * MAX_CHOICES, sizeof *s->choices);
  s->errors = ap_calloc(steps * MAX_CHOICES, sizeof *s->errors);
  s->scaled = ap_calloc(steps * MAX_CHOICES, sizeof *s->scaled);
  s->rows = ap_calloc(steps, sizeof *s->rows);
  s->policies = ap_calloc(o->parallel, steps * sizeof *s->policies);
  s->notes = ap_calloc(o->parallel, steps * sizeof *s->notes);
  s->picked = ap_calloc(steps, sizeof *s->picked);
  if (!s->first_measured || !s->measured || !s->losses || !s->n_choices || !s->choices ||
      !s->errors || !s->scaled || !s->rows || !s->policies || !s->notes || !s->picked) {
    goto memory;
  }
  plan_curves(s);
  st = plan_programme(s, err);
  if (st) goto done;
  for (size_t t = 0; t < steps; t++) {
    s->rows[t] = s->scaled + t * MAX_CHOICES;
    s->now.low += level_cost(s, t, s->levels.least[t]);
    s->now.high += level_cost(s, t, s->levels.count[t] - 1);
  }
  s->now.low = fmax(s->now.low - 1, 0.5);
  *out = s;
  s = NULL;
  goto done;
memory:
  st = ap_fail(err, AP_ERR_MEMORY, "searcher");
done:
  destroy(s);
  return st;
}

/* Harm of one layer at a cost: through the measured points and 0 at the last level, straight lines
 * between; below the lowest measured point it grows with the square of what is pruned. */
static double harm(const knapsack *s, size_t t, double cost) {
  double dense = level_cost(s, t, s->levels.count[t] - 1), right_cost = dense, right = 0;
  for (size_t i = s->first_measured[t + 1]; i-- > s->first_measured[t];) {
    double left_cost = level_cost(s, t, s->measured[i]);
    double left = fmax(s->losses[i] - s->now.dense_loss, right); /* less kept is never better */
    if (cost >= left_cost) {
      return right + (left - right) * (right_cost - cost) / (right_cost - left_cost);
    }
    right_cost = left_cost;
    right = left;
  }
  if (right_cost < dense) right *= pow((dense - cost) / (dense - right_cost), 2);
  return right;
}

static void fit_curves(knapsack *s) {
  for (size_t t = 0; t < s->levels.n_steps; t++) {
    for (size_t k = 0; k < s->n_choices[t]; k++) {
      size_t at = t * MAX_CHOICES + k;
      s->errors[at] = harm(s, t, level_cost(s, t, s->choices[at]));
    }
  }
}

/* The programme's policy of at most this cost for coefficients exp(note). */
static void solve(knapsack *s, const double *note) {
  for (size_t t = 0; t < s->levels.n_steps; t++) {
    double coefficient = exp(note[t]);
    for (size_t k = 0; k < s->n_choices[t]; k++) {
      size_t at = t * MAX_CHOICES + k;
      s->scaled[at] = coefficient * s->errors[at];
    }
  }
  ap_knapsack_solve(s->programme, s->rows);
}

static void choose(const knapsack *s, double bound, uint32_t *policy) {
  (void)ap_knapsack_choose(s->programme, bound, s->picked); /* or the cheapest there is */
  for (size_t t = 0; t < s->levels.n_steps; t++) {
    policy[t] = s->choices[t * MAX_CHOICES + s->picked[t]];
  }
}

static void curve_policy(const knapsack *s, size_t episode, uint32_t *policy) {
  for (size_t t = 0; t < s->levels.n_steps; t++) {
    policy[t] = s->levels.count[t] - 1;
    if (episode > s->first_measured[t] && episode <= s->first_measured[t + 1]) {
      policy[t] = s->measured[episode - 1];
    }
  }
}

static bool bracketing(const knapsack *s) {
  return s->now.bracketed < (double)bracket_most && s->now.high - s->now.low > 1 &&
         s->now.low < (1 - bracket_width) * s->now.high;
}

static bool among(const knapsack *s, size_t n, const uint32_t *policy) {
  size_t steps = s->levels.n_steps;
  for (size_t i = 0; i < n; i++) {
    if (memcmp(s->policies + i * steps, policy, steps * sizeof *policy) == 0) return true;
  }
  return ap_elites_hold(&s->elites, policy);
}

static void improve(knapsack *s, size_t episode, size_t i) {
  size_t steps = s->levels.n_steps;
  uint32_t *policy = s->policies + i * steps;
  double *note = s->notes + i * steps;
  bool late = episode >= s->expected - s->expected / 4;
  ap_rng rng;
  ap_episode_rng(s->options, episode, &rng);
  for (int tries = 0; tries < TRIES; tries++) {
    size_t parent = ap_elites_pick(&s->elites, &rng);
    memcpy(policy, s->elites.policies + parent * steps, steps * sizeof *policy);
    memcpy(note, s->elites.notes + parent * steps, steps * sizeof *note);
    if (late || ap_rng_below(&rng, 2) == 0) {
      ap_levels_mutate(&s->levels, &rng, policy);
    } else {
      size_t changes = 1 + ap_rng_below(&rng, (steps + 2) / 3);
      double bound = s->now.high * exp(-cost_step * fabs(ap_rng_normal(&rng)));
      for (size_t c = 0; c < changes; c++) {
        note[ap_rng_below(&rng, steps)] += s->options->spread * ap_rng_normal(&rng);
      }
      solve(s, note);
      choose(s, bound, policy);
    }
    if (!among(s, i, policy)) return;
  }
}

static size_t propose(void *self, size_t first, size_t n, double *executed, double *sigma) {
  knapsack *s = self;
  size_t steps = s->levels.n_steps, curves = 1 + s->n_measured;
  (void)sigma;
  memset(s->notes, 0, s->options->parallel * steps * sizeof *s->notes);
  if (first < curves && n > curves - first) n = curves - first;
  if (first >= curves && bracketing(s)) solve(s, s->notes);
  for (size_t i = 0; i < n; i++) {
    uint32_t *policy = s->policies + i * steps;
    if (first < curves) {
      curve_policy(s, first + i, policy);
    } else if (bracketing(s)) {
      double part = (double)(i + 1) / (double)(n + 1);
      choose(s, s->now.high * pow(s->now.low / s->now.high, part), policy);
    } else {
      improve(s, first + i, i);
    }
    ap_levels_execute(&s->levels, policy, executed + i * steps);
  }
  return n;
}

static void learn(void *self, size_t first, size_t n, const double *executed,
                  const ap_outcome *outcomes, ap_learned *learned) {
  knapsack *s = self;
  size_t steps = s->levels.n_steps, curves = 1 + s->n_measured;
  bool bracket = first >= curves && bracketing(s);
  (void)executed;
  (void)learned;
  for (size_t i = 0; i < n; i++) {
    const uint32_t *policy = s->policies + i * steps;
    double cost = ap_levels_cost(&s->levels, policy);
    double loss = isfinite(outcomes[i].loss) ? outcomes[i].loss : 1e6;
    if (first + i < curves) {
      if (first + i == 0) {
        s->now.dense_loss = loss;
      } else {
        s->losses[first + i - 1] = loss;
      }
      s->now.seen++;
    }
    if (bracket) {
      s->now.bracketed++;
      if (!outcomes[i].feasible && cost < s->now.high) s->now.low = fmax(s->now.low, cost);
    }
    if (outcomes[i].feasible && !outcomes[i].stopped) s->now.high = fmin(s->now.high, cost);
    ap_elites_add(&s->elites, policy, s->notes + i * steps, outcomes[i].reward);
  }
  if (first < curves && first + n >= curves) fit_curves(s);
}

static void save(const void *self, ap_state_writer *to) {
  const knapsack *s = self;
  ap_state_put(to, &s->now, sizeof s->now);
  ap_state_put_size(to, s->n_measured);
  ap_state_put(to, s->losses, s->n_measured * sizeof *s->losses);
  ap_elites_save(&s->elites, to);
}

static void restore(void *self, ap_state_reader *from) {
  knapsack *s = self;
  ap_state_get(from, &s->now, sizeof s->now);
  if (ap_state_get_size(from) != s->n_measured) from->failed = true;
  ap_state_get(from, s->losses, s->n_measured * sizeof *s->losses);
  ap_elites_restore(&s->elites, &s->levels, from);
  if (!from->failed && s->now.seen >= (double)(1 + s->n_measured)) fit_curves(s);
}

const ap_searcher_ops ap_searcher_knapsack = {
    .name = "knapsack",
    .summary = "dynamic programme on measured per-layer curves, then coefficients and exchanges",
    .create = create,
    .destroy = destroy,
    .propose = propose,
    .learn = learn,
    .save = save,
    .restore = restore,
};
