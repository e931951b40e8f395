#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "mapper/pattern_impl.h"

typedef struct {
  uint64_t mask;
  size_t count; /* kernels that hold exactly these rows */
} frequency;

static size_t rows_of(uint64_t mask) { return (size_t)__builtin_popcountll(mask); }

static int by_value(const void *a, const void *b) {
  const frequency *x = a, *y = b;
  return (x->mask > y->mask) - (x->mask < y->mask);
}

/* More kernels first; then more rows, then the larger value. */
static int by_count(const void *a, const void *b) {
  const frequency *x = a, *y = b;
  if (x->count != y->count) return x->count > y->count ? -1 : 1;
  if (rows_of(x->mask) != rows_of(y->mask)) return rows_of(x->mask) > rows_of(y->mask) ? -1 : 1;
  return (x->mask < y->mask) - (x->mask > y->mask);
}

static int by_rows(const void *a, const void *b) {
  const frequency *x = a, *y = b;
  if (rows_of(x->mask) != rows_of(y->mask)) return rows_of(x->mask) > rows_of(y->mask) ? -1 : 1;
  return (x->mask < y->mask) - (x->mask > y->mask);
}

size_t ap_pattern_rows(const ap_partition *p, uint64_t mask, size_t band) {
  size_t left = p->k - band * p->granularity.h;
  if (left < p->granularity.h) mask &= ((uint64_t)1 << left) - 1;
  return rows_of(mask);
}

/* Which rows of its band each kernel holds. */
static void kernel_masks(const ap_partition *p, const uint8_t *kept, uint64_t *masks) {
  size_t h = p->granularity.h, n = p->n;
  for (size_t k = 0; k < p->k; k++) {
    uint64_t *band = masks + k / h * n, bit = (uint64_t)1 << k % h;
    for (size_t j = 0; j < n; j++) {
      if (!kept || kept[k * n + j]) band[j] |= bit;
    }
  }
}

/* The most frequent patterns that no more frequent one covers, at most `most`, then sorted by rows; with
 * the pattern of all rows where a kernel would be covered by none. (A kernel that lost a weight to
 * rounding stays with the others.) Returns how many. */
static size_t make_dictionary(frequency *list, size_t kernels, size_t most, size_t h) {
  size_t distinct = 0, n = 0;
  bool all_covered = true;
  qsort(list, kernels, sizeof *list, by_value);
  for (size_t i = 0; i < kernels; i++) {
    if (list[i].mask == 0) continue;
    if (distinct > 0 && list[distinct - 1].mask == list[i].mask) {
      list[distinct - 1].count++;
    } else {
      list[distinct++] = (frequency){list[i].mask, 1};
    }
  }
  qsort(list, distinct, sizeof *list, by_count);
  for (size_t i = 0; i < distinct; i++) {
    bool covered = false;
    for (size_t d = 0; d < n && !covered; d++) covered = !(list[i].mask & ~list[d].mask);
    if (!covered && n < most) list[n++] = list[i];
    all_covered = all_covered && (covered || list[n - 1].mask == list[i].mask);
  }
  /* room: there is one kernel more than patterns, or all are covered */
  if (!all_covered) list[n++].mask = h < 64 ? ((uint64_t)1 << h) - 1 : UINT64_MAX;
  qsort(list, n, sizeof *list, by_rows);
  return n;
}

/* The covering pattern of the fewest rows: the last one that covers, since rows fall. */
static uint32_t smallest_cover(const frequency *dictionary, size_t n, uint64_t mask) {
  if (mask == 0) return AP_PATTERN_NONE;
  for (size_t d = n; d-- > 0;) {
    if (!(mask & ~dictionary[d].mask)) return (uint32_t)d;
  }
  return AP_PATTERN_NONE; /* does not happen */
}

/* Takes patterns out under which no kernel lies. */
static void drop_unused(const frequency *dictionary, size_t n, size_t kernels, uint32_t *renamed,
                        ap_patterns *out) {
  memset(renamed, 0, n * sizeof *renamed);
  for (size_t i = 0; i < kernels; i++) {
    if (out->of[i] != AP_PATTERN_NONE) renamed[out->of[i]] = 1;
  }
  for (size_t d = 0; d < n; d++) {
    if (!renamed[d]) continue;
    out->masks[out->n] = dictionary[d].mask;
    renamed[d] = (uint32_t)out->n++;
  }
  for (size_t i = 0; i < kernels; i++) {
    if (out->of[i] != AP_PATTERN_NONE) out->of[i] = renamed[out->of[i]];
  }
}

ap_status ap_patterns_find(const ap_partition *p, const uint8_t *kept, ap_patterns *out,
                           ap_error *err) {
  size_t kernels = p->lines * p->n, most = p->granularity.w, n;
  uint64_t *masks = ap_calloc(kernels, sizeof *masks);
  frequency *list = ap_calloc(kernels + 1, sizeof *list);
  uint32_t *renamed = ap_calloc(most + 1, sizeof *renamed);
  ap_status st = AP_OK;
  memset(out, 0, sizeof *out);
  out->masks = ap_calloc(most + 1, sizeof *out->masks);
  out->of = ap_calloc(kernels, sizeof *out->of);
  if (!masks || !list || !renamed || !out->masks || !out->of) {
    st = ap_fail(err, AP_ERR_MEMORY, "patterns of %zu kernels", kernels);
    ap_patterns_release(out);
    goto done;
  }
  kernel_masks(p, kept, masks);
  for (size_t i = 0; i < kernels; i++) list[i].mask = masks[i];
  n = make_dictionary(list, kernels, most, p->granularity.h);
  for (size_t i = 0; i < kernels; i++) out->of[i] = smallest_cover(list, n, masks[i]);
  drop_unused(list, n, kernels, renamed, out);
done:
  ap_free(masks);
  ap_free(list);
  ap_free(renamed);
  return st;
}

void ap_patterns_release(ap_patterns *patterns) {
  ap_free(patterns->masks);
  ap_free(patterns->of);
  memset(patterns, 0, sizeof *patterns);
}
