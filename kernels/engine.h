/* kernels/engine.h - many variants of one network on a device, all of a batch together.
 *
 * A program is a network as a list of operations on tensors, cut into parts: part 0 comes before all
 * layers, part d + 1 begins with the d-th layer in the order of computation. Every layer has levels,
 * versions of its weights. A candidate is one level per layer. Candidates of a batch stand sorted, so
 * that each shares its first parts with the one before it; an engine computes every distinct
 * beginning once, part by part, for all candidates and a chunk of images in one launch (a layer to
 * which a later one is joined, once for each beginning of that one: docs/CUDA.md).
 *
 * Engines: "cuda" (an NVIDIA GPU; UNSUPPORTED in a build or on a machine without) and
 * "cuda-emulated" (the same kernels, lane by lane on the processor: slow, for tests), of which
 * "cuda-emulated-threads" has a thread for every warp, so that a missing wait shows. An engine is
 * confined to one thread. A candidate's result does not depend on the batch that it is part of.
 * docs/CUDA.md says how it works. */
#ifndef AP_KERNELS_ENGINE_H
#define AP_KERNELS_ENGINE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/curve.h"
AP_EXTERN_C_BEGIN

#define AP_ENGINE_NONE SIZE_MAX
#define AP_ENGINE_MOST 64 /* candidates of a batch; memory may allow fewer: ap_engine_capacity */

/* A tensor read as [channels, h, w] of another shape: value (c, i, j) is element (c - first,
 * i * stride_h, j * stride_w) of the tensor, and 0 for channels it does not have. */
typedef struct {
  size_t tensor; /* AP_ENGINE_NONE: absent */
  size_t stride_h, stride_w, first;
} ap_engine_source;

typedef enum {
  AP_ENGINE_INPUT, /* out = pixel * scale[c] + shift[c] */
  AP_ENGINE_LAYER, /* out = in * level's matrix + level's bias; in is read plainly */
  AP_ENGINE_POOL,  /* largest or mean value of a window */
  /* out[first_out + c] = in[c] * scale[c] + shift[c], c < channels; where asked for the logistic function
   * of that, times a gate. */
  AP_ENGINE_MAP,
  /* out = (in - mean) / sqrt(variance + epsilon) * scale[c] + shift[c], those of an image by itself: over each of
   * `groups` runs of channels, or over the channels of each pixel */
  AP_ENGINE_NORM,
  AP_ENGINE_FLATTEN /* [c, h, w] to [c * h * w, 1, 1] */
} ap_engine_kind;

/* LAYER, POOL, MAP and NORM end with + residual (not POOL), then clipping to [low, high]. */
typedef struct {
  ap_engine_kind kind;
  ap_engine_source in, residual;
  size_t out; /* tensor */
  float low, high;
  size_t layer;                                         /* LAYER: its number */
  size_t kh, kw, stride_h, stride_w, pad_top, pad_left; /* LAYER, POOL */
  size_t groups;                                        /* LAYER, NORM; > 0 */
  size_t dilation_h, dilation_w; /* LAYER: taps stand so far apart; 0 counts as 1 */
  bool maximum, count_padding;   /* POOL */
  bool each_pixel;               /* NORM; then groups is 1 */
  float epsilon;                 /* NORM; > 0 */
  size_t channels, first_out;    /* MAP; NORM: all channels */
  const float *scale, *shift;    /* INPUT, MAP, NORM: per channel; NULL but for INPUT: 1 and 0 */
  /* MAP; of all others gate.tensor is AP_ENGINE_NONE and the rest 0. */
  /* [channels] which channel of `in` each takes, below the tensor's; in.first is not looked at then.
   * NULL: c - in.first. */
  const uint32_t *picks;
  ap_curve curve; /* of in * scale + shift; AP_CURVE_NONE: as it is */
  /* Multiplies the value before the residual is added. Strides of 0 read row 0 and column 0 for all
   * pixels: one factor a channel. May be the tensor that `in` is. */
  ap_engine_source gate;
  ap_curve gate_curve; /* of the gate; NONE: as it is */
} ap_engine_op;

typedef struct {
  size_t c, h, w;
  size_t first_op, last_op; /* written first, read last (AP_ENGINE_NONE: kept to the end) */
  size_t part;              /* in which it is written */
} ap_engine_tensor;

