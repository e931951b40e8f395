/* Tables read back: what base/csv.h writes, quoting, line ends, comments; damage is named by its line. */
#include "base/csv_read.h"

#include <math.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "tests/base/testing.h"

static ap_error failure;

static ap_status parse(const char *text, json_t **rows, json_t **head) {
  return ap_csv_parse(text, strlen(text), "t.csv", rows, head, &failure);
}

static void written_tables_read_back(void **state) {
  static const char *const texts[] = {"plain",       "a,b",  "\"quoted\"", "two\nlines", "",
                                      " blank edge", "# no", "\xc3\xa4",   "-"};
  static const double numbers[] = {0, -1, 0.1, 1e-300, 123456789, 1.0 / 3, 1e300, -2.5e-7, NAN};
  FILE *file = fopen(scratch_path("t.csv"), "wb");
  ap_csv csv = {file, 0};
  json_t *rows = NULL, *head = NULL;
  (void)state;
  ap_csv_comment(&csv, "command", "autoprune compare: all");
  ap_csv_comment(&csv, "command", "later");
  ap_csv_text(&csv, "text");
  ap_csv_text(&csv, "number");
  ap_csv_end_row(&csv);
  for (size_t i = 0; i < 9; i++) {
    ap_csv_text(&csv, texts[i]);
    ap_csv_number(&csv, numbers[i]);
    ap_csv_end_row(&csv);
  }
  assert_int_equal(fclose(file), 0);
  assert_int_equal(ap_csv_load(scratch_path("t.csv"), &rows, &head, &failure), AP_OK);
  assert_string_equal(json_string_value(json_object_get(head, "command")),
                      "autoprune compare: all");
  assert_int_equal(json_array_size(rows), 9);
  for (size_t i = 0; i < 9; i++) {
    const json_t *row = json_array_get(rows, i);
    assert_string_equal(ap_csv_field_text(row, "text"), texts[i]);
    if (isnan(numbers[i])) {
      assert_true(isnan(ap_csv_field_number(row, "number")));
    } else {
      assert_true(ap_csv_field_number(row, "number") == numbers[i]);
    }
  }
  json_decref(rows);
  json_decref(head);
}

static void forms(void **state) {
  json_t *rows = NULL;
  const json_t *row;
  (void)state;
  assert_int_equal(parse("a,b\r\n1,\"x\"\"y\"\r\n", &rows, NULL), AP_OK);
  assert_int_equal(json_array_size(rows), 1);
  row = json_array_get(rows, 0);
  assert_string_equal(ap_csv_field_text(row, "b"), "x\"y");
  assert_string_equal(ap_csv_field_text(row, "c"), "");
  assert_true(isnan(ap_csv_field_number(row, "c")));
  assert_true(isnan(ap_csv_field_number(row, "b")));
  json_decref(rows);
  assert_int_equal(parse("a,b\n,128x128", &rows, NULL), AP_OK); /* no newline at the end */
  row = json_array_get(rows, 0);
  assert_true(isnan(ap_csv_field_number(row, "a")) && isnan(ap_csv_field_number(row, "b")));
  json_decref(rows);
  assert_int_equal(parse("\xef\xbb\xbf"
                         "a,b\n1,2\n",
                         &rows, NULL),
                   AP_OK); /* an editor's mark */
  assert_true(ap_csv_field_number(json_array_get(rows, 0), "a") == 1);
  json_decref(rows);
  assert_int_equal(parse("# only: this\na\n", &rows, NULL), AP_OK);
  assert_int_equal(json_array_size(rows), 0);
  json_decref(rows);
}

static void damage_is_named(void **state) {
  static const struct {
    const char *text, *says;
  } cases[] = {{"", "line 1: a line of column names"},
               {"# a: b\n", "line 2: a line of column names"},
               {"a,,c\n", "line 1: column 2 has no name"},
               {"a,b,a\n", "two columns are called \"a\""},
               {"a,b\n1,2\n1\n", "line 3: 1 fields, 2 are expected"},
               {"a,b\n1,2,3\n", "line 2: 3 fields"},
               {"a,b\n\n", "line 2: 1 fields"},
               {"a\n\"open\n", "line 3: a quote is not closed"},
               {"a\n\"x\"y\n", "line 2: a comma is expected"},
               {"a\nx\"y\n", "line 2: a quote in the middle"},
               {"a\n\xff\n", "line 2: text that is not UTF-8"},
               {"# k: \xff\na\n", "line 1: text that is not UTF-8"}};
  json_t *rows = NULL, *head = NULL;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(parse(cases[i].text, &rows, &head), AP_ERR_FORMAT);
    if (!strstr(failure.text, cases[i].says)) fail_msg("%s: %s", cases[i].says, failure.text);
    assert_null(rows);
    assert_null(head);
  }
  assert_int_equal(ap_csv_parse("a\n\0", 3, "t.csv", &rows, NULL, &failure), AP_ERR_FORMAT);
  assert_int_equal(ap_csv_load(scratch_path("absent.csv"), &rows, NULL, &failure), AP_ERR_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(written_tables_read_back),
                                     cmocka_unit_test(forms), cmocka_unit_test(damage_is_named)};
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
