/* pruners/baselines/baselines_impl.h - what the files of this folder define. */
#ifndef AP_PRUNERS_BASELINES_BASELINES_IMPL_H
#define AP_PRUNERS_BASELINES_BASELINES_IMPL_H
#include "pruners/baseline.h"

extern const ap_baseline ap_baseline_dense, ap_baseline_filter, ap_baseline_filter_l1,
    ap_baseline_pim_prune, ap_baseline_row_vector, ap_baseline_column_vector, ap_baseline_random,
    ap_baseline_auto_prune, ap_baseline_magnitude, ap_baseline_magnitude_global,
    ap_baseline_column_vector_global, ap_baseline_lamp, ap_baseline_column_vector_lamp,
    ap_baseline_macs_reward, ap_baseline_amc, ap_baseline_channel, ap_baseline_snrram;

/* score: mean squares in, LAMP's scores out (lamp.c), 0..1. MEMORY. */
AP_NODISCARD ap_status ap_lamp_scores(double *score, size_t count, ap_error *err);
#endif
