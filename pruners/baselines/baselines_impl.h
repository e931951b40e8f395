/* pruners/baselines/baselines_impl.h - what the files of this folder define. */
#ifndef AP_PRUNERS_BASELINES_BASELINES_IMPL_H
#define AP_PRUNERS_BASELINES_BASELINES_IMPL_H
#include "mapper/vectors.h"
#include "pruners/baseline.h"
#include "pruners/plugin_host.h"

extern const ap_baseline ap_baseline_dense, ap_baseline_filter, ap_baseline_filter_l1,
    ap_baseline_pim_prune, ap_baseline_row_vector, ap_baseline_column_vector, ap_baseline_random,
    ap_baseline_knapsack, ap_baseline_evolution, ap_baseline_auto_prune, ap_baseline_magnitude,
    ap_baseline_magnitude_global, ap_baseline_column_vector_global, ap_baseline_lamp,
    ap_baseline_column_vector_lamp, ap_baseline_macs_reward, ap_baseline_amc, ap_baseline_channel,
    ap_baseline_snrram, ap_baseline_pattern, ap_baseline_bit_column;

/* score: mean squares in, LAMP's scores out (lamp.c), 0..1. MEMORY. */
AP_NODISCARD ap_status ap_lamp_scores(double *score, size_t count, ap_error *err);
/* Pattern pruning's levels (pattern.c) for a partition of kind pattern: out->masks and out->counts, the
 * numbers of weights that they keep, rising, near the wanted ones (each in 1..count-1; fewer levels
 * where two would keep as many). *out starts empty; end it with ap_plugin_answer_release. Errors:
 * MEMORY; FORMAT for a NaN or infinite weight. */
AP_NODISCARD ap_status ap_pattern_masks(const ap_partition *partition, const float *w,
                                        size_t n_wanted, const size_t *wanted,
                                        ap_plugin_answer *out, ap_error *err);

/* Scores of bit-columns (bit_column.c): the mean square error that losing one adds, when the slices below
 * it are lost already; a slice's is never below that of the lower ones. FORMAT for a NaN or infinite
 * weight. */
AP_NODISCARD ap_status ap_bit_column_scores(const ap_partition *partition, const float *w,
                                            double *score, ap_error *err);
/* Quantises a K x N matrix column by column, rounds the weights of each vector to the bit-columns that
 * are kept, and puts the result back as floats. In each column the vector with the largest weight keeps
 * all, so that quantising again changes nothing. kept: of a partition of kind bit-column. Errors:
 * MEMORY, FORMAT. */
AP_NODISCARD ap_status ap_bit_columns_round(const ap_partition *partition, const uint8_t *kept,
                                            float *matrix, ap_error *err);
#endif
