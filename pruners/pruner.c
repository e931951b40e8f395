#include "pruners/pruner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "pruners/baselines/baselines_impl.h"

/* What a user may write, in the order of listing. `as` is a granularity's own text. */
static const struct {
  const char *name, *as, *summary;
} pruners[] = {
    {"column-vector", "column-vector", "pieces of a filter, OU rows x 1 (AUTO-PRUNE as read here)"},
    {"row-vector", "row-vector", "pieces of a matrix row, 1 x one OU's width (SRE-like)"},
    {"filter", "filter", "whole filters, with the inputs that only they fed"},
    {"channel", "channel", "whole input channels, with the filters that only they read"},
    {"pattern", "pattern", "weights inside kernels, which keep one of a few patterns"},
    {"bit-column", "bit-column", "bitlines of OU rows: slices of weights, the lowest first"},
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

const char *ap_pruner_label(const ap_pruner *pruner) {
  return pruner->plugin.kind == AP_PLUGIN_NONE ? pruner->name : pruner->plugin.label;
}

static const char *const criteria[] = {"l2", "l1", "lamp"};
#define N_CRITERIA (sizeof criteria / sizeof criteria[0])

const char *ap_criterion_name(ap_criterion criterion) {
  return (size_t)criterion < N_CRITERIA ? criteria[criterion] : "unknown";
}

ap_granularity ap_granularity_of_layer(ap_granularity granularity, const ap_layer_info *info) {
  if (granularity.kind == AP_GRANULARITY_CHANNEL && granularity.h == 0) {
    granularity.h = info->kh * info->kw;
  }
  if (granularity.kind == AP_GRANULARITY_PATTERN && granularity.h == 0 && info->kh * info->kw > 1 &&
      info->kh * info->kw <= AP_PATTERN_MAX_ROWS) {
    granularity.h = info->kh * info->kw;
  }
  return granularity;
}

bool ap_pruner_gives_masks(const ap_pruner *pruner) {
  return pruner->plugin.kind != AP_PLUGIN_NONE ||
         pruner->granularity.kind == AP_GRANULARITY_PATTERN;
}

void ap_pruner_print(const ap_pruner *pruner, char text[96]) {
  char granularity[64];
  ap_granularity_print(pruner->granularity, granularity);
  (void)snprintf(text, 96, "%s%s%s", granularity, pruner->criterion ? "+" : "",
                 pruner->criterion ? ap_criterion_name(pruner->criterion) : "");
}

/* Takes "+CRITERION" off the end of text[0..*length-1]. */
static ap_status take_criterion(const char *text, size_t *length, ap_criterion *out,
                                ap_error *err) {
  const char *plus = memchr(text, '+', *length);
  size_t n = plus ? (size_t)(text + *length - plus) - 1 : 0;
  *out = AP_CRITERION_L2;
  if (!plus) return AP_OK;
  for (size_t i = 0; i < N_CRITERIA; i++) {
    if (strlen(criteria[i]) != n || strncmp(plus + 1, criteria[i], n) != 0) continue;
    *out = (ap_criterion)i;
    *length = (size_t)(plus - text);
    return AP_OK;
  }
  return ap_fail(err, AP_ERR_ARG, "pruner '%.60s': behind + l2, l1 or lamp is expected", text);
}

/* False: no such built-in name. */
static bool find_built_in(const char *text, size_t length, ap_granularity *out, ap_status *st,
                          ap_error *err) {
  size_t name_length = strcspn(text, ":@+");
  if (name_length > length) name_length = length;
  for (size_t i = 0; i < N_PRUNERS; i++) {
    char spelled[128];
    int n;
    if (strlen(pruners[i].name) != name_length) continue;
    if (strncmp(pruners[i].name, text, name_length) != 0) continue;
    n = snprintf(spelled, sizeof spelled, "%s%.*s", pruners[i].as, (int)(length - name_length),
                 text + name_length);
    *st = n < 0 || (size_t)n >= sizeof spelled
              ? ap_fail(err, AP_ERR_ARG, "pruner '%.60s...': too long", text)
              : ap_granularity_parse(spelled, out, err);
    return true;
  }
  return false;
}

static ap_status unknown(const char *text, size_t length, ap_error *err) {
  char names[400] = "";
  size_t used = 0;
  for (size_t i = 0; i < N_PRUNERS; i++) {
    int n = snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", pruners[i].name);
    used += n > 0 && (size_t)n < sizeof names - used ? (size_t)n : 0;
  }
  return ap_fail(err, AP_ERR_ARG,
                 "unknown pruner '%.*s': one of %s is expected, or a plug-in (./FILE.so, "
                 "exec:PROGRAM)",
                 (int)(length < 60 ? length : 60), text, names);
}

/* May what stands before an @ be the beginning of a plug-in's name? */
static bool names_a_file(const char *text, size_t length) {
  return memchr(text, '/', length) || strncmp(text, "exec:", 5) == 0 || ap_file_exists(text);
}

ap_status ap_pruner_parse(const char *text, ap_pruner *out, ap_error *err) {
  const char *at = strchr(text, '@');
  ap_granularity wish, own;
  bool wished;
  ap_status st = AP_OK;
  memset(out, 0, sizeof *out);
  if (strlen(text) >= sizeof out->name) {
    return ap_fail(err, AP_ERR_ARG, "pruner '%.60s...': at most %d characters are expected", text,
                   AP_PRUNER_NAME - 1);
  }
  memcpy(out->name, text, strlen(text) + 1);
  if (!ap_plugin_meant(text) && !at) {
    size_t length = strlen(text);
    st = take_criterion(text, &length, &out->criterion, err);
    if (st) return st;
    if (!find_built_in(text, length, &out->granularity, &st, err))
      return unknown(text, strlen(text), err);
    if (!st && out->criterion && out->granularity.kind == AP_GRANULARITY_BIT_COLUMN) {
      st = ap_fail(err, AP_ERR_ARG, "pruner '%.60s': bit-columns go by the error that they make",
                   text);
    }
    return st;
  }
  wished = at && find_built_in(text, (size_t)(at - text), &wish, &st, err);
  if (st) return st;
  if (wished && wish.kind == AP_GRANULARITY_DENSE) {
    return ap_fail(err, AP_ERR_ARG, "pruner '%.60s': dense leaves a plug-in nothing to do", text);
  }
  if (!wished && at && ap_plugin_meant(at + 1) && !names_a_file(text, (size_t)(at - text))) {
    return unknown(text, (size_t)(at - text), err);
  }
  if (!ap_plugin_meant(wished ? at + 1 : text)) return unknown(text, strlen(text), err);
  st = ap_plugin_open(wished ? at + 1 : text, &out->plugin, &own, err);
  out->granularity = wished ? wish : own;
  return st;
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

static ap_status rank(const double *scores, size_t count, uint32_t *order, ap_error *err) {
  ranked *list = ap_calloc(count, sizeof *list);
  if (!list) return ap_fail(err, AP_ERR_MEMORY, "order of %zu vectors", count);
  for (size_t i = 0; i < count; i++) list[i] = (ranked){scores[i], (uint32_t)i};
  qsort(list, count, sizeof *list, by_falling_score);
  for (size_t i = 0; i < count; i++) order[i] = list[i].index;
  ap_free(list);
  return AP_OK;
}

ap_status ap_pruner_order_by(const double *scores, size_t count, uint32_t **order, ap_error *err) {
  ap_status st;
  *order = ap_calloc(count, sizeof **order);
  if (!*order) return ap_fail(err, AP_ERR_MEMORY, "order of %zu vectors", count);
  st = rank(scores, count, *order, err);
  if (st) {
    ap_free(*order);
    *order = NULL;
  }
  return st;
}

ap_status ap_pruner_scores(const ap_partition *partition, ap_criterion criterion,
                           const float *matrix, double *score, ap_error *err) {
  size_t count = partition->count;
  if (partition->granularity.kind == AP_GRANULARITY_BIT_COLUMN) {
    return ap_bit_column_scores(partition, matrix, score, err);
  }
  if (criterion == AP_CRITERION_L1) {
    ap_partition_magnitudes(partition, matrix, score);
  } else {
    ap_partition_squares(partition, matrix, score);
  }
  for (size_t i = 0; i < count; i++) {
    ap_extent e = ap_partition_vector(partition, i);
    if (!isfinite(score[i])) {
      return ap_fail(err, AP_ERR_FORMAT, "weights of rows %zu..%zu, columns %zu..%zu: not finite",
                     e.k0, e.k1 - 1, e.n0, e.n1 - 1);
    }
    score[i] /= (double)((e.k1 - e.k0) * (e.n1 - e.n0));
  }
  return criterion == AP_CRITERION_LAMP ? ap_lamp_scores(score, count, err) : AP_OK;
}

ap_status ap_pruner_order(const ap_partition *partition, ap_criterion criterion,
                          const float *matrix, uint32_t *order, ap_error *err) {
  ap_status st = AP_OK;
  size_t count = partition->count;
  double *score = ap_calloc(count, sizeof *score);
  /* LAMP's quotients may round alike where mean squares differ */
  ap_criterion within = criterion == AP_CRITERION_LAMP ? AP_CRITERION_L2 : criterion;
  if (!score) return ap_fail(err, AP_ERR_MEMORY, "scores of %zu vectors", count);
  st = ap_pruner_scores(partition, within, matrix, score, err);
  if (!st) st = rank(score, count, order, err);
  ap_free(score);
  return st;
}

void ap_pruner_keep_first(const uint32_t *order, size_t count, size_t m, uint8_t *kept) {
  for (size_t i = 0; i < count; i++) kept[order[i]] = i < m;
}
