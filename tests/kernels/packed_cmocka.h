/* tests/kernels/packed_cmocka.h - CMocka with the headers that it needs before its own. */
#ifndef AP_TESTS_KERNELS_PACKED_CMOCKA_H
#define AP_TESTS_KERNELS_PACKED_CMOCKA_H
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* AP_TEST_VECTORS names the one instruction set to test, where the others would take long (tools/avx512_check.sh). */
static inline bool vectors_wanted(const char *name) {
  const char *only = getenv("AP_TEST_VECTORS");
  return !only || strcmp(only, name) == 0;
}
#endif
