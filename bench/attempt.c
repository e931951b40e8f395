#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/progress.h"
#include "bench/attempt_impl.h"
#include "pruners/recover.h"

void ap_attempt_release(ap_attempt *a) {
  ap_network_destroy(a->net);
  ap_tuning_release(&a->kept);
  memset(a, 0, sizeof *a);
}

static unsigned weight_bits(const ap_cell *cell) {
  return ap_tech_array(ap_workbench_tech(cell->bench))->weight_bits;
}

static ap_status score(const ap_cell *cell, const ap_network *net, double *accuracy,
                       ap_error *err) {
  ap_score s;
  ap_status st = ap_workbench_score(cell->bench, net, AP_SPLIT_SELECTION, &s, err);
  if (!st) *accuracy = s.accuracy;
  return st;
}

/* Without training: *best is the better of the two networks (the levels' own in a tie). */
static ap_status without_training(const ap_cell *cell, const ap_level_db *db,
                                  const uint32_t *levels, const ap_network *repaired,
                                  ap_tuning_accuracy *accuracy, ap_network **best, ap_error *err) {
  ap_network *deployed = NULL;
  ap_status st = ap_deploy_levels(ap_workbench_folded(cell->bench), db, levels, best, err);
  if (!st) st = score(cell, *best, &accuracy->oneshot, err);
  if (!st) st = ap_deploy_network(repaired, db, levels, weight_bits(cell), &deployed, err);
  if (!st) st = score(cell, deployed, &accuracy->repaired, err);
  if (!st && accuracy->repaired > accuracy->oneshot) {
    ap_network *other = *best;
    *best = deployed;
    deployed = other;
  }
  ap_network_destroy(deployed);
  return st;
}

static void on_training(void *progress, const ap_train_report *report) {
  char note[64];
  (void)snprintf(note, sizeof note, "loss %.3f", report->loss);
  ap_progress_set(progress, report->step, note);
}

static ap_status tune(const ap_cell *cell, const ap_level_db *db, const uint32_t *levels,
                      const ap_network *repaired, const char *title, ap_network **out,
                      double *accuracy, ap_error *err) {
  const ap_dataset *data = ap_workbench_data(cell->bench);
  ap_train_options recipe = ap_suite_recovery(cell->network, data, cell->seed);
  size_t images = ap_dataset_describe(data, AP_SPLIT_TRAIN).n_images;
  size_t steps = (size_t)(recipe.epochs * (double)images / (double)recipe.batch + 0.5);
  ap_progress *progress = ap_progress_create(title, steps, cell->quiet);
  ap_status st = ap_recover(ap_workbench_backend(cell->bench), ap_workbench_trained(cell->bench),
                            data, db, levels, repaired, weight_bits(cell), &recipe, NULL,
                            on_training, progress, out, err);
  ap_progress_end(progress);
  if (!st) st = score(cell, *out, accuracy, err);
  return st;
}

/* Goes on from what `a` knows: the first stage where its accuracies are NAN, the second where they are
 * below `needed`. Its network is the best that was made here. */
static ap_status recover(const ap_cell *cell, const ap_level_db *db, const uint32_t *levels,
                         double needed, const char *title, ap_attempt *a, ap_error *err) {
  ap_network *repaired = NULL, *tuned = NULL;
  ap_status st = ap_workbench_repair_sequence(cell->bench, db, levels, &repaired, err);
  if (!st && isnan(a->accuracy.oneshot)) {
    st = without_training(cell, db, levels, repaired, &a->accuracy, &a->net, err);
  }
  if (!st && ap_suite_fine_tunes(cell->network) && isnan(a->accuracy.tuned) &&
      ap_tuning_best(&a->accuracy) < needed) {
    double before = ap_tuning_best(&a->accuracy);
    st = tune(cell, db, levels, repaired, title, &tuned, &a->accuracy.tuned, err);
    if (!st && a->accuracy.tuned > before) {
      ap_network_destroy(a->net);
      a->net = tuned;
      tuned = NULL;
    }
  }
  ap_network_destroy(repaired);
  ap_network_destroy(tuned);
  return st;
}

/* A stricter limit may have fine-tuned where this one does not need it: then it is as if it had not, so that a result, and
 * what it spends, do not depend on what was compared before. */
static void forget_needless_tuning(ap_attempt *a, double needed) {
  const ap_tuning_accuracy without = {a->accuracy.oneshot, a->accuracy.repaired, NAN};
  if (isnan(a->accuracy.tuned) || ap_tuning_best(&without) < needed) return;
  a->accuracy = without;
  ap_tuning_release(&a->kept); /* which has the other's network */
}

ap_status ap_attempt_make(const ap_cell *cell, const ap_level_db *db, const uint32_t *levels,
                          double needed, const char *title, ap_attempt *out, ap_error *err) {
  ap_status st = AP_OK;
  memset(out, 0, sizeof *out);
  out->accuracy = (ap_tuning_accuracy){NAN, NAN, NAN};
  if (cell->tunings_folder) {
    st = ap_tuning_open(cell, db, levels, &out->kept, err);
    if (!st && ap_tuning_known(&out->kept, &out->accuracy) &&
        (!isnan(out->accuracy.tuned) || !ap_suite_fine_tunes(cell->network) ||
         ap_tuning_best(&out->accuracy) >= needed)) {
      forget_needless_tuning(out, needed);
      return AP_OK;
    }
  }
  if (!st) st = recover(cell, db, levels, needed, title, out, err);
  if (!st && cell->tunings_folder) {
    st = ap_tuning_keep(&out->kept, out->net, &out->accuracy, err);
  }
  if (st) ap_attempt_release(out);
  return st;
}

ap_status ap_attempt_network(const ap_cell *cell, const ap_level_db *db, const uint32_t *levels,
                             const char *title, ap_attempt *attempt, ap_network **out,
                             ap_error *err) {
  ap_status st = AP_OK;
  if (!attempt->net && attempt->kept.network_path) attempt->net = ap_tuning_network(&attempt->kept);
  if (!attempt->net) { /* as it was made, with as much as it took */
    double needed = isnan(attempt->accuracy.tuned) ? -INFINITY : INFINITY;
    attempt->accuracy = (ap_tuning_accuracy){NAN, NAN, NAN};
    st = recover(cell, db, levels, needed, title, attempt, err);
  }
  *out = attempt->net;
  attempt->net = NULL;
  return st;
}
