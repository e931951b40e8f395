/* bench/tuning_impl.h - one fine-tuning of a bisection, kept: an interrupted cell loses one at most, and
 * cells that differ in nothing but the loss limit share them. */
#ifndef AP_BENCH_TUNING_IMPL_H
#define AP_BENCH_TUNING_IMPL_H
#include <jansson.h>

#include "base/status.h"
#include "bench/cell_impl.h"
#include "bench/family_impl.h"
#include "nn/network.h"

/* FOLDER/../tunings/HASH: what the fine-tuned network of these levels depends on, which is the cell's
 * configuration without method, search, limit and number of tunings, and the levels. */
typedef struct {
  json_t *config;
  char *json_path, *network_path;
} ap_tuning;
AP_NODISCARD ap_status ap_tuning_open(const ap_cell *cell, const ap_level_db *db,
                                      const uint32_t *levels, ap_tuning *out, ap_error *err);
void ap_tuning_release(ap_tuning *tuning);

/* The kept accuracy (selection split); false where there is none, or a damaged or foreign one. */
bool ap_tuning_known(const ap_tuning *tuning, double *accuracy);
/* The kept network; NULL where it is gone or damaged. */
ap_network *ap_tuning_network(const ap_tuning *tuning);
/* Keeps both. */
AP_NODISCARD ap_status ap_tuning_keep(const ap_tuning *tuning, const ap_network *net,
                                      double accuracy, ap_error *err);
/* Removes the network, keeps the accuracy: done when its cell is finished. */
void ap_tuning_forget_network(const ap_tuning *tuning);
#endif
