/* agent/ddpg.h - the actor-critic agent (deep deterministic policy gradient) of AMC: an actor
 * proposes a kept fraction for a layer's state, a critic learns what reward to expect of it, and
 * the actor follows the critic's slope. Settings: docs/SEARCH.md. One thread; no allocation after
 * create. */
#ifndef AP_AGENT_DDPG_H
#define AP_AGENT_DDPG_H
#include <stddef.h>

#include "agent/mlp.h"
#include "agent/replay.h"
#include "agent/searcher.h"
#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct ap_ddpg ap_ddpg;

/* Of `options` it reads seed, hidden, batch, bootstrap, invert_gradients, sampler,
 * the rates, tau, discount, baseline_rate. replay: transitions kept. max_states: most states in one call of act. Errors: ARG, MEMORY. */
AP_NODISCARD ap_status ap_ddpg_create(const ap_search_options *options, size_t n_features,
                                      size_t replay, size_t max_states, ap_ddpg **out,
                                      ap_error *err);
void ap_ddpg_destroy(ap_ddpg *agent); /* NULL is allowed */

/* actions[n], in (0,1), for states n x n_features. */
void ap_ddpg_act(ap_ddpg *agent, size_t n, const float *states, float *actions);

/* Where to add transitions; owned by the agent. */
ap_replay *ap_ddpg_replay(ap_ddpg *agent);

/* One update of critic, actor and targets on one drawn mini-batch; the replay is not empty. Gives
 * the critic's mean squared error and the actor's loss, -mean Q(s, actor(s)), both before the
 * update. */
void ap_ddpg_update(ap_ddpg *agent, double *critic_loss, double *actor_loss);

/* Derivative of the actor's loss by its parameters and the critic's action slope, on given states,
 * left in the actor's gradient: what update follows (with invert_gradients: bent, see searcher.h). Public for its check against
 * differences.
 * Returns the loss. n <= batch. */
double ap_ddpg_actor_gradient(ap_ddpg *agent, size_t n, const float *states);
ap_mlp *ap_ddpg_actor(ap_ddpg *agent);  /* owned by the agent */
ap_mlp *ap_ddpg_critic(ap_ddpg *agent); /* inputs: state, then action */

/* The whole learning state as one block. set: false when the block contradicts itself. */
size_t ap_ddpg_state_bytes(const ap_ddpg *agent);
void ap_ddpg_state_get(const ap_ddpg *agent, void *bytes);
AP_NODISCARD bool ap_ddpg_state_set(ap_ddpg *agent, const void *bytes);

AP_EXTERN_C_END
#endif
