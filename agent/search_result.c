/* Orders of candidates: the best, the best few, the front. */
#include <math.h>
#include <string.h>

#include "agent/searcher_impl.h"
#include "base/alloc.h"

void ap_search_result_destroy(ap_search_result *result) {
  if (!result) return;
  ap_free(result->candidates);
  ap_free(result->executed);
  ap_free(result->front);
  ap_free(result);
}

/* a is better than b; equal ones stand in the order of their evaluation. Estimates come last. */
bool ap_search_better(const ap_candidate *a, const ap_candidate *b) {
  const ap_outcome *x = &a->outcome, *y = &b->outcome;
  if (x->stopped != y->stopped) return y->stopped;
  if (x->feasible != y->feasible) return x->feasible;
  if (x->reward != y->reward) return x->reward > y->reward;
  if (x->crossbars != y->crossbars) return x->crossbars < y->crossbars;
  if (x->loss != y->loss && !isnan(x->loss)) return isnan(y->loss) || x->loss < y->loss;
  return a->episode < b->episode;
}

static bool same_policy(const ap_search_result *r, size_t i, size_t j) {
  return memcmp(r->candidates[i].executed, r->candidates[j].executed,
                r->n_steps * sizeof(double)) == 0;
}

size_t ap_search_top(const ap_search_result *r, size_t k, size_t *index) {
  size_t found = 0;
  for (size_t i = 0; i < r->n; i++) {
    size_t place = found;
    bool known = false;
    for (size_t j = 0; j < found && !known; j++) known = same_policy(r, index[j], i);
    if (known) continue; /* the earlier evaluation stands */
    while (place > 0 && ap_search_better(&r->candidates[i], &r->candidates[index[place - 1]]))
      place--;
    if (place >= k) continue;
    if (found < k) found++;
    for (size_t j = found - 1; j > place; j--) index[j] = index[j - 1];
    index[place] = i;
  }
  return found;
}

/* a comes before b on the way along the front: fewer crossbars, then more accuracy, then earlier.
 */
static bool before(const ap_candidate *a, const ap_candidate *b) {
  if (a->outcome.crossbars != b->outcome.crossbars) {
    return a->outcome.crossbars < b->outcome.crossbars;
  }
  if (a->outcome.accuracy != b->outcome.accuracy) return a->outcome.accuracy > b->outcome.accuracy;
  return a->episode < b->episode;
}

static void sift(const ap_candidate *c, size_t *heap, size_t at, size_t n) {
  for (;;) {
    size_t child = 2 * at + 1, t;
    if (child >= n) return;
    if (child + 1 < n && before(&c[heap[child]], &c[heap[child + 1]])) child++;
    if (!before(&c[heap[at]], &c[heap[child]])) return;
    t = heap[at];
    heap[at] = heap[child];
    heap[child] = t;
    at = child;
  }
}

void ap_search_result_finish(ap_search_result *r) {
  double best_accuracy = -INFINITY;
  r->best = 0;
  for (size_t i = 1; i < r->n; i++) {
    if (ap_search_better(&r->candidates[i], &r->candidates[r->best])) r->best = i;
  }
  r->found = r->candidates[r->best].outcome.feasible;
  /* Heap sort of all indices by `before`, then those that bring more accuracy stay. */
  for (size_t i = 0; i < r->n; i++) r->front[i] = i;
  for (size_t i = r->n / 2; i-- > 0;) sift(r->candidates, r->front, i, r->n);
  for (size_t n = r->n; n-- > 1;) {
    size_t t = r->front[0];
    r->front[0] = r->front[n];
    r->front[n] = t;
    sift(r->candidates, r->front, 0, n);
  }
  r->n_front = 0;
  for (size_t i = 0; i < r->n; i++) {
    const ap_outcome *y = &r->candidates[r->front[i]].outcome;
    double accuracy = y->accuracy;
    if (accuracy > best_accuracy && !y->stopped) {
      best_accuracy = accuracy;
      r->front[r->n_front++] = r->front[i];
    }
  }
}
