#include <string.h>

#include "pruners/baselines/baselines_impl.h"

static const ap_baseline *const all[] = {
    &ap_baseline_dense,
    &ap_baseline_magnitude,
    &ap_baseline_magnitude_global,
    &ap_baseline_lamp,
    &ap_baseline_filter,
    &ap_baseline_filter_l1,
    &ap_baseline_channel,
    &ap_baseline_amc,
    &ap_baseline_snrram,
    &ap_baseline_pattern,
    &ap_baseline_bit_column,
    &ap_baseline_pim_prune,
    &ap_baseline_row_vector,
    &ap_baseline_column_vector,
    &ap_baseline_column_vector_global,
    &ap_baseline_column_vector_lamp,
    &ap_baseline_random,
    &ap_baseline_knapsack,
    &ap_baseline_evolution,
    &ap_baseline_macs_reward,
    &ap_baseline_auto_prune,
};

const ap_baseline *ap_baseline_at(size_t index) {
  return index < sizeof all / sizeof all[0] ? all[index] : NULL;
}

const ap_baseline *ap_baseline_find(const char *name) {
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    if (strcmp(all[i]->name, name) == 0) return all[i];
  }
  return NULL;
}
