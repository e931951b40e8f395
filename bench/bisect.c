#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "bench/bisect_impl.h"
#include "bench/tuning_impl.h"
#include "pruners/recover.h"

void ap_bisection_release(ap_bisection *bisection) {
  ap_network_destroy(bisection->deployed);
  json_decref(bisection->log);
  ap_free(bisection->kept_network);
  memset(bisection, 0, sizeof *bisection);
}

/* The row strictly between lo and hi whose crossbars are nearest to the geometric middle, or lo when
 * there is none. hi == family->n stands for "beyond the last row". */
static size_t middle(const ap_family *f, size_t lo, size_t hi) {
  double a = log(fmax(f->crossbars[lo], 1));
  double b = log(fmax(f->crossbars[hi < f->n ? hi : f->n - 1], 1));
  size_t best = lo;
  double distance = INFINITY;
  for (size_t i = lo + 1; i < hi; i++) {
    double d = fabs(log(fmax(f->crossbars[i], 1)) - 0.5 * (a + b));
    if (d < distance) {
      distance = d;
      best = i;
    }
  }
  return best;
}

typedef struct {
  ap_progress *progress;
} watch;

static void on_training(void *context, const ap_train_report *report) {
  char note[64];
  (void)snprintf(note, sizeof note, "loss %.3f", report->loss);
  ap_progress_set(((watch *)context)->progress, report->step, note);
}

static ap_status tune(const ap_cell *cell, const ap_level_db *db, const uint32_t *levels,
                      size_t number, double compression, ap_network **out, double *accuracy,
                      ap_error *err) {
  const ap_dataset *data = ap_workbench_data(cell->bench);
  ap_train_options recipe = ap_suite_recovery(cell->network, data, cell->seed);
  size_t images = ap_dataset_describe(data, AP_SPLIT_TRAIN).n_images;
  size_t steps = (size_t)(recipe.epochs * (double)images / (double)recipe.batch + 0.5);
  char title[128];
  watch w;
  ap_score score;
  ap_status st;
  (void)snprintf(title, sizeof title, "%s %s: recovery %zu of %zu at %.2fx", cell->network->network,
                 cell->method->name, number, cell->suite->tunings, compression);
  w.progress = ap_progress_create(title, steps, cell->quiet);
  st = ap_recover(ap_workbench_backend(cell->bench), ap_workbench_trained(cell->bench), data, db,
                  levels, NULL, ap_tech_array(ap_workbench_tech(cell->bench))->weight_bits, &recipe,
                  NULL, on_training, &w, out, err);
  ap_progress_end(w.progress);
  if (!st) st = ap_workbench_score(cell->bench, *out, AP_SPLIT_SELECTION, &score, err);
  if (!st) *accuracy = score.accuracy;
  return st;
}

/* One-shot network of a policy: the levels' own (repaired) weights. */
static ap_status oneshot(const ap_cell *cell, const ap_level_db *db, const uint32_t *levels,
                         double *accuracy, ap_network **out, ap_error *err) {
  ap_score score;
  ap_status st = ap_deploy_levels(ap_workbench_folded(cell->bench), db, levels, out, err);
  if (!st) st = ap_workbench_score(cell->bench, *out, AP_SPLIT_SELECTION, &score, err);
  if (!st) *accuracy = score.accuracy;
  return st;
}

static ap_status record(ap_bisection *b, const ap_family *f, size_t row, double accuracy,
                        bool accepted, ap_error *err) {
  json_t *entry =
      json_pack("{s:f, s:f, s:f, s:b}", "crossbars", f->crossbars[row], "oneshot_accuracy_search",
                f->accuracy[row], "accuracy_selection", accuracy, "accepted", (int)accepted);
  if (!entry || json_array_append_new(b->log, entry)) {
    return ap_fail(err, AP_ERR_MEMORY, "log of fine-tunings");
  }
  return AP_OK;
}

/* What an attempt at a policy gave. */
typedef struct {
  ap_tuning kept;
  ap_network *net; /* NULL: known from an earlier run, whose network may be gone */
  double accuracy;
} attempt;

static void attempt_release(attempt *a) {
  ap_network_destroy(a->net);
  ap_tuning_release(&a->kept);
  memset(a, 0, sizeof *a);
}

static ap_status try_policy(const ap_cell *cell, const ap_level_db *db, const uint32_t *levels,
                            size_t number, double compression, attempt *out, ap_error *err) {
  ap_status st;
  memset(out, 0, sizeof *out);
  if (!cell->tunings_folder) {
    return tune(cell, db, levels, number, compression, &out->net, &out->accuracy, err);
  }
  st = ap_tuning_open(cell, db, levels, &out->kept, err);
  if (st || ap_tuning_known(&out->kept, &out->accuracy)) return st;
  st = tune(cell, db, levels, number, compression, &out->net, &out->accuracy, err);
  if (!st) st = ap_tuning_keep(&out->kept, out->net, out->accuracy, err);
  return st;
}

/* The network of the attempt that was chosen: at hand, kept, or made once more. Takes it. */
static ap_status take_network(const ap_cell *cell, const ap_level_db *db, const uint32_t *levels,
                              double compression, size_t number, attempt *a, ap_bisection *out,
                              ap_error *err) {
  ap_status st = AP_OK;
  double again;
  if (!a->net && a->kept.network_path) a->net = ap_tuning_network(&a->kept);
  if (!a->net) st = tune(cell, db, levels, number, compression, &a->net, &again, err);
  if (st) return st;
  out->deployed = a->net;
  a->net = NULL;
  out->kept_network = ap_strdup(a->kept.network_path);
  return out->kept_network || !a->kept.network_path ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "path");
}

ap_status ap_bisect(const ap_cell *cell, const ap_level_db *db, const ap_family *family,
                    double dense, ap_bisection *out, ap_error *err) {
  size_t lo = 0, hi = family->n, layers = family->n_layers, best = 0;
  double dense_crossbars = ap_level_db_dense_crossbars(db);
  ap_network *plain = NULL;
  attempt chosen = {.net = NULL};
  ap_status st;
  memset(out, 0, sizeof *out);
  out->log = json_array();
  st = out->log ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "log of fine-tunings");
  for (size_t number = 1; number <= cell->suite->tunings && !st; number++) {
    size_t row = middle(family, lo, hi);
    attempt a;
    bool accepted;
    if (row == lo) break;
    st = try_policy(cell, db, family->levels + row * layers, number,
                    dense_crossbars / fmax(family->crossbars[row], 1), &a, err);
    accepted = !st && dense - a.accuracy <= cell->max_loss + 1e-9;
    if (!st) st = record(out, family, row, a.accuracy, accepted, err);
    if (accepted) {
      attempt before = chosen;
      chosen = a;
      a = before;
      lo = row;
      best = number;
    } else {
      hi = row;
    }
    if (a.kept.network_path) ap_tuning_forget_network(&a.kept); /* it will not be the one */
    attempt_release(&a);
  }
  out->chosen = lo;
  if (!st) {
    st = oneshot(cell, db, family->levels + lo * layers, &out->oneshot_selection, &plain, err);
  }
  if (!st && best > 0) {
    st = take_network(cell, db, family->levels + lo * layers,
                      dense_crossbars / fmax(family->crossbars[lo], 1), best, &chosen, out, err);
  } else if (!st) { /* nothing heavier passed: what keeps everything */
    out->deployed = plain;
    plain = NULL;
  }
  ap_network_destroy(plain);
  attempt_release(&chosen);
  if (st) ap_bisection_release(out);
  return st;
}
