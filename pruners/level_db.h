/* pruners/level_db.h - the level database: every layer pruned at each of its levels, once, with
 * what each level costs on the hardware. A policy is one level per layer.
 *
 * Levels are nested (a lower level's vectors are all in the higher ones), except where a plug-in or
 * the pattern pruner gives masks of its own. Level numbers rise with the kept fraction and with what a level costs; the
 * last level keeps everything. */
#ifndef AP_PRUNERS_LEVEL_DB_H
#define AP_PRUNERS_LEVEL_DB_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/threads.h"
#include "mapper/mapping.h"
#include "nn/evaluator.h"
#include "nn/network.h"
#include "pruners/moments.h"
#include "pruners/pruner.h"
#include "reram_model/cost.h"
#include "reram_model/tech.h"
AP_EXTERN_C_BEGIN

/* Which kept sets are levels: the largest that fits a whole number of crossbars (pruning inside a
 * crossbar saves none), the largest that fits a whole number of OUs, or equal steps. */
typedef enum { AP_SNAP_CROSSBAR, AP_SNAP_OU, AP_SNAP_NONE } ap_snap;
const char *ap_snap_name(ap_snap snap); /* "crossbar", "ou", "none" */
AP_NODISCARD ap_status ap_snap_parse(const char *text, ap_snap *out, ap_error *err);

typedef struct {
  ap_pruner pruner;
  ap_snap snap;
  size_t max_levels; /* per layer at most, >= 2 */
  double keep_min;   /* least kept fraction of vectors, (0, 1] */
  bool floats;       /* the levels' weights stay floats: they are not quantised */
} ap_level_db_options;
ap_level_db_options ap_level_db_defaults(void); /* column-vector, crossbar, 32, 0.02 */

typedef struct {
  double keep;   /* vectors kept / vectors */
  size_t n_kept; /* vectors kept */
  ap_map_summary map;
  ap_cost cost;
} ap_keep_level;

/* Time spent on choosing, counting and pricing all levels. */
typedef struct {
  double mapper, model; /* vectors packed and counted; events priced */
} ap_level_seconds;

typedef struct ap_level_db ap_level_db;

/* net: folded; copied. moments: NULL for no repair (weights as they are), else every level is
 * repaired by least squares (pruners/repair.h) before quantisation; kept until destroy, as are tech
 * and pool. */
AP_NODISCARD ap_status ap_level_db_create(const ap_network *net, const ap_tech *tech, ap_pool *pool,
                                          const ap_moments *moments,
                                          const ap_level_db_options *options, ap_level_db **out,
                                          ap_error *err);
void ap_level_db_destroy(ap_level_db *db);

size_t ap_level_db_layers(const ap_level_db *db);
ap_pruner ap_level_db_pruner(const ap_level_db *db);
ap_snap ap_level_db_snap(const ap_level_db *db);
const ap_layer_info *ap_level_db_layer(const ap_level_db *db, size_t layer);
size_t ap_level_db_levels(const ap_level_db *db, size_t layer);
const ap_keep_level *ap_level_db_level(const ap_level_db *db, size_t layer, size_t level);
/* The lowest level that keeps at least this fraction of the vectors (what costs the same). */
size_t ap_level_db_find(const ap_level_db *db, size_t layer, double keep);
/* Scores of a layer's vectors by the pruner's criterion, before any repair: ap_level_db_vectors of them.
 * UNSUPPORTED for plug-ins and patterns; MEMORY. */
AP_NODISCARD ap_status ap_level_db_scores(const ap_level_db *db, size_t layer, double *score,
                                          ap_error *err);
/* Crossbars of the dense mapping, all layers: the numerator of the compression rate. */
double ap_level_db_dense_crossbars(const ap_level_db *db);
ap_level_seconds ap_level_db_seconds(const ap_level_db *db);
/* SHA-256 over network, technology, pruner and options. */
const char *ap_level_db_hash(const ap_level_db *db);

/* Vectors of a layer, and which of them a level keeps (as many bytes of 0 or 1). */
size_t ap_level_db_vectors(const ap_level_db *db, size_t layer);
void ap_level_db_kept(const ap_level_db *db, size_t layer, size_t level, uint8_t *kept);
/* The 0/1 mask of a level, K x N row-major like the layer's matrix. */
AP_NODISCARD ap_status ap_level_db_mask(const ap_level_db *db, size_t layer, size_t level,
                                        float *mask, ap_error *err);
/* The level's weights (K x N: pruned, repaired, unless `floats` quantised to the array's weight bits
 * and back) and bias (N). */
AP_NODISCARD ap_status ap_level_db_matrix(const ap_level_db *db, size_t layer, size_t level,
                                          float *matrix, float *bias, ap_error *err);
/* Trained weights (K x N) of a level whose vectors are bit-columns, rounded to those that it keeps; of other
 * kinds they stay as they are. */
AP_NODISCARD ap_status ap_level_db_round(const ap_level_db *db, size_t layer, size_t level,
                                         float *matrix, ap_error *err);
/* Gives all levels to a fresh evaluator of the same network: its level number i + 1 is level i. */
AP_NODISCARD ap_status ap_level_db_register(const ap_level_db *db, ap_evaluator *ev, bool quiet,
                                            ap_error *err);

AP_EXTERN_C_END
#endif
