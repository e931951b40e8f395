/* agent/reward.h - one number for accuracy and occupied crossbars together.
 *
 * AUTO-PRUNE (10.1145/3447818.3460366) rewards "accuracy and the compression rate of occupied
 * crossbars" under an accuracy-loss limit. Its full text was not available to us: `constrained` is
 * our reading, written so that the limit is a limit; the others are there to compare with.
 *
 *   constrained  with excess = accuracy_loss - max_loss:
 *                excess <= 0:  ln(max(compression, 1)) - accuracy_weight * excess   >= 0
 *                excess >  0:  -penalty * excess                                    <  0
 *                so every feasible candidate beats every infeasible one; among feasible ones
 *                compression counts first, and accuracy above the limit a little (at weight 1 a
 *                point of accuracy is worth one per cent of compression); infeasible ones are
 *                ordered by how far they are from the limit.
 *   amc          -(1 - accuracy) * ln(crossbars): the form of AMC (ECCV'18) with crossbars for
 *                FLOPs. It depends on the unit of cost and enforces no limit; it is flat at one
 *                crossbar.
 *   accuracy     accuracy alone (cost is then fixed by the searcher)
 *   macs         as constrained, with multiply-accumulates for crossbars: what a search is worth
 *                that does not see the hardware
 *   amc-macs     -(1 - accuracy) * ln(MACs): AMC's own
 * With the last two all that the searcher sees of cost is in multiply-accumulates (agent/prune_env.h);
 * results are recounted in crossbars.
 *
 * `lesson` is what a learner may be taught in place of the reward: the reward itself, except that constrained and macs
 * fall off beyond the limit without a step, ln(max(compression, 1)) - ln(1 + AP_LESSON_SLOPE * excess). A critic that
 * sees policies on both sides of the step learns the step, and little else. The slope is ours. */
#ifndef AP_AGENT_REWARD_H
#define AP_AGENT_REWARD_H
#include <stdbool.h>

#include "agent/env.h"
#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef enum {
  AP_REWARD_CONSTRAINED,
  AP_REWARD_AMC,
  AP_REWARD_ACCURACY,
  AP_REWARD_MACS,
  AP_REWARD_AMC_MACS
} ap_reward_kind;

typedef struct {
  ap_reward_kind kind;
  double max_loss;        /* greatest accuracy loss that is feasible, absolute; default 0.01 */
  double accuracy_weight; /* constrained: >= 0; default 1 */
  double penalty;         /* constrained: > 0, reward lost per unit of excess loss; default 2 */
} ap_reward;

#define AP_LESSON_SLOPE 20.0

ap_reward ap_reward_default(void); /* constrained */
const char *ap_reward_name(ap_reward_kind kind);
/* By name; ARG lists the names. */
AP_NODISCARD ap_status ap_reward_parse(const char *name, ap_reward_kind *out, ap_error *err);
/* Is cost counted in multiply-accumulates? */
bool ap_reward_counts_macs(ap_reward_kind kind);
/* ARG for values out of range or not finite. */
AP_NODISCARD ap_status ap_reward_check(const ap_reward *reward, ap_error *err);

/* Fills accuracy_loss, compression, feasible, reward and lesson of *outcome from its accuracy and
 * crossbars (multiply-accumulates where the reward counts those). dense_accuracy, dense_crossbars   of
 * the unpruned network, same split, same unit; > 0. An accuracy that is not a number counts as 0;
 * crossbars below 1 as 1 (in ratios and logarithms). A loss that exceeds the limit by rounding only
 * (1e-9) is feasible. */
void ap_reward_fill(const ap_reward *reward, double dense_accuracy, double dense_crossbars,
                    ap_outcome *outcome);
/* The greatest accuracy loss with which a candidate of so many crossbars is no worse than the incumbent (feasible before
 * infeasible, then by reward): it is known before the candidate is evaluated. May be -INFINITY (never) or INFINITY
 * (always, and with incumbent NULL). */
double ap_reward_most_loss(const ap_reward *reward, double dense_accuracy, double dense_crossbars,
                           double crossbars, const ap_outcome *incumbent);

AP_EXTERN_C_END
#endif
