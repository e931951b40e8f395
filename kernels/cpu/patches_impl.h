/* kernels/cpu/patches_impl.h - the matrix of filter patches of one image (im2col) and its inverse.
 * Row k = (c * kh + ky) * kw + kx, column p = oy * ow + ox, row-major [channels * kh * kw, oh * ow] with
 * `stride` floats from row to row, so that patches of several images can stand side by side.
 * `channels` counts from the first channel at `x`, so one group of channels can be taken alone. */
#ifndef AP_KERNELS_PATCHES_IMPL_H
#define AP_KERNELS_PATCHES_IMPL_H
#include "kernels/backend_impl.h"

/* Padding gives zeros. */
void ap_patches_gather(const ap_conv_shape *s, const float *x, size_t channels, size_t stride,
                       float *patches);
/* x += every element at the pixel it came from; what came from padding is dropped. */
void ap_patches_scatter(const ap_conv_shape *s, const float *patches, size_t stride,
                        size_t channels, float *x);

#endif
