/* kernels/cpu/packed8_isa.c - which instruction set the integer kernels use. */
#include <string.h>

#include "kernels/cpu/packed8_impl.h"

static bool always(void) { return true; }
#if defined(AP_PACKED_X86)
static bool has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("popcnt");
}
static bool has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("popcnt");
}
#endif

/* Best first. */
static const struct {
  const char *name;
  const ap_packed8_isa *isa; /* NULL: not built for this processor family */
  bool (*present)(void);
} known[] = {
#if defined(AP_PACKED_X86)
    {"avx512", &ap_packed8_avx512, has_avx512},
    {"avx2", &ap_packed8_avx2, has_avx2},
#else
    {"avx512", NULL, always},
    {"avx2", NULL, always},
#endif
    {"plain", &ap_packed8_plain, always},
};

ap_status ap_packed8_isa_find(const char *name, const ap_packed8_isa **out, ap_error *err) {
  *out = NULL;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i) {
    if (name && strcmp(name, known[i].name) != 0) continue;
    if (known[i].isa && known[i].present()) {
      *out = known[i].isa;
      return AP_OK;
    }
    if (name)
      return ap_fail(err, AP_ERR_UNSUPPORTED,
                     "this machine does not have the integer vectors \"%s\"", name);
  }
  return ap_fail(err, AP_ERR_ARG, "unknown vectors \"%s\" (known: avx512, avx2, plain)", name);
}

const char *ap_packed8_isa_name(const ap_packed8_isa *isa) { return isa->name; }
