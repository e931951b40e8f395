/* Texts made fit for one line: control characters, and every kind of broken UTF-8. */
#include "base/text.h"

#include "base/json.h"
#include "tests/base/testing.h"

static const struct {
  const char *given, *clean;
} cases[] = {
    {"", ""},
    {"plain text", "plain text"},
    {"caf\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80"},
    {"\x1b[31mred\x1b[0m\ttab\r\n\x7f", " [31mred [0m tab   "},
    {"caf\xe9", "caf?"},               /* Latin-1 */
    {"\xc3", "?"},                     /* cut off */
    {"\xe4\xb8", "??"},                /* cut off */
    {"\xf0\x9f\x98 x", "??? x"},       /* cut off in the middle */
    {"\xc0\xaf", "??"},                /* overlong */
    {"\xe0\x80\x80", "???"},           /* overlong */
    {"\xed\xa0\x80", "???"},           /* a surrogate */
    {"\xf4\x90\x80\x80", "????"},      /* beyond the last code point */
    {"\xf8\x88\x80\x80\x80", "?????"}, /* five bytes */
    {"\x80 \xff", "? ?"}};

static void test_clean(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[64];
    (void)snprintf(text, sizeof text, "%s", cases[i].given);
    ap_text_clean(text);
    assert_string_equal(text, cases[i].clean);
    assert_true(ap_text_is_utf8(text));
  }
}

/* What jansson takes, and nothing else; what it refuses becomes a string all the same. */
static void test_as_json(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    json_t *strict = json_string(cases[i].given), *any = ap_json_text(cases[i].given);
    assert_int_equal(strict != NULL, ap_text_is_utf8(cases[i].given));
    assert_non_null(any);
    assert_string_equal(json_string_value(any), strict ? cases[i].given : cases[i].clean);
    json_decref(strict);
    json_decref(any);
  }
  assert_null(ap_json_text(NULL));
}

static void test_mark(void **state) {
  (void)state;
  assert_int_equal(ap_text_mark("\xef\xbb\xbfx", 4), 3);
  assert_int_equal(ap_text_mark("\xef\xbb\xbf", 3), 3);
  assert_int_equal(ap_text_mark("\xef\xbb", 2), 0);
  assert_int_equal(ap_text_mark("\xef\xbb?x", 4), 0);
  assert_int_equal(ap_text_mark("text", 4), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_clean), cmocka_unit_test(test_as_json),
                                     cmocka_unit_test(test_mark)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
