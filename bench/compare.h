/* bench/compare.h - methods side by side: same networks, recovery, mapper, hardware model and
 * accuracy-loss limit. What `autoprune compare` does.
 *
 * Every method gives a family of policies from light to heavy pruning: uniform methods one per kept
 * fraction, searched methods the front of accuracy over crossbars that the search found. The
 * heaviest policy whose recovered network stays within max_loss on the selection split is found by
 * bisection, with one recipe and one largest number of fine-tunings for all; the test set is read
 * once, for that one. Each finished cell is kept in DIR/cells/NETWORK-METHOD-HASH.json and never
 * computed twice. */
#ifndef AP_BENCH_COMPARE_H
#define AP_BENCH_COMPARE_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/network.h"
#include "reram_model/tech.h"
AP_EXTERN_C_BEGIN

/* A model of one's own, compared as a suite's networks are. */
typedef struct {
  const char *path; /* file or name; its rows are named by what remains without folder and ending */
  const ap_network *net; /* as loaded; kept by the caller until the comparison is over */
} ap_compare_model;

typedef struct {
  const char *suite;    /* "quick", "paper", "smoke" */
  const char *methods;  /* names with commas between them, of any in pruners/baselines/; NULL: the
                           suite's */
  const char *networks; /* the same, of the suite's; NULL: all */
  /* In place of the suite's networks, n_models of them; `data` is theirs. Recovery is repair alone unless
   * tune_epochs says more. */
  const ap_compare_model *models;
  size_t n_models;
  const char *data; /* data set (name or folder) put in place of the suite's; NULL: the suite's */
  /* Preset or .ini file, with its own sizes, in place of the suite's hardware; NULL: the suite's. */
  const char *hardware;
  /* Put over the hardware, n_changes of them; a sweep's sizes go over these. */
  const ap_tech_change *changes;
  size_t n_changes;
  const char *out;    /* folder of the results; made if needed */
  double max_loss;    /* absolute, on the selection split */
  double tune_epochs; /* of recovery's fine-tuning, for all networks; NAN: the suite's */
  size_t episodes;    /* candidates of a search, for all networks; 0: the suite's */
  uint64_t seed;      /* the first one */
  size_t seeds;       /* how many; 0: the suite's number */
  size_t n_threads;
  const char *backend;
  const char *plots;          /* folder of the gnuplot scripts; NULL: found beside the program */
  const char *const *pruners; /* extra pruners to compare (uniform), n_pruners of them */
  size_t n_pruners;
  const char *const *searchers; /* and each of these over the levels of each extra pruner */
  size_t n_searchers;
  double plugin_time_limit; /* seconds that a plug-in may take for a layer */
  bool train;               /* train the dense networks anew instead of using the shipped ones */
  bool draw;                /* draw the figures */
  bool plan;                /* only say what is to be done and how long it may take */
  bool quiet;
  /* Gets one line at a time: what is to be done, how long it may take, what was done; or NULL. */
  void (*say)(void *context, const char *text);
  void *say_context;
} ap_compare_options;
ap_compare_options ap_compare_defaults(void);

/* A plug-in among the pruners that crashes, hangs or answers wrongly is a row without numbers, with
 * the reason as "failed"; it is asked again in the next run. The others are finished.
 *
 * With `plan`, nothing is computed or written, and *table is NULL. Otherwise
 * writes table.csv, table.md, summary.csv, summary.md (means and intervals over the seeds), episodes.csv,
 * layers.csv, ... and the figures (png and svg) into the folder options->out; the tables anew after each
 * network. *table (may be NULL): the rows as JSON, a new reference. */
AP_NODISCARD ap_status ap_compare_run(const ap_compare_options *options, const json_t *provenance,
                                      json_t **table, ap_error *err);

/* Draws all figures of a finished comparison, beside and from its CSV files alone. IO/UNSUPPORTED when gnuplot
 * is missing or fails (with its message). */
AP_NODISCARD ap_status ap_compare_plot(const char *results, const char *plots, ap_error *err);

AP_EXTERN_C_END
#endif
