/* nn/train.h - training and fine-tuning by SGD with momentum on any backend; checkpointed. */
#ifndef AP_NN_TRAIN_H
#define AP_NN_TRAIN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/backend.h"
#include "nn/dataset.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

typedef struct {
  double epochs; /* may be a fraction: that part of an epoch's batches */
  size_t batch;  /* images a step */
  double lr;     /* peak; linear warm-up, then cosine to 0 over the whole run */
  double warmup_epochs;
  double momentum, weight_decay; /* decay on conv and linear weights only */
  double label_smoothing;
  size_t crop;            /* random shift of up to that many pixels; 0: none */
  bool flip;              /* random mirroring left-right */
  size_t cutout;          /* side of a square around a random pixel that is set to 0; 0: none */
  uint64_t seed;          /* order and augmentation */
  size_t selection_every; /* epochs between measurements of selection_accuracy; 0: none */
} ap_train_options;
/* Sane defaults for a data set (docs/TRAINING.md has what they reach). */
ap_train_options ap_train_defaults(const ap_dataset *data);
/* What ap_train does with these options: a network that takes a row of values gets them neither shifted, mirrored nor
 * cut out. */
ap_train_options ap_train_options_for(const ap_network *net, const ap_train_options *options);

typedef struct {
  size_t epoch, n_epochs, step, n_steps; /* so far, in all */
  double loss, accuracy;                 /* running, of this epoch's training batches */
  double selection_accuracy;             /* at an epoch's end where asked for, else NAN */
  double lr;
  double seconds;
} ap_train_report;
typedef void ap_train_observer(void *context, const ap_train_report *report);

/* Trains net in place.
 *   masks       NULL, or one pointer per node (NULL: none) to 0/1 floats of that node's weight count;
 *               masked weights are 0 from the first step to the end. A CONV or LINEAR filter whose
 *               mask is 0 throughout has its bias held at 0 too. A BATCHNORM node's mask has one
 *               float a channel and holds gamma and beta both.
 *   checkpoint  NULL, or a file: written every epoch and on interruption; if it exists and belongs to
 *               this run (options, data, structure), training goes on from it with the same result
 *               as if it had not stopped; removed at the end
 *   observer    NULL, or called about once a second and at every epoch's end (step == epoch end)
 * On an error net is as it was. Errors: ARG (batch 0, epochs < 0, wrong input shape), FORMAT (a foreign
 * checkpoint), INTERNAL when the loss is not finite (names epoch and step), INTERRUPTED. */
AP_NODISCARD ap_status ap_train(ap_backend *be, ap_network *net, const ap_dataset *data,
                                const ap_train_options *options, const float *const *masks,
                                const char *checkpoint, ap_train_observer *observer, void *context,
                                ap_error *err);

/* Re-estimates BATCHNORM means and variances on n_images of the training split (0: all; a
 * fixed drawing without repetition): the average of the batches' own, without augmentation. A
 * network without BATCHNORM stays as it is. Errors: ARG (more images than there are, wrong input
 * shape). */
AP_NODISCARD ap_status ap_recalibrate(ap_backend *be, ap_network *net, const ap_dataset *data,
                                      size_t n_images, ap_error *err);

AP_EXTERN_C_END
#endif
