/* pruners/moments.h - second moments of what every layer's weights are multiplied with, measured on
 * calibration images: all that least-squares repair (pruners/repair.h) needs of the data. */
#ifndef AP_PRUNERS_MOMENTS_H
#define AP_PRUNERS_MOMENTS_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/threads.h"
#include "kernels/backend.h"
#include "nn/dataset.h"
#include "nn/executor_walk.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

typedef struct {
  size_t images;    /* calibration images used at most; 0: all of the split */
  size_t positions; /* output positions sampled per image at most */
  uint64_t seed;    /* of the positions */
} ap_moments_options;
ap_moments_options ap_moments_defaults(void); /* all images, 16 positions */

typedef struct ap_moments ap_moments;

/* Runs the folded network densely on the calibration split, once. Images are cut down where a layer's
 * input (of a pair, or its output) would take more than 512 MiB. Products are float32, sums of 1,024 samples are added in double precision, in
 * a fixed order: the thread count changes nothing. Cost: a forward pass, and samples * K^2 per layer. */
AP_NODISCARD ap_status ap_moments_create(ap_backend *be, ap_pool *pool, const ap_network *net,
                                         const ap_dataset *data, const ap_moments_options *options,
                                         ap_moments **out, ap_error *err);
void ap_moments_destroy(ap_moments *moments);

/* Of layer `layer`, info, of two networks of one structure, at the same images and positions: *moments, E[x x^T] of its
 * inputs x in the network of `now`, as below, and *cross, E[x t^T] with its outputs t in that of `dense`:
 * (K+1) x N, row-major, rows are x. ap_free both. The walks are left at this layer: layers are asked for in
 * rising order. Errors: ARG for a grouped convolution; MEMORY; DEVICE. */
AP_NODISCARD ap_status ap_moments_pair(ap_pool *pool, ap_walk *now, ap_walk *dense,
                                       const ap_layer_info *info, const ap_moments_options *options,
                                       size_t layer, double **moments, double **cross,
                                       ap_error *err);

/* The matrix of group `group` of layer `layer`: E[x x^T] of the K inputs and a constant 1 behind
 * them, (K+1) x (K+1), row-major, symmetric. Owned by the moments. */
const double *ap_moments_matrix(const ap_moments *moments, size_t layer, size_t group);
size_t ap_moments_inputs(const ap_moments *moments, size_t layer); /* K */
size_t ap_moments_samples(const ap_moments *moments, size_t layer);

AP_EXTERN_C_END
#endif
