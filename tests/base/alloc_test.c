/* The allocator: zeroed, aligned, overflow refused, failures on order. */
#include "base/alloc.h"

#include "tests/base/testing.h"

static void test_zeroed_and_aligned(void **state) {
  static const size_t sizes[] = {0, 1, 63, 64, 65, 127, 1009};
  (void)state;
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    unsigned char *p = ap_calloc(sizes[i], 3);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 64, 0);
    for (size_t j = 0; j < 3 * sizes[i]; j++) assert_int_equal(p[j], 0);
    if (sizes[i]) memset(p, 0xff, 3 * sizes[i]);
    ap_free(p);
  }
  ap_free(NULL);
}

static void test_overflow_is_refused(void **state) {
  char *p = ap_calloc(1, 1);
  (void)state;
  assert_null(ap_calloc(SIZE_MAX, 2));
  assert_null(ap_calloc(SIZE_MAX, 1));
  assert_null(ap_calloc(SIZE_MAX / 2 + 2, 1));
  assert_null(ap_realloc(p, SIZE_MAX / 2, 3));
  p[0] = 1; /* still ours */
  ap_free(p);
}

static void test_realloc_keeps_and_zeroes(void **state) {
  unsigned char *p = ap_realloc(NULL, 5, 1);
  (void)state;
  assert_non_null(p);
  memcpy(p, "abcde", 5);
  p = ap_realloc(p, 200, 1);
  assert_memory_equal(p, "abcde", 5);
  for (size_t i = 5; i < 200; i++) assert_int_equal(p[i], 0);
  memset(p, 0xff, 200);
  p = ap_realloc(p, 3, 1);
  p = ap_realloc(p, 100, 1);
  for (size_t i = 0; i < 100; i++) assert_int_equal(p[i], i < 3 ? 0xff : 0);
  ap_free(p);
}

static void test_texts(void **state) {
  char *a = ap_strdup("word"), *b = ap_sprintf("%s-%03d", a, 7), *c = ap_strdup("");
  (void)state;
  assert_string_equal(a, "word");
  assert_string_equal(b, "word-007");
  assert_string_equal(c, "");
  assert_null(ap_strdup(NULL));
  ap_free(a);
  ap_free(b);
  ap_free(c);
}

static void test_fail_after(void **state) {
  size_t before = ap_alloc_count();
  void *p, *q;
  (void)state;
  ap_alloc_fail_after(1);
  p = ap_calloc(1, 1);
  assert_non_null(p);
  assert_null(ap_calloc(1, 1));
  q = ap_calloc(1, 1); /* it fails once */
  assert_non_null(q);
  assert_int_equal(ap_alloc_count() - before, 2);
  ap_alloc_fail_after(0);
  assert_null(ap_strdup("x"));
  ap_alloc_fail_after(0);
  assert_null(ap_sprintf("x"));
  ap_alloc_fail_after(0);
  assert_null(ap_realloc(p, 10, 1));
  ap_alloc_fail_after(0);
  ap_alloc_fail_after(SIZE_MAX);
  p = ap_realloc(p, 10, 1);
  assert_non_null(p);
  ap_free(p);
  ap_free(q);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_zeroed_and_aligned),
      cmocka_unit_test(test_overflow_is_refused),
      cmocka_unit_test(test_realloc_keeps_and_zeroes),
      cmocka_unit_test(test_texts),
      cmocka_unit_test(test_fail_after),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
