/* nn/train_impl.h - parts of the training loop; nn/train*.c only. */
#ifndef AP_NN_TRAIN_IMPL_H
#define AP_NN_TRAIN_IMPL_H
#include <jansson.h>

#include "nn/train.h"
AP_EXTERN_C_BEGIN

/* Length of a run in steps. */
typedef struct {
  size_t images;          /* in one epoch */
  size_t steps_per_epoch; /* the last one may be shorter */
  size_t n_steps, n_epochs;
} ap_train_length;

/* Errors: ARG naming the option and its range. */
AP_NODISCARD ap_status ap_train_check(const ap_train_options *options, const ap_network *net,
                                      const float *const *masks, ap_error *err);
ap_train_length ap_train_measure(const ap_train_options *options, size_t images);
/* The learning rate of one step: linear warm-up, then half a cosine to 0. A warm-up that is longer
 * than a fifth of the run is shortened to that. */
double ap_train_rate(const ap_train_options *options, const ap_train_length *length, size_t step);
/* What tells this run from another, as a flat object (a new reference). */
AP_NODISCARD ap_status ap_train_describe(const ap_train_options *options, const ap_backend *be,
                                         const ap_network *net, const ap_dataset *data,
                                         const float *const *masks, json_t **out, ap_error *err);

AP_EXTERN_C_END
#endif
