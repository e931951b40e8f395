/* tests/agent/toy_env.h - a small world with a known optimum: layers whose pruning costs accuracy
 * independently (accuracy = dense - sum of weight * (1 - kept)^power) and whose crossbars are a
 * staircase
 * (`levels` equal steps). */
#ifndef AP_TESTS_AGENT_TOY_ENV_H
#define AP_TESTS_AGENT_TOY_ENV_H
#include "agent/env.h"
#include "agent/reward.h"

#define TOY_LAYERS 8
#define TOY_FEATURES 6

typedef struct {
  size_t n_layers;
  size_t levels[TOY_LAYERS]; /* level k keeps (k+1)/levels and costs k+1 crossbars */
  double weight[TOY_LAYERS], power[TOY_LAYERS];
  double
      interaction; /* harm also of each pair of neighbours: this times the product of their shares */
  double dense_accuracy;
  ap_reward reward;
  size_t evaluations, largest_batch; /* counted by evaluate */
  double tallied;                    /* likewise, but carried over by the state of a search */
  size_t fail_at;                    /* evaluate answers DEVICE once this many are done; 0: never */
} toy;

/* The environment over *world, which it borrows; images charges 100 image-forwards a candidate. */
ap_env toy_env(toy *world);
/* Three layers of 7, 11 and 5 levels; loss limit 0.05. */
toy toy_three(void);
/* Eight layers of 3..13 levels; loss limit 0.05. */
toy toy_eight(void);
/* The eight, with harms that do not add up. */
toy toy_entangled(void);
/* One layer of 1000 levels whose reward is its accuracy, best at keeping 0.37. */
toy toy_bandit(void);

/* Best reward over all policies, by trying each. */
double toy_brute_force(const toy *world);

#endif
