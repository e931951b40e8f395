#include <math.h>
#include <stdint.h>

#include "agent/knapsack_impl.h"
#include "base/alloc.h"

struct ap_knapsack {
  size_t n_layers, cells; /* bounds 0..cells-1, in units */
  double unit;
  size_t *count;
  uint32_t **costs;     /* in units */
  double *error, *next; /* cells: least error of the layers so far with exactly this cost */
  uint16_t *choices;    /* n_layers x cells: what the least error chose */
  size_t *last;         /* cells: exact cost of the best error within the bound */
};

void ap_knapsack_destroy(ap_knapsack *s) {
  if (!s) return;
  for (size_t t = 0; s->costs && t < s->n_layers; t++) ap_free(s->costs[t]);
  ap_free(s->costs);
  ap_free(s->count);
  ap_free(s->error);
  ap_free(s->next);
  ap_free(s->choices);
  ap_free(s->last);
  ap_free(s);
}

ap_status ap_knapsack_create(size_t n_layers, const size_t *count, const double *const *costs,
                             size_t max_cells, ap_knapsack **out, ap_error *err) {
  double dearest = 0;
  size_t cells = 1;
  ap_knapsack *s = ap_calloc(1, sizeof *s);
  *out = NULL;
  if (!s) goto memory;
  s->n_layers = n_layers;
  s->count = ap_calloc(n_layers, sizeof *s->count);
  s->costs = ap_calloc(n_layers, sizeof *s->costs);
  if (!s->count || !s->costs) goto memory;
  for (size_t t = 0; t < n_layers; t++) {
    double most = 0;
    for (size_t k = 0; k < count[t]; k++) most = fmax(most, costs[t][k]);
    dearest += most;
  }
  s->unit = fmax(1, ceil(dearest / (double)max_cells));
  for (size_t t = 0; t < n_layers; t++) {
    uint32_t most = 0;
    s->count[t] = count[t];
    s->costs[t] = ap_calloc(count[t], sizeof **s->costs);
    if (!s->costs[t]) goto memory;
    for (size_t k = 0; k < count[t]; k++) {
      s->costs[t][k] = (uint32_t)ceil(costs[t][k] / s->unit);
      if (s->costs[t][k] > most) most = s->costs[t][k];
    }
    cells += most;
  }
  s->cells = cells;
  s->error = ap_calloc(cells, sizeof *s->error);
  s->next = ap_calloc(cells, sizeof *s->next);
  s->last = ap_calloc(cells, sizeof *s->last);
  s->choices = ap_calloc(n_layers * cells, sizeof *s->choices);
  if (!s->error || !s->next || !s->last || !s->choices) goto memory;
  *out = s;
  return AP_OK;
memory:
  ap_knapsack_destroy(s);
  return ap_fail(err, AP_ERR_MEMORY, "knapsack of %zu layers, %zu cells", n_layers, cells);
}

void ap_knapsack_solve(ap_knapsack *s, const double *const *errors) {
  size_t reach = 0; /* highest cost of the layers so far */
  for (size_t b = 0; b < s->cells; b++) s->error[b] = b ? INFINITY : 0;
  for (size_t t = 0; t < s->n_layers; t++) {
    uint16_t *choice = s->choices + t * s->cells;
    double *swap;
    size_t most = 0;
    for (size_t b = 0; b < s->cells; b++) s->next[b] = INFINITY;
    for (size_t k = 0; k < s->count[t]; k++) {
      size_t cost = s->costs[t][k];
      for (size_t b = 0; b <= reach; b++) {
        double e = s->error[b] + errors[t][k];
        if (e < s->next[b + cost]) {
          s->next[b + cost] = e;
          choice[b + cost] = (uint16_t)k;
        }
      }
      if (cost > most) most = cost;
    }
    reach += most;
    swap = s->error;
    s->error = s->next;
    s->next = swap;
  }
  for (size_t b = 0, best = SIZE_MAX; b < s->cells; b++) {
    if (isfinite(s->error[b]) && (best == SIZE_MAX || s->error[b] < s->error[best])) best = b;
    s->last[b] = best;
  }
}

bool ap_knapsack_choose(const ap_knapsack *s, double bound, size_t *choice) {
  size_t at = 0;
  bool fits = true;
  if (bound >= s->unit) {
    double cells = floor(bound / s->unit);
    at = cells < (double)s->cells ? (size_t)cells : s->cells - 1;
  }
  while (s->last[at] == SIZE_MAX) {
    at++;
    fits = false;
  }
  at = s->last[at];
  for (size_t t = s->n_layers; t-- > 0;) {
    choice[t] = s->choices[t * s->cells + at];
    at -= s->costs[t][choice[t]];
  }
  return fits;
}
