/* nn/executor_score.h - a compiled network's accuracy and outputs on all images of a feed. */
#ifndef AP_NN_EXECUTOR_SCORE_H
#define AP_NN_EXECUTOR_SCORE_H
#include "base/status.h"
#include "nn/executor.h"
#include "nn/executor_feed.h"
#include "nn/infer.h"
AP_EXTERN_C_BEGIN

/* logits: NULL, or images x classes floats. batch: at most the executor's and the feed's. */
AP_NODISCARD ap_status ap_executor_score(ap_executor *ex, ap_feed *feed, size_t batch,
                                         size_t classes, ap_score *score, float *logits,
                                         ap_error *err);

AP_EXTERN_C_END
#endif
