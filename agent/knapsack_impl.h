/* agent/knapsack_impl.h - the cheapest harm within a cost, exactly. Private to agent/.
 *
 * One level per layer is chosen so that the sum of costs stays within a bound and the sum of
 * errors is least: a dynamic programme over whole costs, one solution for every bound at once. */
#ifndef AP_AGENT_KNAPSACK_IMPL_H
#define AP_AGENT_KNAPSACK_IMPL_H
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct ap_knapsack ap_knapsack;

/* count[t] >= 1 choices of layer t (n_layers in all) of cost costs[t][k], whole and >= 0. When the
 * dearest choices together cost more than max_cells, costs are counted in units of several,
 * rounded up per layer, so that a bound is never exceeded. Copies what it needs.
 * Errors: MEMORY. */
AP_NODISCARD ap_status ap_knapsack_create(size_t n_layers, const size_t *count,
                                          const double *const *costs, size_t max_cells,
                                          ap_knapsack **out, ap_error *err);
void ap_knapsack_destroy(ap_knapsack *knapsack); /* NULL is allowed */

/* For errors[t][k] (finite): solves for all bounds. Cost O(choices x cells). */
void ap_knapsack_solve(ap_knapsack *knapsack, const double *const *errors);

/* After solve: the choice of every layer for this bound, of least error, then least cost; false, with
 * the cheapest choices, when the bound is below their cost. */
bool ap_knapsack_choose(const ap_knapsack *knapsack, double bound, size_t *choice);

#endif
