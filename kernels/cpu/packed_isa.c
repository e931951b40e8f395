/* kernels/cpu/packed_isa.c - which instruction set the packed kernels use; shapes. */
#include <string.h>

#include "kernels/cpu/packed_impl.h"

static bool always(void) { return true; }
#if defined(AP_PACKED_X86)
static bool has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt");
}
static bool has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("popcnt");
}
#endif

/* Best first. */
static const struct {
  const char *name;
  const ap_packed_isa *isa; /* NULL: not built for this processor family */
  bool (*present)(void);
} known[] = {
#if defined(AP_PACKED_X86)
    {"avx512", &ap_packed_avx512, has_avx512},
    {"avx2", &ap_packed_avx2, has_avx2},
#else
    {"avx512", NULL, always},
    {"avx2", NULL, always},
#endif
    {"plain", &ap_packed_plain, always},
};

ap_status ap_packed_isa_find(const char *name, const ap_packed_isa **out, ap_error *err) {
  *out = NULL;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i) {
    if (name && strcmp(name, known[i].name) != 0) continue;
    if (known[i].isa && known[i].present()) {
      *out = known[i].isa;
      return AP_OK;
    }
    if (name)
      return ap_fail(err, AP_ERR_UNSUPPORTED, "this machine does not have the vectors \"%s\"",
                     name);
  }
  return ap_fail(err, AP_ERR_ARG, "unknown vectors \"%s\" (known: avx512, avx2, plain)", name);
}

const char *ap_packed_isa_name(const ap_packed_isa *isa) { return isa->name; }

ap_status ap_packed_shape_init(size_t c, size_t h, size_t w, size_t top, size_t left, size_t bottom,
                               size_t right, ap_packed_shape *out, ap_error *err) {
  const size_t limit = INT32_MAX; /* list offsets are 32 bits */
  const size_t sizes[] = {c, h, w, top, left, bottom, right};
  memset(out, 0, sizeof *out);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
    if (sizes[i] > limit || (i < 3 && sizes[i] == 0))
      return ap_fail(err, AP_ERR_ARG, "a packed tensor of %zu x %zu x %zu with border %zu", c, h, w,
                     sizes[i]);
  }
  const size_t rows = top + h + bottom, columns = left + w + right;
  bool fits = columns <= limit / AP_PACKED_LANES;
  const size_t row = columns * AP_PACKED_LANES;
  fits = fits && rows <= limit / row;
  size_t lines = fits ? rows * columns : 0;
  if (lines % 2 == 0) ++lines;
  const size_t channel = lines * AP_PACKED_LANES;
  fits = fits && c <= limit / channel;
  if (!fits)
    return ap_fail(err, AP_ERR_ARG, "%zu x %zu x %zu is too large for a packed tensor", c, h, w);
  *out = (ap_packed_shape){.c = c,
                           .h = h,
                           .w = w,
                           .top = top,
                           .left = left,
                           .bottom = bottom,
                           .right = right,
                           .row = row,
                           .channel = channel,
                           .block = c * channel,
                           .origin = top * row + left * AP_PACKED_LANES};
  return AP_OK;
}

bool ap_packed_shape_equal(const ap_packed_shape *a, const ap_packed_shape *b) {
  return a->c == b->c && a->h == b->h && a->w == b->w && a->top == b->top && a->left == b->left &&
         a->bottom == b->bottom && a->right == b->right;
}
