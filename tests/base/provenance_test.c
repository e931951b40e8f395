/* Provenance: every member there, the command quoted for a shell, hashes of configurations. */
#include "base/provenance.h"

#include <ctype.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "tests/base/testing.h"

static void test_members(void **state) {
  static const char *const texts[] = {"version", "commit", "compiler", "cpu", "os", "date"};
  char name[] = "autoprune", word[] = "a b", quote[] = "it's", empty[] = "", plain[] = "--x=1";
  char *argv[] = {name, word, quote, empty, plain};
  json_t *p = ap_provenance(5, argv);
  (void)state;
  assert_non_null(p);
  assert_true(json_is_integer(json_object_get(p, "schema")));
  assert_true(json_integer_value(json_object_get(p, "threads")) >= 1);
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    const char *text = json_string_value(json_object_get(p, texts[i]));
    assert_non_null(text);
    assert_true(strlen(text) > 0);
  }
  assert_string_equal(json_string_value(json_object_get(p, "command")),
                      "autoprune 'a b' 'it'\\''s' '' --x=1");
  assert_int_equal(strlen(json_string_value(json_object_get(p, "date"))), 20);
  json_decref(p);
}

/* A file name may hold bytes that are no text; the document must stay valid JSON. */
static void test_bytes_that_are_not_text(void **state) {
  char word[] =
      "a\xff"
      "b";
  char *argv[] = {word};
  json_t *p = ap_provenance(1, argv);
  (void)state;
  assert_non_null(p);
  assert_string_equal(json_string_value(json_object_get(p, "command")), "'a?b'");
  json_decref(p);
}

static void test_commit(void **state) {
  const char *commit = ap_build_commit();
  (void)state;
  assert_true(strchr(ap_build_version(), '.') != NULL);
  if (strcmp(commit, "unknown") == 0) return; /* a tree without git */
  for (size_t i = 0; i < 40; i++) assert_true(isxdigit((unsigned char)commit[i]));
  assert_true(strcmp(commit + 40, "") == 0 || strcmp(commit + 40, "+dirty") == 0);
}

static void test_config_hash(void **state) {
  json_t *a = json_pack("{s:i,s:{s:f,s:s}}", "b", 1, "a", "y", 0.5, "x", "t");
  json_t *b = json_pack("{s:{s:s,s:f},s:i}", "a", "x", "t", "y", 0.5, "b", 1);
  json_t *c = json_pack("{s:i}", "b", 1);
  char ha[65], hb[65], hc[65], expected[65];
  const char *canonical = "{\"a\":{\"x\":\"t\",\"y\":0.5},\"b\":1}";
  (void)state;
  assert_int_equal(ap_config_hash(a, ha, NULL), AP_OK);
  assert_int_equal(ap_config_hash(b, hb, NULL), AP_OK);
  assert_int_equal(ap_config_hash(c, hc, NULL), AP_OK);
  assert_string_equal(ha, hb); /* the order of members does not matter */
  assert_string_not_equal(ha, hc);
  ap_sha256(canonical, strlen(canonical), expected);
  assert_string_equal(ha, expected);
  json_decref(a);
  json_decref(b);
  json_decref(c);
}

static void test_failing_allocations(void **state) {
  char word[] = "two words";
  char *argv[] = {word, word};
  size_t failures = 0;
  (void)state;
  for (;; failures++) {
    json_t *p;
    ap_alloc_fail_after(failures);
    p = ap_provenance(2, argv);
    ap_alloc_fail_after(SIZE_MAX);
    if (p) {
      json_decref(p);
      break;
    }
  }
  assert_int_equal(failures, 5); /* an empty text, then two steps a word */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_members),
      cmocka_unit_test(test_bytes_that_are_not_text),
      cmocka_unit_test(test_commit),
      cmocka_unit_test(test_config_hash),
      cmocka_unit_test(test_failing_allocations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
