#include "agent/reward.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {"constrained", "amc", "accuracy", "macs", "amc-macs"};
#define N_KINDS (sizeof names / sizeof *names)
static const double rounding = 1e-9; /* accuracies are quotients of counts of images */

ap_reward ap_reward_default(void) {
  return (ap_reward){
      .kind = AP_REWARD_CONSTRAINED, .max_loss = 0.01, .accuracy_weight = 1, .penalty = 2};
}

const char *ap_reward_name(ap_reward_kind kind) {
  return (size_t)kind < N_KINDS ? names[kind] : "unknown";
}

ap_status ap_reward_parse(const char *name, ap_reward_kind *out, ap_error *err) {
  for (size_t i = 0; i < N_KINDS; i++) {
    if (strcmp(name, names[i]) == 0) {
      *out = (ap_reward_kind)i;
      return AP_OK;
    }
  }
  return ap_fail(err, AP_ERR_ARG,
                 "reward \"%s\": expected constrained, amc, accuracy, macs or amc-macs", name);
}

bool ap_reward_counts_macs(ap_reward_kind kind) {
  return kind == AP_REWARD_MACS || kind == AP_REWARD_AMC_MACS;
}

ap_status ap_reward_check(const ap_reward *reward, ap_error *err) {
  if ((size_t)reward->kind >= N_KINDS) {
    return ap_fail(err, AP_ERR_ARG, "reward kind %d: unknown", (int)reward->kind);
  }
  if (!(reward->max_loss >= 0 && reward->max_loss <= 1)) {
    return ap_fail(err, AP_ERR_ARG, "accuracy-loss limit %g: expected 0..1", reward->max_loss);
  }
  if (!(reward->accuracy_weight >= 0 && isfinite(reward->accuracy_weight))) {
    return ap_fail(err, AP_ERR_ARG, "accuracy weight %g: expected >= 0", reward->accuracy_weight);
  }
  if (!(reward->penalty > 0 && isfinite(reward->penalty))) {
    return ap_fail(err, AP_ERR_ARG, "reward penalty %g: expected > 0", reward->penalty);
  }
  return AP_OK;
}

void ap_reward_fill(const ap_reward *reward, double dense_accuracy, double dense_crossbars,
                    ap_outcome *outcome) {
  double accuracy = isfinite(outcome->accuracy) ? outcome->accuracy : 0, excess;
  double crossbars = fmax(outcome->crossbars, 1);
  outcome->accuracy = accuracy;
  outcome->accuracy_loss = dense_accuracy - accuracy;
  outcome->compression = fmax(dense_crossbars, 1) / crossbars;
  excess = outcome->accuracy_loss - reward->max_loss;
  outcome->feasible = excess <= rounding;
  if (outcome->feasible) excess = fmin(excess, 0);
  switch (reward->kind) {
    case AP_REWARD_CONSTRAINED:
    case AP_REWARD_MACS: {
      const double saved = log(fmax(outcome->compression, 1));
      if (outcome->feasible) {
        outcome->reward = outcome->lesson = saved - reward->accuracy_weight * excess;
      } else {
        outcome->reward = -reward->penalty * excess;
        outcome->lesson = saved - log1p(AP_LESSON_SLOPE * excess);
      }
      return;
    }
    case AP_REWARD_AMC:
    case AP_REWARD_AMC_MACS:
      outcome->reward = -(1 - accuracy) * log(crossbars);
      break;
    case AP_REWARD_ACCURACY:
      outcome->reward = accuracy;
      break;
  }
  outcome->lesson = outcome->reward;
}

/* The greatest loss at which the reward of a candidate is at least `wanted`. */
static double loss_for(const ap_reward *reward, double dense_accuracy, double dense_crossbars,
                       double crossbars, double wanted) {
  const double cost = fmax(crossbars, 1), cells = fmax(dense_crossbars, 1);
  switch (reward->kind) {
    case AP_REWARD_CONSTRAINED:
    case AP_REWARD_MACS: {
      const double spare = log(fmax(cells / cost, 1)) - wanted; /* at the limit itself */
      if (wanted < 0) return reward->max_loss - wanted / reward->penalty;
      if (spare >= 0) return reward->max_loss;
      if (reward->accuracy_weight > 0) return reward->max_loss + spare / reward->accuracy_weight;
      return -INFINITY;
    }
    case AP_REWARD_AMC:
    case AP_REWARD_AMC_MACS:
      if (cost > 1) return dense_accuracy - 1 - wanted / log(cost);
      return wanted <= 0 ? (double)INFINITY : -(double)INFINITY;
    case AP_REWARD_ACCURACY:
      return dense_accuracy - wanted;
  }
  return INFINITY;
}

double ap_reward_most_loss(const ap_reward *reward, double dense_accuracy, double dense_crossbars,
                           double crossbars, const ap_outcome *incumbent) {
  double loss;
  if (!incumbent) return INFINITY;
  loss = loss_for(reward, dense_accuracy, dense_crossbars, crossbars, incumbent->reward);
  return incumbent->feasible ? fmin(loss, reward->max_loss) : fmax(loss, reward->max_loss);
}
