#include "agent/env.h"

#include <math.h>

static ap_status check_layer(const ap_env *env, size_t t, ap_error *err) {
  size_t n = env->n_levels(env->self, t);
  double last_action = -1, last_cost = -1;
  if (n < 1) return ap_fail(err, AP_ERR_ARG, "step %zu: no levels", t);
  for (size_t k = 0; k < n; k++) {
    double action = env->level_action(env->self, t, k), cost = env->level_cost(env->self, t, k);
    if (!(action >= 0 && action <= 1 && action > last_action)) {
      return ap_fail(err, AP_ERR_ARG,
                     "step %zu, level %zu: kept fraction %g after %g: must rise in [0,1]", t, k,
                     action, last_action);
    }
    if (!(cost > last_cost && isfinite(cost) && cost == floor(cost))) {
      return ap_fail(err, AP_ERR_ARG,
                     "step %zu, level %zu: cost %g after %g: must be whole, not negative, and rise",
                     t, k, cost, last_cost);
    }
    if (env->snap(env->self, t, action) != action || env->action_level(env->self, t, action) != k) {
      return ap_fail(
          err, AP_ERR_ARG, "step %zu, level %zu: kept fraction %.17g snaps to %.17g, level %zu", t,
          k, action, env->snap(env->self, t, action), env->action_level(env->self, t, action));
    }
    last_action = action;
    last_cost = cost;
  }
  if (last_action != 1) {
    return ap_fail(err, AP_ERR_ARG, "step %zu: the last level keeps %g: expected 1", t,
                   last_action);
  }
  return AP_OK;
}

ap_status ap_env_check(const ap_env *env, ap_error *err) {
  if (!env->observe || !env->snap || !env->n_levels || !env->level_action || !env->action_level ||
      !env->level_cost || !env->evaluate) {
    return ap_fail(err, AP_ERR_ARG, "environment without all of its functions");
  }
  if (env->n_steps < 1 || env->n_features < 1) {
    return ap_fail(err, AP_ERR_ARG, "environment of %zu steps and %zu features: expected >= 1",
                   env->n_steps, env->n_features);
  }
  if (!(env->evaluation_cost >= 0 && isfinite(env->evaluation_cost))) {
    return ap_fail(err, AP_ERR_ARG, "environment whose evaluation costs %g: expected >= 0",
                   env->evaluation_cost);
  }
  for (size_t t = 0; t < env->n_steps; t++) {
    ap_status st = check_layer(env, t, err);
    if (st) return st;
  }
  return AP_OK;
}
