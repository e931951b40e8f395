/* bench/cell_impl.h - one cell of a comparison: one method on one network, computed once and kept as
 * JSON under the hash of its configuration. */
#ifndef AP_BENCH_CELL_IMPL_H
#define AP_BENCH_CELL_IMPL_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "bench/suite_impl.h"
#include "bench/workbench.h"
#include "nn/evaluator.h"
#include "pruners/level_db.h"

typedef struct {
  const ap_suite *suite;
  const ap_suite_network *network;
  const ap_suite_method *method;
  const ap_pruner *pruner; /* the method's */
  ap_workbench *bench;
  double max_loss;
  double search_limit; /* one-shot loss that a searcher may spend; unused by others */
  uint64_t seed;
  const json_t *dense;        /* the dense method's result, NULL while that is computed */
  const char *folder;         /* of the cells' files */
  const char *tunings_folder; /* of the fine-tunings' (bench/tuning_impl.h); NULL: none are kept */
  const char *network_path;   /* where the final network is kept: set by ap_cell_get */
  const json_t *config;       /* all that the result depends on: set by ap_cell_get */
  bool quiet;
} ap_cell;

/* The level database and evaluator of a pruner: shared by the methods that use the same one. */
typedef struct {
  char pruner[AP_PRUNER_NAME];
  uint64_t plugin_seed; /* of a plug-in */
  ap_level_db *db;
  ap_evaluator *ev; /* on the search split */
  char *spent;      /* a kept fine-tuning's network, of no use once the cell is stored */
} ap_cell_tools;
AP_NODISCARD ap_status ap_cell_tools_open(const ap_cell *cell, ap_cell_tools *tools, ap_error *err);
void ap_cell_tools_close(ap_cell_tools *tools);

/* The result of a method on a network in an array of results, the first one, or that of one seed (the
 * member "seed"); NULL where it is not there. */
json_t *ap_cell_find(const json_t *cells, const char *network, const char *method);
json_t *ap_cell_find_seed(const json_t *cells, const char *network, const char *method,
                          uint64_t seed);

/* The stored result of this very configuration (a new reference), or NULL. *damage (may be NULL) is filled
 * where there is one that is not taken: ap_cell_get will compute it again. */
AP_NODISCARD ap_status ap_cell_peek(const ap_cell *cell, json_t **result, ap_error *damage,
                                    ap_error *err);

/* The stored result, or a new one, with its final network (folded, quantised) in the .apm file of the
 * same name: {"config", "hash", "network", "method", ..., "layers": [...],
 * "tunings": [...], "front": [[crossbars, accuracy], ...] (one shot), "episodes": [...]}. tools: opened for the
 * cell's pruner when they are needed (closed and opened again for another one). *result is a new reference. */
AP_NODISCARD ap_status ap_cell_get(const ap_cell *cell, ap_cell_tools *tools,
                                   const json_t *provenance, json_t **result, ap_error *err);
#endif
