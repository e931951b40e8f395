/* CSV text as RFC 4180 wants it; numbers that read back equal. */
#include "base/csv.h"

#include <math.h>

#include "tests/base/testing.h"

static char buffer[4096];

static ap_csv begin(void) {
  FILE *file = fmemopen(buffer, sizeof buffer, "w");
  assert_non_null(file);
  return (ap_csv){.file = file};
}

static const char *end(ap_csv *csv) {
  assert_int_equal(fclose(csv->file), 0);
  return buffer;
}

static void test_quoting(void **state) {
  ap_csv csv = begin();
  (void)state;
  ap_csv_comment(&csv, "command", "a b\nc");
  ap_csv_text(&csv, "name");
  ap_csv_text(&csv, "a,b");
  ap_csv_text(&csv, "say \"x\"");
  ap_csv_text(&csv, "two\nlines");
  ap_csv_text(&csv, "");
  ap_csv_text(&csv, " blank");
  ap_csv_end_row(&csv);
  ap_csv_text(&csv, "#1");
  ap_csv_text(&csv, "#2");
  ap_csv_end_row(&csv);
  ap_csv_text(&csv, "");
  ap_csv_end_row(&csv);
  assert_string_equal(end(&csv),
                      "# command: a b c\n"
                      "name,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",,\" blank\"\n"
                      "\"#1\",#2\n"
                      "\"\"\n");
}

static void test_numbers(void **state) {
  ap_csv csv = begin();
  (void)state;
  ap_csv_number(&csv, 0.1);
  ap_csv_number(&csv, 3);
  ap_csv_number(&csv, NAN);
  ap_csv_number(&csv, -1e300);
  ap_csv_size(&csv, SIZE_MAX);
  ap_csv_number(&csv, INFINITY);
  ap_csv_end_row(&csv);
  assert_string_equal(end(&csv), "0.1,3,,-1e+300,18446744073709551615,inf\n");
}

static void test_numbers_read_back(void **state) {
  static const double values[] = {1.0 / 3, 0.1 + 0.2,    5e-324, 1.7976931348623157e308,
                                  -0.0,    123456789.125};
  (void)state;
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    ap_csv csv = begin();
    double back;
    ap_csv_number(&csv, values[i]);
    ap_csv_end_row(&csv);
    back = strtod(end(&csv), NULL);
    assert_memory_equal(&back, &values[i], sizeof back);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_quoting),
      cmocka_unit_test(test_numbers),
      cmocka_unit_test(test_numbers_read_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
