#include "pruners/pruner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* What a user may write, in the order of listing. `as` is a granularity's own text. */
static const struct {
  const char *name, *as, *summary;
} pruners[] = {
    {"column-vector", "column-vector", "pieces of a filter, OU rows x 1 (AUTO-PRUNE as read here)"},
    {"row-vector", "row-vector", "pieces of a matrix row, 1 x one OU's width (SRE-like)"},
    {"filter", "filter", "whole filters, with the inputs that only they fed"},
    {"block", "block", "rows and columns inside crossbar-sized blocks (PIM-Prune's idea)"},
    {"unstructured", "unstructured", "single weights: what hardware makes of them"},
    {"dense", "dense", "nothing"},
    {"auto-prune", "column-vector", "another name of column-vector"},
    {"pim-prune", "block", "another name of block"},
    {"sre", "row-vector", "another name of row-vector"},
};
#define N_PRUNERS (sizeof pruners / sizeof pruners[0])

const char *ap_pruner_name(size_t index) { return index < N_PRUNERS ? pruners[index].name : NULL; }

const char *ap_pruner_summary(size_t index) {
  return index < N_PRUNERS ? pruners[index].summary : NULL;
}

ap_status ap_pruner_parse(const char *text, ap_pruner *out, ap_error *err) {
  size_t length = strcspn(text, ":");
  char names[256] = "", spelled[sizeof out->name];
  size_t used = 0;
  memset(out, 0, sizeof *out);
  for (size_t i = 0; i < N_PRUNERS; i++) {
    if (strlen(pruners[i].name) == length && strncmp(text, pruners[i].name, length) == 0) {
      int n = snprintf(spelled, sizeof spelled, "%s%s", pruners[i].as, text + length);
      if (n < 0 || (size_t)n >= sizeof spelled || strlen(text) >= sizeof out->name) break;
      memcpy(out->name, text, strlen(text) + 1);
      return ap_granularity_parse(spelled, &out->granularity, err);
    }
  }
  for (size_t i = 0; i < N_PRUNERS; i++) {
    int n = snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", pruners[i].name);
    used += n > 0 && (size_t)n < sizeof names - used ? (size_t)n : 0;
  }
  return ap_fail(err, AP_ERR_ARG, "unknown pruner '%.60s': one of %s is expected", text, names);
}

typedef struct {
  double score;
  uint32_t index;
} ranked;

static int by_falling_score(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

ap_status ap_pruner_order(const ap_partition *partition, const float *matrix, uint32_t *order,
                          ap_error *err) {
  ap_status st = AP_OK;
  size_t count = partition->count;
  double *score = ap_calloc(count, sizeof *score);
  ranked *list = ap_calloc(count, sizeof *list);
  if (!score || !list) {
    st = ap_fail(err, AP_ERR_MEMORY, "scores of %zu vectors", count);
    goto done;
  }
  ap_partition_squares(partition, matrix, score);
  for (size_t i = 0; i < count; i++) {
    ap_extent e = ap_partition_vector(partition, i);
    if (!isfinite(score[i])) {
      st = ap_fail(err, AP_ERR_FORMAT, "weights of rows %zu..%zu, columns %zu..%zu: not finite",
                   e.k0, e.k1 - 1, e.n0, e.n1 - 1);
      goto done;
    }
    list[i].score = score[i] / (double)((e.k1 - e.k0) * (e.n1 - e.n0));
    list[i].index = (uint32_t)i;
  }
  qsort(list, count, sizeof *list, by_falling_score);
  for (size_t i = 0; i < count; i++) order[i] = list[i].index;
done:
  ap_free(score);
  ap_free(list);
  return st;
}

void ap_pruner_keep_first(const uint32_t *order, size_t count, size_t m, uint8_t *kept) {
  for (size_t i = 0; i < count; i++) kept[order[i]] = i < m;
}
