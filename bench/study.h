/* bench/study.h - how hardware and networks answer to their settings: one trained network (or several),
 * one setting moved at a time. What `autoprune study` does. Each study is a CSV file and a figure.
 *
 *   sizes      compression, area, energy over crossbar size and over OU size, methods at equal kept
 *              weights
 *   index      bits of the index tables over the shape of the vector, at equal kept weights
 *   control    the negative control: zeros that whole-array reads cannot use, and those that an OU can
 *   converter  accuracy over converter bits, through the bit-exact data path      (needs images)
 *   devices    accuracy over conductance variation, mean and 95 % interval        (needs images)
 * Only when named:
 *   recovery   accuracy over sparsity after each way of getting it back           (needs images)
 *   curves     loss and accuracy over what is left of one layer, the others whole  (needs images)
 *   bits       accuracy over the bits of the weights, of all layers and of each     (needs images)
 * docs/STUDIES.md and docs/RECOVERY.md say what is held and what is moved. */
#ifndef AP_BENCH_STUDY_H
#define AP_BENCH_STUDY_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/dataset.h"
#include "nn/network.h"
#include "pruners/pruner.h"
#include "reram_model/tech.h"
AP_EXTERN_C_BEGIN

typedef struct {
  const char *label;     /* in tables and figures; distinct */
  const ap_network *net; /* as loaded */
} ap_study_model;

#define AP_STUDY_IMAGES SIZE_MAX /* as many as suit the study */
#define AP_STUDY_MAX_SPARSITIES 32

typedef struct {
  const ap_study_model *models;
  size_t n_models;
  const ap_tech *tech;
  const ap_dataset *data; /* NULL: only the studies that need no images */
  ap_split split;         /* AP_SPLIT_COUNT: what suits the study */
  size_t images;          /* of the split, the first; 0: all; AP_STUDY_IMAGES */
  size_t calibration;     /* images that set the input ranges */
  size_t samples;         /* devices for each sigma above 0 */
  double keep;            /* share of each layer's weights that sizes and index keep, (0, 1] */
  ap_pruner pruner;       /* of recovery and curves; bits is priced by its rule */
  double sparsities[AP_STUDY_MAX_SPARSITIES]; /* of recovery: shares of removed vectors, (0, 1) */
  size_t n_sparsities;
  bool prune_ends;     /* of recovery: the first and the last layer, too; else they stay whole */
  double epochs, lr;   /* of recovery's fine-tuning: passes over the images, peak rate */
  const char *backend; /* of training and dense passes: "cpu" */
  const char *out;     /* folder of the results; made if needed */
  const char *plots;   /* folder of the gnuplot scripts; NULL: found beside the program */
  const char *const *only; /* names of studies, n_only of them; none: all that can be done */
  size_t n_only;
  uint64_t seed;
  size_t n_threads;
  bool draw, quiet;
} ap_study_options;
ap_study_options ap_study_defaults(void);

/* Writes NAME.csv for each study, and the figures. Points that need images are kept in out/points and
 * not computed twice. *tables (may be NULL): {"NAME": [rows]}, a new reference.
 * Errors: ARG (an unknown study, images that do not fit, a study that needs images without any). */
AP_NODISCARD ap_status ap_study_run(const ap_study_options *options, const json_t *provenance,
                                    json_t **tables, ap_error *err);

AP_EXTERN_C_END
#endif
