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
#endif
