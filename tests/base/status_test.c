/* Error texts: one line, cut at the end, prefix put in front, NULL accepted. */
#include "base/status.h"

#include "tests/base/testing.h"

static void test_fail_formats_one_line(void **state) {
  ap_error err;
  (void)state;
  assert_int_equal(ap_fail(&err, AP_ERR_FORMAT, "file %s:\n%d\r!", "a", 3), AP_ERR_FORMAT);
  assert_int_equal(err.code, AP_ERR_FORMAT);
  assert_string_equal(err.text, "file a: 3 !");
  assert_int_equal(ap_fail(NULL, AP_ERR_IO, "%d", 1), AP_ERR_IO);
}

static void test_long_texts_are_cut(void **state) {
  char text[2000];
  ap_error err;
  (void)state;
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  (void)ap_fail(&err, AP_ERR_ARG, "%s", text);
  assert_int_equal(strlen(err.text), sizeof err.text - 1);
  assert_int_equal(ap_fail_context(&err, AP_ERR_ARG, "ab"), AP_ERR_ARG);
  assert_int_equal(strlen(err.text), sizeof err.text - 1);
  assert_memory_equal(err.text, "ab: xxx", 7);
  (void)ap_fail_context(&err, AP_ERR_ARG, "%s", text);
  assert_int_equal(strlen(err.text), sizeof err.text - 1);
  assert_memory_equal(err.text, "xxx", 3);
}

/* Around the place where prefix, ": " and old text just fit, or only in part. */
static void test_context_at_the_end(void **state) {
  char prefix[600];
  (void)state;
  for (size_t n = 500; n < 520; n++) {
    ap_error err;
    memset(prefix, 'p', n);
    prefix[n] = '\0';
    (void)ap_fail(&err, AP_ERR_IO, "old");
    (void)ap_fail_context(&err, AP_ERR_IO, "%s", prefix);
    assert_true(strlen(err.text) <= sizeof err.text - 1);
    assert_memory_equal(err.text, prefix, n < sizeof err.text ? n : sizeof err.text - 1);
    if (n + 5 < sizeof err.text) assert_string_equal(err.text + n, ": old");
  }
}

static void test_context_keeps_the_text(void **state) {
  ap_error err;
  (void)state;
  (void)ap_fail(&err, AP_ERR_IO, "no space");
  assert_int_equal(ap_fail_context(&err, AP_ERR_IO, "layer %d", 2), AP_ERR_IO);
  assert_string_equal(err.text, "layer 2: no space");
  assert_int_equal(ap_fail_context(NULL, AP_ERR_IO, "x"), AP_ERR_IO);
}

static void test_names(void **state) {
  (void)state;
  assert_string_equal(ap_status_name(AP_OK), "OK");
  assert_string_equal(ap_status_name(AP_ERR_INTERRUPTED), "INTERRUPTED");
  assert_string_equal(ap_status_name(AP_ERR_INTERNAL), "INTERNAL");
  assert_string_equal(ap_status_name(AP_ERR_PLUGIN), "PLUGIN");
  assert_string_equal(ap_status_name((ap_status)99), "UNKNOWN");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_fail_formats_one_line),
      cmocka_unit_test(test_long_texts_are_cut),
      cmocka_unit_test(test_context_at_the_end),
      cmocka_unit_test(test_context_keeps_the_text),
      cmocka_unit_test(test_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
