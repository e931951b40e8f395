/* Blocks of an arena: zeroed, aligned, apart from each other, of any size, all given back. */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/base/testing.h"

static void test_blocks(void **state) {
  enum { N = 400 };
  (void)state;
  uint8_t *block[N];
  size_t bytes[N];
  ap_arena *arena = ap_arena_create();
  assert_non_null(arena);
  for (size_t i = 0; i < N; ++i) {
    bytes[i] = i % 97 == 0 ? (size_t)5 << 20 : (i * 7919) % 70001; /* some larger than a piece */
    block[i] = ap_arena_calloc(arena, bytes[i], 1);
    assert_non_null(block[i]);
    assert_int_equal((uintptr_t)block[i] % 64, 0);
    for (size_t j = 0; j < bytes[i]; j += 61) assert_int_equal(block[i][j], 0);
    memset(block[i], (int)(i % 255) + 1, bytes[i]);
  }
  for (size_t i = 0; i < N; ++i)
    for (size_t j = 0; j < bytes[i]; ++j) assert_int_equal(block[i][j], (int)(i % 255) + 1);
  ap_arena_destroy(arena);
  block[0] = ap_arena_calloc(NULL, 100, 1); /* of its own */
  assert_non_null(block[0]);
  ap_free(block[0]);
  ap_arena_destroy(NULL);
}

static void test_refused(void **state) {
  (void)state;
  ap_arena *arena = ap_arena_create();
  assert_non_null(arena);
  assert_null(ap_arena_calloc(arena, SIZE_MAX, 2));
  assert_null(ap_arena_calloc(arena, SIZE_MAX, 1));
  for (size_t i = 0; i < 2; ++i) { /* the list of pieces, a piece */
    ap_alloc_fail_after(i);
    assert_null(ap_arena_calloc(arena, 100, 1));
  }
  ap_alloc_fail_after(SIZE_MAX);
  uint8_t *a = ap_arena_calloc(arena, 100, 1), *b = ap_arena_calloc(arena, 0, 1);
  assert_non_null(a);
  assert_non_null(b);
  ap_alloc_fail_after(0); /* there is room */
  assert_non_null(ap_arena_calloc(arena, 100, 1));
  ap_alloc_fail_after(SIZE_MAX);
  ap_arena_destroy(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_blocks),
      cmocka_unit_test(test_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
