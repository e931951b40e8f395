#include <math.h>
#include <string.h>

#include "agent/elites_impl.h"
#include "base/alloc.h"

ap_status ap_levels_init(ap_levels *y, const ap_env *env, double keep_min, ap_error *err) {
  y->env = env;
  y->n_steps = env->n_steps;
  y->least = ap_calloc(env->n_steps, sizeof *y->least);
  y->count = ap_calloc(env->n_steps, sizeof *y->count);
  if (!y->least || !y->count)
    return ap_fail(err, AP_ERR_MEMORY, "levels of %zu layers", y->n_steps);
  for (size_t t = 0; t < env->n_steps; t++) {
    y->count[t] = (uint32_t)env->n_levels(env->self, t);
    y->least[t] = (uint32_t)env->action_level(env->self, t, env->snap(env->self, t, keep_min));
  }
  return AP_OK;
}

void ap_levels_release(ap_levels *y) {
  ap_free(y->least);
  ap_free(y->count);
}

static double cost_of(const ap_levels *y, size_t t, uint32_t level) {
  return y->env->level_cost(y->env->self, t, level);
}

double ap_levels_cost(const ap_levels *y, const uint32_t *policy) {
  double sum = 0;
  for (size_t t = 0; t < y->n_steps; t++) sum += cost_of(y, t, policy[t]);
  return sum;
}

void ap_levels_execute(const ap_levels *y, const uint32_t *policy, double *executed) {
  for (size_t t = 0; t < y->n_steps; t++) {
    executed[t] = y->env->level_action(y->env->self, t, policy[t]);
  }
}

void ap_levels_read(const ap_levels *y, const double *executed, uint32_t *policy) {
  for (size_t t = 0; t < y->n_steps; t++) {
    policy[t] = (uint32_t)y->env->action_level(y->env->self, t, executed[t]);
  }
}

/* At least one level, some tenth of the range on average; at most `most`. */
static uint32_t stride(const ap_levels *y, size_t t, uint32_t most, ap_rng *rng) {
  double range = (double)(y->count[t] - y->least[t]);
  double d = 1 + floor(0.1 * range * fabs(ap_rng_normal(rng)));
  return d < (double)most ? (uint32_t)d : most;
}

/* Highest level of step t, not below `from`, that adds at most `room` to the cost. */
static uint32_t raise_by_cost(const ap_levels *y, size_t t, uint32_t from, double room) {
  uint32_t low = from, high = y->count[t] - 1;
  double base = cost_of(y, t, from);
  while (low < high) {
    uint32_t mid = high - (high - low) / 2;
    if (cost_of(y, t, mid) - base <= room) {
      low = mid;
    } else {
      high = mid - 1;
    }
  }
  return low;
}

void ap_levels_mutate(const ap_levels *y, ap_rng *rng, uint32_t *policy) {
  size_t a = 1 + ap_rng_below(rng, 3), b = 1 + ap_rng_below(rng, 3), n = a < b ? a : b;
  for (size_t i = 0; i < n; i++) {
    size_t kind = ap_rng_below(rng, 4), t = ap_rng_below(rng, y->n_steps);
    uint32_t above = y->count[t] - 1 - policy[t];
    uint32_t below = policy[t] > y->least[t] ? policy[t] - y->least[t] : 0;
    if (kind == 3) {
      policy[t] += stride(y, t, above, rng);
    } else {
      double before = cost_of(y, t, policy[t]);
      policy[t] -= stride(y, t, below, rng);
      if (kind < 2) {
        size_t other = ap_rng_below(rng, y->n_steps);
        if (other != t) {
          policy[other] = raise_by_cost(y, other, policy[other], before - cost_of(y, t, policy[t]));
        }
      }
    }
  }
}

ap_status ap_elites_init(ap_elites *e, size_t capacity, size_t n_steps, ap_error *err) {
  e->capacity = capacity;
  e->n_steps = n_steps;
  e->policies = ap_calloc(capacity, n_steps * sizeof *e->policies);
  e->notes = ap_calloc(capacity, n_steps * sizeof *e->notes);
  e->rewards = ap_calloc(capacity, sizeof *e->rewards);
  if (!e->policies || !e->notes || !e->rewards) {
    return ap_fail(err, AP_ERR_MEMORY, "population of %zu", capacity);
  }
  return AP_OK;
}

void ap_elites_release(ap_elites *e) {
  ap_free(e->policies);
  ap_free(e->notes);
  ap_free(e->rewards);
}

bool ap_elites_hold(const ap_elites *e, const uint32_t *policy) {
  for (size_t i = 0; i < e->n; i++) {
    if (memcmp(e->policies + i * e->n_steps, policy, e->n_steps * sizeof *policy) == 0) return true;
  }
  return false;
}

void ap_elites_add(ap_elites *e, const uint32_t *policy, const double *note, double reward) {
  size_t place = e->n, steps = e->n_steps, last;
  if (ap_elites_hold(e, policy)) return;
  while (place > 0 && reward > e->rewards[place - 1]) place--;
  if (place >= e->capacity) return;
  if (e->n < e->capacity) e->n++;
  last = e->n - 1;
  memmove(e->policies + (place + 1) * steps, e->policies + place * steps,
          (last - place) * steps * sizeof *e->policies);
  memmove(e->notes + (place + 1) * steps, e->notes + place * steps,
          (last - place) * steps * sizeof *e->notes);
  memmove(e->rewards + place + 1, e->rewards + place, (last - place) * sizeof *e->rewards);
  memcpy(e->policies + place * steps, policy, steps * sizeof *policy);
  memcpy(e->notes + place * steps, note, steps * sizeof *note);
  e->rewards[place] = reward;
}

size_t ap_elites_pick(const ap_elites *e, ap_rng *rng) {
  size_t a = ap_rng_below(rng, e->n), b = ap_rng_below(rng, e->n);
  return a < b ? a : b;
}

void ap_elites_save(const ap_elites *e, ap_state_writer *to) {
  ap_state_put_size(to, e->n);
  ap_state_put(to, e->policies, e->n * e->n_steps * sizeof *e->policies);
  ap_state_put(to, e->notes, e->n * e->n_steps * sizeof *e->notes);
  ap_state_put(to, e->rewards, e->n * sizeof *e->rewards);
}

void ap_elites_restore(ap_elites *e, const ap_levels *levels, ap_state_reader *from) {
  size_t n = ap_state_get_size(from);
  if (from->failed || n > e->capacity) {
    from->failed = true;
    return;
  }
  ap_state_get(from, e->policies, n * e->n_steps * sizeof *e->policies);
  ap_state_get(from, e->notes, n * e->n_steps * sizeof *e->notes);
  ap_state_get(from, e->rewards, n * sizeof *e->rewards);
  for (size_t i = 0; i < n * e->n_steps; i++) {
    if (e->policies[i] >= levels->count[i % e->n_steps]) from->failed = true;
  }
  e->n = from->failed ? 0 : n;
}
