/* pruners/pruner.h - which units a method removes, and in what order: a granularity and a score.
 * Plain values; safe from any thread. */
#ifndef AP_PRUNERS_PRUNER_H
#define AP_PRUNERS_PRUNER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "mapper/vectors.h"
#include "pruners/plugin_host.h"
AP_EXTERN_C_BEGIN

#define AP_PRUNER_NAME 256

/* The score of a vector: what of a layer goes first, and what goes first over all layers. */
typedef enum {
  AP_CRITERION_L2,  /* mean square of its weights, so that short vectors at an edge compare */
  AP_CRITERION_L1,  /* mean absolute weight */
  AP_CRITERION_LAMP /* mean square over the sum of the mean squares of the layer's vectors that go
                       no earlier (pruners/baselines/lamp.c); ranks a layer as L2 does */
} ap_criterion;
const char *ap_criterion_name(ap_criterion criterion); /* "l2", "l1", "lamp" */

typedef struct {
  char name[AP_PRUNER_NAME];  /* as given, "column-vector:9", "pim-prune", "./mine.so" */
  ap_granularity granularity; /* sizes of 0: the array's default */
  ap_criterion criterion;     /* of the built-in pruners */
  ap_plugin plugin;           /* kind NONE: the built-in criterion */
} ap_pruner;

/* A granularity (mapper/vectors.h; `channel` alone is each layer's own input channels), or one of the published schemes' names: "auto-prune"
 * (column-vector), "pim-prune" (block), "sre" (row-vector), with a criterion behind it where it is
 * not L2, "filter+l1", "unstructured+lamp"; or a plug-in (pruners/plugin_host.h),
 * "./mine.so", "exec:./mine.py", which may have a granularity before it: "row-vector:8@./mine.so".
 * ARG lists the names; otherwise as ap_plugin_open. */
AP_NODISCARD ap_status ap_pruner_parse(const char *text, ap_pruner *out, ap_error *err);
/* Names and one line each, in the order in which to list them; NULL past the end. */
const char *ap_pruner_name(size_t index);
const char *ap_pruner_summary(size_t index);
/* A granularity for one layer: whose h is its kernel's area where that is meant (channel; pattern, but
 * for kernels of one weight or of more than patterns can have, which are cut by OU rows). */
ap_granularity ap_granularity_of_layer(ap_granularity granularity, const ap_layer_info *info);
/* Must a policy name its kept vectors, because their number does not tell which (plug-ins, patterns)? */
bool ap_pruner_gives_masks(const ap_pruner *pruner);
/* Granularity and criterion in words that ap_pruner_parse takes: "block:32x16", "filter+l1". */
void ap_pruner_print(const ap_pruner *pruner, char text[96]);
/* What tables call it: the name, or a plug-in's label. */
const char *ap_pruner_label(const ap_pruner *pruner);

/* Importance of the vectors of one layer. score: partition->count values, finite, at least 0.
 * Errors: MEMORY; FORMAT for a NaN or infinite weight. */
AP_NODISCARD ap_status ap_pruner_scores(const ap_partition *partition, ap_criterion criterion,
                                        const float *matrix, double *score, ap_error *err);
/* order: all vectors by falling score, ties by rising index; the m first are kept at any level, so
 * that levels are nested. Errors: as above. */
AP_NODISCARD ap_status ap_pruner_order(const ap_partition *partition, ap_criterion criterion,
                                       const float *matrix, uint32_t *order, ap_error *err);
/* The same by any finite scores; *order is ap_free'd by the caller. */
AP_NODISCARD ap_status ap_pruner_order_by(const double *scores, size_t count, uint32_t **order,
                                          ap_error *err);
/* kept[i] = 1 for the m first of the order, else 0. */
void ap_pruner_keep_first(const uint32_t *order, size_t count, size_t m, uint8_t *kept);

AP_EXTERN_C_END
#endif
