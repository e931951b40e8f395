/* nn/infer.h - a network's outputs through the backend's dense operations: the plain path that the
 * candidate evaluator (nn/evaluator.h) is checked against. */
#ifndef AP_NN_INFER_H
#define AP_NN_INFER_H
#include <stddef.h>

#include "base/status.h"
#include "kernels/backend.h"
#include "nn/dataset.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

typedef struct {
  size_t images, correct;
  double accuracy, loss; /* mean cross-entropy */
} ap_score;

/* logits: NULL, or images x classes floats. n_images 0: the whole split, else its first n_images.
 */
AP_NODISCARD ap_status ap_infer(ap_backend *be, const ap_network *net, const ap_dataset *data,
                                ap_split split, size_t n_images, ap_score *score, float *logits,
                                ap_error *err);

AP_EXTERN_C_END
#endif
