/* bench/experiment_impl.h - cells of networks x methods x seeds, taken from the folder or computed, in one
 * setting or in several: what a comparison and a sensitivity sweep have in common. */
#ifndef AP_BENCH_EXPERIMENT_IMPL_H
#define AP_BENCH_EXPERIMENT_IMPL_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "bench/cell_impl.h"
#include "bench/compare.h"
#include "bench/given_impl.h"
#include "bench/site_impl.h"

/* A method of this run: the suite's, or an extra pruner's. */
typedef struct {
  ap_suite_method method;
  ap_pruner pruner;
  char name[AP_PRUNER_NAME + 64]; /* of an extra one: method.name leads here */
  char failed[512];               /* why it can make no row at all; else empty */
} ap_experiment_method;

/* What a sweep moves; NULL and NAN leave the suite's value. */
typedef struct {
  const char *rows, *cols, *ou_rows, *ou_cols;
  double max_loss;
} ap_setting;
ap_setting ap_setting_default(void);

typedef struct {
  const ap_compare_options *options;
  const ap_suite *suite;
  ap_suite chosen; /* what suite points to */
  const json_t *provenance;
  ap_experiment_method *methods;
  size_t n_methods;
  const ap_suite_network **networks; /* those asked for; entries without weights are left out */
  ap_given_network *given;           /* where networks lead for models that were handed in */
  size_t n_networks;
  size_t seeds;
  json_t *skipped;               /* array of texts: networks without weights, and what to do */
  char *folder, *tunings_folder; /* of cells, of fine-tunings */
  ap_data_store store;
  /* Time left, over all settings. */
  size_t cells, done;
  double expected_left, expected_spent, seconds_spent;
} ap_experiment;

/* Refuses bad names before anything is made. End with ap_experiment_close, also after an error. */
AP_NODISCARD ap_status ap_experiment_open(const ap_compare_options *options,
                                          const json_t *provenance, ap_experiment *out,
                                          ap_error *err);
/* What its files begin with: the provenance, suite, limit, and networks that are left out; a new reference. */
AP_NODISCARD ap_status ap_experiment_head(const ap_experiment *e, json_t **head, ap_error *err);
void ap_experiment_close(ap_experiment *e);

/* Counts what is there and what is to be done in the settings, and says it. */
AP_NODISCARD ap_status ap_experiment_plan(ap_experiment *e, const ap_setting *settings,
                                          size_t n_settings, ap_error *err);
/* All cells of a network in a setting, appended to `cells`; each with "suite", "seed", "crossbar", "ou",
 * "division" and "open_because" beside what ap_cell_get gives. */
AP_NODISCARD ap_status ap_experiment_network(ap_experiment *e, const ap_suite_network *network,
                                             const ap_setting *setting, json_t *cells,
                                             ap_error *err);
#endif
