/* tests/kernels/packed_cases.h - layers to try the packed forms on, floats and integers alike. */
#ifndef AP_TESTS_KERNELS_PACKED_CASES_H
#define AP_TESTS_KERNELS_PACKED_CASES_H
#include "base/rng.h"
#include "kernels/packed.h"
#include "tests/kernels/packed_cmocka.h"
#include "tests/kernels/packed_oracle.h"

/* Layers of the built-in networks at reduced width, and shapes around the tile sizes. */
static const conv_case cases[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    {17, 3, 9, 9, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {16, 2, 8, 8, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {5, 3, 4, 4, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {33, 4, 2, 2, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {65, 2, 2, 2, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {15, 3, 7, 7, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {3, 2, 8, 8, 11, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1},
    {4, 3, 7, 7, 6, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1},
    {2, 1, 28, 28, 20, 5, 5, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    {20, 5, 12, 12, 13, 5, 5, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    {31, 37, 1, 1, 10, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    {66, 16, 1, 1, 8, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    {7, 5, 4, 4, 17, 4, 4, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    {2, 6, 8, 8, 12, 1, 1, 2, 2, 0, 0, 0, 0, 1, 1, 1},
    {3, 8, 5, 6, 8, 3, 3, 1, 1, 1, 1, 1, 1, 8, 1, 1},
    {3, 6, 6, 5, 24, 3, 3, 2, 2, 1, 1, 1, 1, 2, 1, 1},
    {2, 3, 7, 11, 4, 2, 5, 3, 1, 0, 2, 1, 3, 1, 1, 1},
    {2, 3, 11, 7, 5, 3, 3, 1, 2, 2, 0, 0, 1, 1, 1, 1},
    {1, 2, 13, 5, 3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {2, 2, 5, 3, 4, 3, 3, 1, 1, 0, 1, 2, 0, 1, 1, 1},
    {2, 2, 3, 4, 4, 3, 3, 1, 1, 1, 0, 0, 2, 1, 1, 1},
    {1, 1, 6, 13, 2, 3, 3, 1, 1, 2, 2, 2, 2, 1, 1, 1},
    {4, 3, 9, 5, 65, 3, 3, 1, 1, 1, 1, 0, 0, 1, 1, 1},
    {18, 67, 1, 1, 130, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    /* several bands of WINOGRAD, the last one short */
    {2, 70, 13, 6, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {1, 150, 9, 3, 2, 3, 3, 1, 1, 1, 1, 1, 1, 2, 1, 1},
    {1, 40, 33, 9, 2, 3, 3, 1, 1, 2, 0, 1, 2, 1, 1, 1},
    /* images smaller than their kernels: rows and taps in the padding */
    {3, 40, 1, 1, 24, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {2, 40, 2, 2, 24, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {2, 24, 2, 2, 16, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1},
    {2, 24, 1, 6, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {2, 24, 6, 1, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {1, 24, 2, 2, 16, 5, 5, 1, 1, 2, 2, 2, 2, 1, 1, 1},
    {1, 16, 4, 4, 8, 3, 3, 1, 1, 2, 2, 2, 2, 1, 2, 2},
    {1, 16, 2, 3, 8, 3, 3, 1, 1, 3, 3, 3, 3, 1, 1, 1},
    {1, 16, 3, 3, 8, 3, 3, 1, 1, 4, 0, 4, 0, 1, 4, 1},
    /* larger than the beginning that packed_gather.c takes for all */
    {2, 72, 3, 3, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {1, 80, 2, 2, 96, 3, 3, 1, 1, 1, 1, 1, 1, 2, 1, 1},
    {1, 600, 1, 1, 65, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    /* several strips, the last one short; groups of them */
    {33, 600, 3, 3, 9, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    {50, 200, 5, 3, 16, 2, 2, 1, 1, 0, 0, 0, 0, 2, 1, 1},
    /* an input channel for each output */
    {18, 6, 9, 11, 6, 5, 5, 1, 1, 2, 2, 2, 2, 6, 1, 1},
    {3, 5, 7, 13, 10, 3, 3, 2, 2, 1, 1, 1, 1, 5, 1, 1},
    /* dilated */
    {17, 3, 9, 9, 5, 3, 3, 1, 1, 2, 2, 2, 2, 1, 2, 2},
    {3, 6, 7, 13, 8, 3, 2, 2, 1, 3, 0, 3, 5, 2, 3, 5},
    {2, 3, 4, 4, 4, 3, 3, 1, 1, 4, 4, 4, 4, 1, 4, 4},
};

static inline bool possible(const conv_case *k, ap_packed_form form) {
  static const size_t width[AP_PACKED_FORMS] = {1, 1, 2, 4, 8, 1, 1, 1, 4, 1};
  const bool whole = form == AP_PACKED_WINOGRAD || form == AP_PACKED_KERNEL3;
  if (whole && (k->dilation_h > 1 || k->dilation_w > 1)) return false;
  if (form == AP_PACKED_WINOGRAD)
    return k->kh == 3 && k->kw == 3 && k->stride_h == 1 && k->stride_w == 1;
  if (form == AP_PACKED_KERNEL3)
    return k->kh == 3 && k->kw == 3 && k->stride_h == k->stride_w && k->stride_h <= 2;
  return k->groups == 1 || k->c_out / k->groups % width[form] == 0;
}

static inline size_t between(ap_rng *rng, size_t lo, size_t hi) {
  return lo + ap_rng_below(rng, hi - lo + 1);
}

static inline conv_case random_case(ap_rng *rng, size_t most_images, bool kernel3) {
  conv_case k = {.n = between(rng, 1, most_images), .groups = between(rng, 1, 3)};
  k.c_in = k.groups * between(rng, 1, 4);
  k.c_out = k.groups * between(rng, 1, 9);
  k.kh = kernel3 ? 3 : between(rng, 1, 5);
  k.kw = kernel3 ? 3 : between(rng, 1, 5);
  k.stride_h = between(rng, 1, 3);
  k.stride_w = kernel3 ? k.stride_h : between(rng, 1, 3);
  k.pad_top = between(rng, 0, 2), k.pad_left = between(rng, 0, 2);
  k.pad_bottom = between(rng, 0, 2), k.pad_right = between(rng, 0, 2);
  k.dilation_h = kernel3 ? 1 : between(rng, 1, 2);
  k.dilation_w = kernel3 ? 1 : between(rng, 1, 2);
  k.h = between(rng, (k.kh - 1) * k.dilation_h + 1, 13);
  k.w = between(rng, (k.kw - 1) * k.dilation_w + 1, 13);
  return k;
}

static inline ap_packed_conv packed_geometry(const conv_case *k, size_t extra_border) {
  ap_packed_conv g = {.kh = k->kh,
                      .kw = k->kw,
                      .stride_h = k->stride_h,
                      .stride_w = k->stride_w,
                      .pad_top = k->pad_top,
                      .pad_left = k->pad_left,
                      .groups = k->groups,
                      .dilation_h = k->dilation_h,
                      .dilation_w = k->dilation_w};
  assert_int_equal(ap_packed_shape_init(k->c_in, k->h, k->w, k->pad_top + extra_border,
                                        k->pad_left + extra_border, k->pad_bottom,
                                        k->pad_right + extra_border, &g.in, NULL),
                   AP_OK);
  assert_int_equal(ap_packed_shape_init(k->c_out, conv_case_oh(k), conv_case_ow(k), extra_border, 1,
                                        1, 0, &g.out, NULL),
                   AP_OK);
  return g;
}

#endif
