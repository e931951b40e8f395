/* agent/prune_env.h - the environment of a pruning search: level database (what a decision costs),
 * candidate evaluator (what it does to accuracy) and reward joined behind agent/env.h.
 *
 * State of a step, each scaled to 0..1 over the layers (AMC's eleven features, cost in crossbars, or in
 * multiply-accumulates where the reward counts those): index, is convolution, c_in, c_out, kernel, stride, weights, crossbars of the layer, crossbars
 * saved so far, crossbars still to decide, previous action. */
#ifndef AP_AGENT_PRUNE_ENV_H
#define AP_AGENT_PRUNE_ENV_H
#include <stddef.h>
#include <stdint.h>

#include "agent/env.h"
#include "agent/reward.h"
#include "base/status.h"
#include "nn/evaluator.h"
#include "pruners/level_db.h"
AP_EXTERN_C_BEGIN

typedef struct ap_prune_env ap_prune_env;

/* db's levels must be registered with ev (ap_level_db_register). All are kept until destroy.
 * dense accuracy is measured here: all layers at their last level. */
AP_NODISCARD ap_status ap_prune_env_create(const ap_level_db *db, ap_evaluator *ev,
                                           const ap_reward *reward, ap_prune_env **out,
                                           ap_error *err);
/* From now on candidates that cannot be better than the incumbent are stopped early (ap_evaluator_race), each wrongly with at
 * most this probability; 0: none, as at first. Errors: ARG; UNSUPPORTED with an evaluator on an engine. */
AP_NODISCARD ap_status ap_prune_env_race(ap_prune_env *env, double error, ap_error *err);
void ap_prune_env_destroy(ap_prune_env *env);
const ap_env *ap_prune_env_interface(const ap_prune_env *env);
double ap_prune_env_dense_accuracy(const ap_prune_env *env);
/* Crossbars of executed actions (OUs where levels are not whole crossbars), and the dense network's over
 * them: also where the reward counts multiply-accumulates. */
void ap_prune_env_hardware(const ap_prune_env *env, const double *executed, double *cost,
                           double *compression);
/* Level numbers of executed actions: n_layers each. */
void ap_prune_env_levels(const ap_prune_env *env, const double *executed, uint32_t *levels);

AP_EXTERN_C_END
#endif
