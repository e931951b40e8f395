/* JSON: what is refused and with which words; saving and reading back. */
#include "base/json.h"

#include "base/alloc.h"
#include "base/file.h"
#include "tests/base/testing.h"

static json_t *parse(const char *text) {
  json_t *value = NULL;
  ap_error err;
  if (ap_json_parse(text, strlen(text), "test", &value, &err) != AP_OK) fail_msg("%s", err.text);
  return value;
}

static void test_refused_texts(void **state) {
  static const char *const texts[] = {"",        "{",         "{\"a\":1,\"a\":2}", "{} x",
                                      "[1e999]", "[NaN]",     "{\"a\":\"\xff\"}",  "[01]",
                                      "[1,]",    "{\"a\" 1}", "[\"\n\"]",          "3 4"};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    json_t *value = NULL;
    ap_error err;
    assert_int_equal(ap_json_parse(texts[i], strlen(texts[i]), "f.json", &value, &err),
                     AP_ERR_FORMAT);
    assert_null(value);
    assert_memory_equal(err.text, "f.json:1", 8);
    assert_null(strchr(err.text, '\n'));
  }
}

static void test_byte_order_mark(void **state) {
  static const char text[] = "\xef\xbb\xbf{\"a\": 1}", twice[] = "\xef\xbb\xbf\xef\xbb\xbf{}";
  json_t *value = parse(text);
  ap_error err;
  (void)state;
  assert_int_equal(json_integer_value(json_object_get(value, "a")), 1);
  json_decref(value);
  assert_int_equal(ap_json_parse(twice, strlen(twice), "t", &value, &err), AP_ERR_FORMAT);
  assert_int_equal(ap_json_parse(text, 3, "t", &value, &err), AP_ERR_FORMAT); /* and no more */
}

static void test_error_names_the_line(void **state) {
  const char *text = "{\n \"a\": 1,\n \"b\": oops\n}\n";
  json_t *value = NULL;
  ap_error err;
  (void)state;
  assert_int_equal(ap_json_parse(text, strlen(text), "p.json", &value, &err), AP_ERR_FORMAT);
  assert_memory_equal(err.text, "p.json:3:", 9);
}

static void test_members(void **state) {
  json_t *o = parse("{\"n\":2.5,\"i\":7,\"s\":\"x\",\"a\":[1],\"m\":-1,\"t\":true}");
  const json_t *array = NULL;
  const char *text = NULL;
  double number = 0;
  size_t size = 0;
  ap_error err;
  (void)state;
  assert_int_equal(ap_json_number(o, "n", 2.5, 2.5, "w", &number, &err), AP_OK);
  assert_true(number == 2.5);
  assert_int_equal(ap_json_number(o, "i", 0, 10, "w", &number, &err), AP_OK);
  assert_true(number == 7);
  assert_int_equal(ap_json_size(o, "i", 7, 7, "w", &size, &err), AP_OK);
  assert_int_equal(size, 7);
  assert_int_equal(ap_json_string(o, "s", "w", &text, &err), AP_OK);
  assert_string_equal(text, "x");
  assert_int_equal(ap_json_array(o, "a", "w", &array, &err), AP_OK);
  assert_int_equal(json_array_size(array), 1);

  assert_int_equal(ap_json_number(o, "n", 0, 2, "w", &number, &err), AP_ERR_FORMAT);
  assert_string_equal(err.text, "w: member \"n\" is 2.5, expected 0 to 2");
  assert_int_equal(ap_json_number(o, "s", 0, 2, "w", &number, &err), AP_ERR_FORMAT);
  assert_int_equal(ap_json_number(o, "t", 0, 2, "w", &number, &err), AP_ERR_FORMAT);
  assert_int_equal(ap_json_number(o, "none", 0, 2, "w", &number, &err), AP_ERR_FORMAT);
  assert_string_equal(err.text, "w: member \"none\" is missing");
  assert_int_equal(ap_json_size(o, "n", 0, 9, "w", &size, &err), AP_ERR_FORMAT);
  assert_int_equal(ap_json_size(o, "m", 0, 9, "w", &size, &err), AP_ERR_FORMAT);
  assert_int_equal(ap_json_size(o, "i", 8, 9, "w", &size, &err), AP_ERR_FORMAT);
  assert_int_equal(ap_json_size(o, "i", 0, 6, "w", &size, &err), AP_ERR_FORMAT);
  assert_int_equal(ap_json_string(o, "i", "w", &text, &err), AP_ERR_FORMAT);
  assert_int_equal(ap_json_array(o, "i", "w", &array, &err), AP_ERR_FORMAT);
  assert_int_equal(ap_json_array(json_object_get(o, "a"), "i", "w", &array, &err), AP_ERR_FORMAT);
  assert_int_equal(ap_json_array(NULL, "i", "w", &array, &err), AP_ERR_FORMAT);
  json_decref(o);
}

static void test_save_and_load(void **state) {
  json_t *o = parse("{\"z\": [0.1, 3], \"a\": {\"text\": \"\\u00e9\"}}"), *back = NULL;
  ap_error err;
  (void)state;
  assert_int_equal(ap_json_save(scratch_path("a.json"), o, false, &err), AP_OK);
  assert_int_equal(ap_json_load(scratch_path("a.json"), &back, &err), AP_OK);
  assert_true(json_equal(o, back));
  json_decref(back);
  assert_int_equal(ap_json_save(scratch_path("a.json"), o, false, &err), AP_ERR_ARG);
  assert_int_equal(ap_json_save(scratch_path("a.json"), o, true, &err), AP_OK);
  {
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(ap_file_read(scratch_path("a.json"), 1000, &text, &size, &err), AP_OK);
    assert_memory_equal(text, "{\n  \"z\": [\n", 11); /* order kept, indented by 2 */
    assert_int_equal(text[size - 1], '\n');
    ap_free(text);
  }
  json_decref(o);
  assert_int_equal(ap_json_load(scratch_path("none.json"), &back, &err), AP_ERR_IO);
  assert_null(back);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_refused_texts),        cmocka_unit_test(test_byte_order_mark),
      cmocka_unit_test(test_error_names_the_line), cmocka_unit_test(test_members),
      cmocka_unit_test(test_save_and_load),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
