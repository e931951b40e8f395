#include <float.h>
#include <stdbool.h>
#include <string.h>

#include "bench/result_ranges_impl.h"

/* Far beyond what any network has, so that what is refused is no result. */
#define LARGEST_RATIO 1e9
#define LARGEST_AMOUNT 1e18

static const ap_csv_range share = {0, 1}, difference = {-1, 1};
static const ap_csv_range ratio = {1 / LARGEST_RATIO, LARGEST_RATIO};
static const ap_csv_range amount = {0, LARGEST_AMOUNT}, any = {-DBL_MAX, DBL_MAX};

static const struct {
  const char *column;
  const ap_csv_range *range;
} columns[] = {{"accepted", &share},
               {"accuracy", &share},
               {"accuracy_loss", &difference},
               {"accuracy_selection", &share},
               {"accuracy_test", &share},
               {"accuracy_test_vs_pim", &difference},
               {"adc_bits", &amount},
               {"area_efficiency", &ratio},
               {"area_efficiency_vs_pim", &ratio},
               {"area_mm2", &amount},
               {"area_of_dense", &amount},
               {"area_share", &share},
               {"compression", &ratio},
               {"compression_vs_pim", &ratio},
               {"critic_loss", &any},
               {"crossbars", &amount},
               {"crossbars_compression", &ratio},
               {"crossbars_dense", &amount},
               {"dense_accuracy", &share},
               {"dense_accuracy_selection", &share},
               {"dense_accuracy_test", &share},
               {"energy_efficiency", &ratio},
               {"energy_efficiency_vs_pim", &ratio},
               {"energy_of_dense", &amount},
               {"energy_share", &share},
               {"energy_uj", &amount},
               {"episode", &amount},
               {"feasible", &share},
               {"finetunes", &amount},
               {"float_accuracy", &share},
               {"front", &share},
               {"image_forwards", &amount},
               {"images", &amount},
               {"index_bits", &amount},
               {"index_of_area", &amount},
               {"index_of_energy", &amount},
               {"index_of_stored_bits", &amount},
               {"keep_vectors", &share},
               {"keep_weights", &share},
               {"latency_us", &amount},
               {"layer_index", &amount},
               {"length", &amount},
               {"macs_compression", &ratio},
               {"n", &amount},
               {"oneshot_accuracy_selection", &share},
               {"ous", &amount},
               {"ous_compression", &ratio},
               {"quantised_accuracy", &share},
               {"relative_area", &amount},
               {"relative_energy", &amount},
               {"relative_latency_with_copies", &amount},
               {"repaired", &share},
               {"reward", &any},
               {"saturated_share", &share},
               {"seconds", &amount},
               {"seed", &any},
               {"sigma", &amount},
               {"sparsity", &share},
               {"weight_bits", &amount},
               {"weights_compression", &ratio},
               {"within_limit", &share},
               {"zeros", &share}};

static const ap_csv_range *find(const char *column, size_t length) {
  for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
    const char *name = columns[i].column;
    if (strlen(name) == length && memcmp(name, column, length) == 0) return columns[i].range;
  }
  return NULL;
}

static bool ends(const char *column, size_t length, const char *ending) {
  return length > strlen(ending) && strcmp(column + length - strlen(ending), ending) == 0;
}

const ap_csv_range *ap_result_range(const char *column) {
  size_t length = strlen(column);
  /* Student's t may reach beyond what the mean can be. */
  if (ends(column, length, "_low") && find(column, length - strlen("_low"))) return &any;
  if (ends(column, length, "_high") && find(column, length - strlen("_high"))) return &any;
  return find(column, length);
}
