#include <string.h>

#include "base/alloc.h"
#include "pruners/samples_impl.h"

static ap_node as_conv(const ap_node *node) {
  ap_node conv = *node;
  if (node->kind == AP_NODE_LINEAR) {
    conv.kh = conv.kw = conv.stride_h = conv.stride_w = conv.groups = 1;
    conv.pad_top = conv.pad_left = 0;
  }
  return conv;
}

ap_status ap_samples_draw(const ap_network *net, size_t node, size_t images, size_t per_image,
                          ap_rng *rng, ap_samples *out, ap_error *err) {
  const ap_node conv = as_conv(&net->nodes[node]);
  const size_t p = conv.shape.h * conv.shape.w;
  uint32_t *all = ap_calloc(p, sizeof *all);
  *out = (ap_samples){.conv = conv,
                      .in = net->nodes[conv.inputs[0]].shape,
                      .images = images,
                      .per_image = per_image < p ? per_image : p};
  out->count = images * out->per_image;
  out->positions = ap_calloc(out->count, sizeof *out->positions);
  if (!all || !out->positions) {
    ap_free(all);
    ap_samples_release(out);
    return ap_fail(err, AP_ERR_MEMORY, "positions of %s", conv.name);
  }
  for (size_t i = 0; i < p; i++) all[i] = (uint32_t)i;
  for (size_t image = 0; image < images; image++) {
    for (size_t i = 0; i < out->per_image; i++) { /* the head of a Fisher-Yates shuffle */
      const size_t j = i + ap_rng_below(rng, p - i);
      const uint32_t t = all[i];
      all[i] = all[j];
      all[j] = t;
      out->positions[image * out->per_image + i] = all[i];
    }
  }
  ap_free(all);
  return AP_OK;
}

void ap_samples_release(ap_samples *samples) {
  ap_free(samples->positions);
  memset(samples, 0, sizeof *samples);
}

void ap_samples_input(const ap_samples *samples, const float *input, size_t group, size_t sample,
                      float *row) {
  const ap_node *node = &samples->conv;
  const size_t c_group = samples->in.c / node->groups, image = sample / samples->per_image;
  const size_t h = samples->in.h, w = samples->in.w, position = samples->positions[sample];
  const size_t oy = position / node->shape.w * node->stride_h;
  const size_t ox = position % node->shape.w * node->stride_w;
  const float *x = input + (image * samples->in.c + group * c_group) * h * w;
  size_t k = 0;
  for (size_t c = 0; c < c_group; c++, x += h * w) {
    for (size_t r = 0; r < node->kh; r++) {
      const size_t y = oy + r * node->dilation_h - node->pad_top; /* wraps above the image */
      for (size_t q = 0; q < node->kw; q++, k++) {
        const size_t z = ox + q * node->dilation_w - node->pad_left;
        row[k] = y < h && z < w ? x[y * w + z] : 0.0f;
      }
    }
  }
  row[k] = 1.0f;
}

void ap_samples_output(const ap_samples *samples, const float *output, size_t first, size_t width,
                       size_t sample, float *row) {
  const ap_shape3 out = samples->conv.shape;
  const size_t image = sample / samples->per_image, plane = out.h * out.w;
  const float *y = output + (image * out.c + first) * plane + samples->positions[sample];
  for (size_t c = 0; c < width; c++) row[c] = y[c * plane];
}
