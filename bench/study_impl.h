/* bench/study_impl.h - inside the room: the single studies. Each appends rows, objects whose members are
 * the columns in order, for one model. */
#ifndef AP_BENCH_STUDY_IMPL_H
#define AP_BENCH_STUDY_IMPL_H
#include <jansson.h>

#include "base/threads.h"
#include "bench/study.h"
#include "pruners/network_price.h"
#include "pruners/pruner.h"

typedef struct {
  const ap_study_options *options;
  const char *label;
  const ap_network *trained; /* as loaded */
  const ap_network *net;     /* folded */
  ap_pool *pool;
  const char *points;       /* folder of the kept points */
  const char *model_hash;   /* of the folded network */
  const char *trained_hash; /* of the network as loaded */
  ap_split split;           /* of this study's accuracies */
  size_t images;            /* the first of it, at least 1; 0 without images */
} ap_study;

typedef ap_status ap_study_body(const ap_study *study, json_t *rows, ap_error *err);
ap_study_body ap_study_sizes, ap_study_index, ap_study_control, ap_study_converter,
    ap_study_devices, ap_study_recovery, ap_study_curves, ap_study_bits;

/* ---- points: what takes long is kept as JSON under the hash of all that it depends on ---- */
/* Adds results to `point`, which holds {"config": ...}. */
typedef ap_status ap_study_measure(void *context, json_t *point, ap_error *err);
/* What every point depends on: schema, commit, network, data, split, images, the technology's hash. A new
 * reference, to which a study adds its own; NULL: *err says why. */
json_t *ap_study_config(const ap_study *study, const ap_tech *tech, const char *schema,
                        ap_error *err);
/* config with the members of `own`, a new reference; both are taken over. NULL for a NULL: *err says why. */
json_t *ap_study_config_with(json_t *config, json_t *own, ap_error *err);
/* The kept point of a configuration (a new reference, taken over; NULL: MEMORY), or a new one. *out is a
 * new reference. */
AP_NODISCARD ap_status ap_study_point(const ap_study *study, json_t *config,
                                      ap_study_measure *measure, void *context, json_t **out,
                                      ap_error *err);
/* Is it kept already? config: borrowed. */
bool ap_study_has_point(const ap_study *study, const json_t *config);
/* FOLDER/HASH of a configuration (borrowed) and an ending; ap_free it. NULL out of memory. */
char *ap_study_point_path(const ap_study *study, const json_t *config, const char *ending);

/* A copy of the network in which each layer keeps its best vectors (pruners/pruner.h), as many as hold
 * at most `keep` of its weights, and at least one. Grouped convolutions stay whole. */
AP_NODISCARD ap_status ap_study_prune(const ap_network *net, const ap_array_spec *array,
                                      const ap_pruner *pruner, double keep, ap_network **out,
                                      ap_error *err);
/* The technology with other sizes; 0 leaves a size as it is. */
AP_NODISCARD ap_status ap_study_resize(const ap_tech *tech, size_t rows, size_t cols,
                                       size_t ou_rows, size_t ou_cols, ap_tech **out,
                                       ap_error *err);
/* Appends a row; takes it over; MEMORY for NULL. */
AP_NODISCARD ap_status ap_study_row(json_t *rows, json_t *row, ap_error *err);
#endif