typedef struct {
  const ap_engine_op *ops;
  size_t n_ops;
  const ap_engine_tensor *tensors;
  size_t n_tensors;
  size_t n_layers;
  const size_t *part_start; /* [n_layers + 2] operations */
  size_t logits, classes;   /* tensor [classes, 1, 1]; size */
} ap_engine_program;

typedef enum {
  AP_ENGINE_FP32, /* products and sums in float32 */
  AP_ENGINE_BF16  /* weights and activations rounded to bfloat16, sums and outputs in float32 */
} ap_engine_precision;

typedef struct {
  ap_engine_precision precision;
  size_t memory_bytes; /* device memory for activations; 0: a part of what is free */
  size_t shared_bytes; /* of a block; 0: what the device has (tests: less, for more chunks) */
} ap_engine_options;

typedef struct {
  double loss; /* cross-entropy summed over images, natural logarithm */
  size_t correct;
} ap_engine_result;

typedef struct ap_engine ap_engine;

/* Can `name` be opened here? Errors: ARG for an unknown name, UNSUPPORTED with what is missing. */
AP_NODISCARD ap_status ap_engine_available(const char *name, ap_error *err);

/* program: copied, with all that it points to. pixels: n_images x c x h x w bytes of the INPUT
 * operations' tensor, labels n_images (each < classes): copied to the device. Errors: as
 * ap_engine_available; ARG for a program that does not fit together; UNSUPPORTED for a layer whose
 * window does not fit into a block's shared memory; MEMORY; DEVICE. */
AP_NODISCARD ap_status ap_engine_create(const char *name, const ap_engine_program *program,
                                        size_t n_images, const uint8_t *pixels,
                                        const int32_t *labels, const ap_engine_options *options,
                                        ap_engine **out, ap_error *err);
void ap_engine_destroy(ap_engine *engine);               /* NULL is allowed */
const char *ap_engine_describe(const ap_engine *engine); /* one line for provenance */

/* Adds a level to a layer: matrix K x N row-major (K in the order input channel of the group, row,
 * column; zeros are left out), bias N floats or NULL. Uploaded once, or in up to three forms. Errors:
 * ARG for a value that is not finite, MEMORY, DEVICE. */
AP_NODISCARD ap_status ap_engine_add_level(ap_engine *engine, size_t layer, const float *matrix,
                                           const float *bias, ap_error *err);
size_t ap_engine_level_bytes(const ap_engine *engine); /* device memory of all levels */

/* Queues candidates 0 .. n - 1, n <= ap_engine_capacity: rows of `levels` (n_layers each; row i of
 * the batch is levels[row[i]]). resume[i]: the first part in which candidate i differs from i - 1
 * (0 for the first; at most n_layers). Returns before the work is done. Two batches may be under way;
 * the arrays may be reused on return. The first batch of a size prepares (and allocates) what later
 * ones use. */
AP_NODISCARD ap_status ap_engine_submit(ap_engine *engine, size_t n, const uint32_t *levels,
                                        const size_t *row, const size_t *resume, ap_error *err);
/* Waits for the oldest batch: its n results. Errors: DEVICE. */
AP_NODISCARD ap_status ap_engine_collect(ap_engine *engine, ap_engine_result *results,
                                         ap_error *err);
size_t ap_engine_capacity(const ap_engine *engine);
/* One candidate's outputs, n_images x classes floats; no batch may be under way. */
AP_NODISCARD ap_status ap_engine_logits(ap_engine *engine, const uint32_t *levels, float *logits,
                                        ap_error *err);

/* ---- times, for benchmarks -------------------------------------------------------------------- */
/* The device's own time for one more run of the batch that was collected last. cold: its caches are
 * overwritten before. No batch may be under way. Errors: ARG before any batch, DEVICE. */
AP_NODISCARD ap_status ap_engine_measure(ap_engine *engine, bool cold, double *seconds,
                                         ap_error *err);
/* The same for the dense products of all layers by cuBLAS, in the engine's precision: all images'
 * positions x K times K x N for one candidate, patches taken for granted, random operands. Allocates
 * while it runs. Errors: UNSUPPORTED for "cuda-emulated", MEMORY, DEVICE. */
AP_NODISCARD ap_status ap_engine_measure_products(ap_engine *engine, bool cold, double *seconds,
                                                  ap_error *err);

AP_EXTERN_C_END
#endif
