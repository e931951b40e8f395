#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/attempt_impl.h"
#include "bench/bisect_impl.h"
#include "bench/cell_read_impl.h"
#include "pruners/recover.h"

void ap_bisection_release(ap_bisection *bisection) {
  ap_network_destroy(bisection->deployed);
  json_decref(bisection->log);
  ap_free(bisection->kept_network);
  memset(bisection, 0, sizeof *bisection);
}

/* What a policy loses one shot where its recovery just meets a limit of 0.01: 0.01 to 0.09 were seen, the most for coarse
 * granularities, the least for policies that a search chose by that very number (points.csv of results/paper-cifar10).
 * It says where to begin, not where to end, and is the same for every limit: rows are then tried in one order for all of
 * them, and more loss allowed never ends at less compression. */
#define LIKELY_LOSS 0.03
#define FIRST_STEP 0.1 /* outwards from there, in ln(crossbars); doubled at each further one */

static double logarithm(const ap_family *f, size_t row) { return log(fmax(f->crossbars[row], 1)); }

/* The row strictly between lo and hi whose ln(crossbars) is nearest to `wanted`, or lo when there is none. */
static size_t nearest(const ap_family *f, size_t lo, size_t hi, double wanted) {
  size_t best = lo;
  double distance = INFINITY;
  for (size_t i = lo + 1; i < hi; i++) {
    double d = fabs(logarithm(f, i) - wanted);
    if (d < distance) {
      distance = d;
      best = i;
    }
  }
  return best;
}

/* The lightest row that loses no more than is likely to be recovered; one that prunes, if there is one. */
static size_t likely(const ap_family *f) {
  size_t row = f->n > 1 ? 1 : 0;
  for (size_t i = row + 1; i < f->n; i++) {
    if (f->accuracy[0] - f->accuracy[i] <= LIKELY_LOSS) row = i;
  }
  return row;
}

/* The row to recover next, strictly between lo and hi, or lo when there is none: from the likely one outwards, until there is
 * one that passed (lo > 0) and one that did not (hi < f->n), then the geometric middle of the two. *step: of the way outwards. */
static size_t next_row(const ap_family *f, size_t lo, size_t hi, double *step) {
  double outwards = *step;
  if (lo == 0 && hi == f->n) return likely(f);
  if (lo > 0 && hi < f->n) {
    return nearest(f, lo, hi, 0.5 * (logarithm(f, lo) + logarithm(f, hi)));
  }
  *step *= 2;
  return lo > 0 ? nearest(f, lo, hi, logarithm(f, lo) - outwards)
                : nearest(f, lo, hi, logarithm(f, hi) + outwards);
}

/* One-shot network of the policy that keeps everything: the levels' own weights. */
static ap_status oneshot(const ap_cell *cell, const ap_level_db *db, const uint32_t *levels,
                         double *accuracy, ap_network **out, ap_error *err) {
  ap_score score;
  ap_status st = ap_deploy_levels(ap_workbench_folded(cell->bench), db, levels, out, err);
  if (!st) st = ap_workbench_score(cell->bench, *out, AP_SPLIT_SELECTION, &score, err);
  if (!st) *accuracy = score.accuracy;
  return st;
}

static ap_status record(ap_bisection *b, const ap_family *f, size_t row,
                        const ap_tuning_accuracy *accuracy, bool accepted, ap_error *err) {
  json_t *entry =
      json_pack("{s:f, s:f, s:f, s:f, s:o, s:f, s:b}", "crossbars", f->crossbars[row],
                "oneshot_accuracy_search", f->accuracy[row], "oneshot_accuracy_selection",
                accuracy->oneshot, "repaired_accuracy_selection", accuracy->repaired,
                "tuned_accuracy_selection", number_or_null(accuracy->tuned), "accuracy_selection",
                ap_tuning_best(accuracy), "accepted", (int)accepted);
  if (!entry || json_array_append_new(b->log, entry)) {
    return ap_fail(err, AP_ERR_MEMORY, "log of recoveries");
  }
  return AP_OK;
}

static void name_attempt(const ap_cell *cell, size_t number, double compression, char *title,
                         size_t size) {
  (void)snprintf(title, size, "%s %s: recovery %zu of %zu at %.2fx", cell->network->network,
                 cell->method->name, number, cell->suite->tunings, compression);
}

/* The network of the attempt that was chosen. */
static ap_status take_network(const ap_cell *cell, const ap_level_db *db, const uint32_t *levels,
                              const char *title, ap_attempt *chosen, ap_bisection *out,
                              ap_error *err) {
  ap_status st = ap_attempt_network(cell, db, levels, title, chosen, &out->deployed, err);
  if (st) return st;
  out->oneshot_selection = chosen->accuracy.oneshot;
  out->kept_network = ap_strdup(chosen->kept.network_path);
  return out->kept_network || !chosen->kept.network_path ? AP_OK
                                                         : ap_fail(err, AP_ERR_MEMORY, "path");
}

ap_status ap_bisect(const ap_cell *cell, const ap_level_db *db, const ap_family *family,
                    double dense, ap_bisection *out, ap_error *err) {
  size_t lo = 0, hi = family->n, layers = family->n_layers, spent = 0;
  double step = FIRST_STEP;
  double dense_crossbars = ap_level_db_dense_crossbars(db), needed = dense - cell->max_loss - 1e-9;
  ap_attempt chosen = {.net = NULL};
  char title[128] = "";
  ap_status st;
  memset(out, 0, sizeof *out);
  out->log = json_array();
  st = out->log ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "log of recoveries");
  while (spent < cell->suite->tunings && !st) {
    size_t row = next_row(family, lo, hi, &step);
    ap_attempt a;
    bool accepted;
    if (row == lo) break;
    name_attempt(cell, spent + 1, dense_crossbars / fmax(family->crossbars[row], 1), title,
                 sizeof title);
    st = ap_attempt_make(cell, db, family->levels + row * layers, needed, title, &a, err);
    if (st) break;
    accepted = ap_tuning_best(&a.accuracy) >= needed;
    spent += isnan(a.accuracy.tuned) ? 0 : 1;
    st = record(out, family, row, &a.accuracy, accepted, err);
    if (accepted) {
      ap_attempt before = chosen;
      chosen = a;
      a = before;
      lo = row;
    } else {
      hi = row;
    }
    if (a.kept.network_path) ap_tuning_forget_network(&a.kept); /* it will not be the one */
    ap_attempt_release(&a);
  }
  out->chosen = lo;
  if (!st && lo > 0) {
    name_attempt(cell, spent, dense_crossbars / fmax(family->crossbars[lo], 1), title,
                 sizeof title);
    st = take_network(cell, db, family->levels + lo * layers, title, &chosen, out, err);
  } else if (!st) {
    st = oneshot(cell, db, family->levels, &out->oneshot_selection, &out->deployed, err);
  }
  ap_attempt_release(&chosen);
  if (st) ap_bisection_release(out);
  return st;
}
