/* nn/evaluator_order.c - candidates as a trie: sorted by the levels of the layers in the order of
 * computation, equal beginnings stand together and are computed once. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/evaluator_impl.h"

ap_status eval_order_reserve(eval_order *o, size_t n, ap_error *err) {
  if (n <= o->capacity) return AP_OK;
  o->n_words = (o->n_layers + 2 + 63) / 64;
  size_t *sorted = ap_realloc(o->sorted, n, sizeof *sorted);
  if (sorted) o->sorted = sorted;
  size_t *unique = ap_realloc(o->unique, n, sizeof *unique);
  if (unique) o->unique = unique;
  size_t *owner = ap_realloc(o->owner, n, sizeof *owner);
  if (owner) o->owner = owner;
  size_t *resume = ap_realloc(o->resume, n, sizeof *resume);
  if (resume) o->resume = resume;
  uint64_t *later = ap_realloc(o->later, n, o->n_words * sizeof *later);
  if (later) o->later = later;
  if (!sorted || !unique || !owner || !resume || !later)
    return ap_fail(err, AP_ERR_MEMORY, "a batch of %zu candidates", n);
  o->capacity = n;
  return AP_OK;
}

void eval_order_release(eval_order *o) {
  ap_free(o->sorted);
  ap_free(o->unique);
  ap_free(o->owner);
  ap_free(o->resume);
  ap_free(o->later);
  memset(o, 0, sizeof *o);
}

/* How many layers, in the order of computation, have equal levels. */
static size_t common_depth(const eval_order *o, size_t a, size_t b) {
  const uint32_t *x = o->levels + a * o->n_layers, *y = o->levels + b * o->n_layers;
  size_t depth = 0;
  while (depth < o->n_layers && x[o->depth_layer[depth]] == y[o->depth_layer[depth]]) ++depth;
  return depth;
}

static int compare(const void *a, const void *b, void *context) {
  const eval_order *o = context;
  const size_t i = *(const size_t *)a, j = *(const size_t *)b;
  const size_t depth = common_depth(o, i, j);
  if (depth == o->n_layers) return i < j ? -1 : i > j;
  const size_t layer = o->depth_layer[depth];
  return o->levels[i * o->n_layers + layer] < o->levels[j * o->n_layers + layer] ? -1 : 1;
}

void eval_order_sort(eval_order *o, const uint32_t *levels, size_t n) {
  o->levels = levels;
  o->n = n;
  o->n_unique = 0;
  if (n > 0) qsort_r(o->sorted, n, sizeof *o->sorted, compare, o);
  for (size_t i = 0; i < n; ++i) {
    if (i == 0 || common_depth(o, o->sorted[i - 1], o->sorted[i]) < o->n_layers)
      o->unique[o->n_unique++] = o->sorted[i];
    o->owner[i] = o->n_unique - 1;
  }
}

/* later[i]: the smallest values so far of resume[i + 1], resume[i + 2], ...; a candidate that
 * resumes at part p makes everything from p on anew, so that larger ones after it need nothing of
 * what i has left. */
void eval_order_link(eval_order *o, size_t first, size_t n) {
  for (size_t i = first; i < first + n; ++i)
    o->resume[i] = i == first ? 0 : common_depth(o, o->unique[i - 1], o->unique[i]) + 1;
  for (size_t i = first + n; i-- > first;) {
    uint64_t *bits = o->later + i * o->n_words;
    memset(bits, 0, o->n_words * sizeof *bits);
    if (i + 1 == first + n) continue;
    const size_t next = o->resume[i + 1];
    const uint64_t *after = bits + o->n_words;
    for (size_t part = 0; part < next; ++part)
      bits[part / 64] |= after[part / 64] & 1ULL << part % 64;
    bits[next / 64] |= 1ULL << next % 64;
  }
}

bool eval_order_needed(const eval_order *o, size_t i, size_t after, size_t upto) {
  const uint64_t *bits = o->later + i * o->n_words;
  for (size_t part = after + 1; part <= upto; ++part)
    if (bits[part / 64] >> part % 64 & 1) return true;
  return false;
}
