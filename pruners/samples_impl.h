/* pruners/samples_impl.h - what single output positions of a layer see and give, drawn at random. */
#ifndef AP_PRUNERS_SAMPLES_IMPL_H
#define AP_PRUNERS_SAMPLES_IMPL_H
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

typedef struct {
  ap_node conv; /* the layer as a convolution (a LINEAR node is 1x1 on a 1x1 map) */
  ap_shape3 in; /* of its input */
  size_t images, per_image, count; /* count = images * per_image */
  uint32_t *positions;             /* [images][per_image], different ones of an image */
} ap_samples;

/* At most `per_image` output positions of each image. */
AP_NODISCARD ap_status ap_samples_draw(const ap_network *net, size_t node, size_t images,
                                       size_t per_image, ap_rng *rng, ap_samples *out,
                                       ap_error *err);
void ap_samples_release(ap_samples *samples);

/* One sample's K inputs of a group of channels, in the order c, kh, kw, then 1: row[K + 1]. input: [images, c,
 * h, w]. */
void ap_samples_input(const ap_samples *samples, const float *input, size_t group, size_t sample,
                      float *row);
/* One sample's outputs: row[width] of the channels first .. first + width - 1. output: [images, c_out, h, w]. */
void ap_samples_output(const ap_samples *samples, const float *output, size_t first, size_t width,
                       size_t sample, float *row);

AP_EXTERN_C_END
#endif
