/* bench/tuning_impl.h - the recovery of one policy of a bisection, kept: an interrupted cell loses one at
 * most, and cells that differ in nothing but the loss limit share them. */
#ifndef AP_BENCH_TUNING_IMPL_H
#define AP_BENCH_TUNING_IMPL_H
#include <jansson.h>

#include "base/status.h"
#include "bench/cell_impl.h"
#include "bench/family_impl.h"
#include "nn/network.h"

/* Accuracy on the selection split of one policy after each way of recovery (bench/attempt_impl.h). */
typedef struct {
  double oneshot;  /* layers repaired by themselves */
  double repaired; /* layers repaired in sequence */
  double tuned;    /* fine-tuned; NAN: that was not needed */
} ap_tuning_accuracy;
double ap_tuning_best(const ap_tuning_accuracy *accuracy); /* the highest of the three */

/* FOLDER/../tunings/HASH: what the recovered network of these levels depends on, which is the cell's
 * configuration without method, search, limit and number of tunings, and the levels. */
typedef struct {
  json_t *config;
  char *json_path, *network_path;
} ap_tuning;
AP_NODISCARD ap_status ap_tuning_open(const ap_cell *cell, const ap_level_db *db,
                                      const uint32_t *levels, ap_tuning *out, ap_error *err);
void ap_tuning_release(ap_tuning *tuning);

/* The kept accuracies; false where there are none, or damaged or foreign ones. */
bool ap_tuning_known(const ap_tuning *tuning, ap_tuning_accuracy *accuracy);
/* The kept network, which is the best one; NULL where it is gone or damaged. */
ap_network *ap_tuning_network(const ap_tuning *tuning);
/* Keeps both. net NULL: the network kept before is still the best. */
AP_NODISCARD ap_status ap_tuning_keep(const ap_tuning *tuning, const ap_network *net,
                                      const ap_tuning_accuracy *accuracy, ap_error *err);
/* Removes the network, keeps the accuracies: done when its cell is finished. */
void ap_tuning_forget_network(const ap_tuning *tuning);
#endif
