/* The option parser by itself: kinds, ranges, and what is said about slips. */
#include "cli/options.h"

#include <string.h>

#include "tests/cli/command.h"

static const ap_command_info INFO = {.name = "probe",
                                     .usage = "WORD [OPTIONS]",
                                     .summary = "s",
                                     .examples = "e",
                                     .max_positional = 1};

typedef struct {
  const char *text;
  size_t size;
  double number;
  bool flag;
  const char *maybe;
  ap_text_list list;
} values;

static ap_status parse(values *v, ap_cli *cli, const char *const *words, ap_error *err) {
  ap_option options[] = {{"text", "T", "h", AP_OPTION_TEXT, &v->text, 0, 0},
                         {"size", "N", "h", AP_OPTION_SIZE, &v->size, 2, 9},
                         {"number", "X", "h", AP_OPTION_NUMBER, &v->number, -1, 1},
                         {"flag", NULL, "h", AP_OPTION_FLAG, &v->flag, 0, 0},
                         {"maybe", "M", "h", AP_OPTION_MAYBE, &v->maybe, 0, 0},
                         {"item", "I", "h", AP_OPTION_LIST, &v->list, 0, 0},
                         {.name = NULL}};
  static char texts[16][64]; /* getopt sorts the words, and values point to them */
  char *argv[17] = {texts[0]};
  int argc = 1;
  bool help = false;
  ap_status st;
  (void)strcpy(texts[0], "probe");
  for (; words[argc - 1]; argc++) {
    argv[argc] = strncpy(texts[argc], words[argc - 1], sizeof texts[0] - 1);
  }
  memset(err, 0, sizeof *err);
  st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  assert_false(help);
  return st;
}

static void test_kinds(void **state) {
  values v = {0};
  ap_cli cli = {.seed = 1, .backend = "cpu"};
  ap_error err;
  (void)state;
  assert_int_equal(parse(&v, &cli,
                         WORDS("--text=a b", "--size", "9", "word", "--number", "-0.5", "--flag",
                               "--item", "x=1", "--item=y=2", "--seed", "18", "--json"),
                         &err),
                   AP_OK);
  assert_string_equal(v.text, "a b");
  assert_int_equal(v.size, 9);
  assert_true(v.number == -0.5);
  assert_true(v.flag);
  assert_null(v.maybe);
  assert_int_equal(v.list.n, 2);
  assert_string_equal(v.list.items[1], "y=2");
  assert_int_equal(cli.seed, 18);
  assert_true(cli.json);
  assert_false(cli.force);
  assert_int_equal(cli.n_positional, 1);
  assert_string_equal(cli.positional[0], "word");
}

/* Alone, and with a value. */
static void test_maybe(void **state) {
  values v = {0};
  ap_cli cli = {0};
  ap_error err;
  (void)state;
  assert_int_equal(parse(&v, &cli, WORDS("--maybe", "word"), &err), AP_OK);
  assert_string_equal(v.maybe, "");
  assert_int_equal(cli.n_positional, 1);
  assert_int_equal(parse(&v, &cli, WORDS("--maybe=x"), &err), AP_OK);
  assert_string_equal(v.maybe, "x");
}

static void test_slips(void **state) {
  const struct {
    const char *words[3], *says;
  } cases[] = {
      {{"--size", "1"}, "--size 1: expected 2 to 9"},
      {{"--size", "10"}, "--size 10: expected 2 to 9"},
      {{"--size", "-3"}, "whole number"},
      {{"--size", "3x"}, "whole number"},
      {{"--size", "99999999999999999999"}, "whole number"},
      {{"--size", ""}, "whole number"},
      {{"--size"}, "--size needs a value"},
      {{"--number", "nan"}, "a number is expected"},
      {{"--number", "inf"}, "a number is expected"},
      {{"--number", "1e999"}, "a number is expected"},
      {{"--number", "1.01"}, "expected -1 to 1"},
      {{"--number", ""}, "a number is expected"},
      {{"--text", ""}, "--text: the value is empty"},
      {{"--maybe="}, "--maybe: the value is empty"},
      {{"--flag=1"}, "takes no value"},
      {{"--nunber", "1"}, "did you mean --number?"},
      {{"--nunber=1"}, "did you mean --number?"},
      {{"--completely-else"}, "unknown option --completely-else (see"},
      {{"-q"}, "unknown option -q"},
      {{"a", "b"}, "unexpected word \"b\""},
      {{"--seed", "-1"}, "whole number"},
      {{"--threads", "1025"}, "expected 0 to 1024"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    values v = {0};
    ap_cli cli = {0};
    ap_error err;
    assert_int_equal(parse(&v, &cli, cases[i].words, &err), AP_ERR_ARG);
    if (!strstr(err.text, cases[i].says)) print_message("%s\n", err.text);
    assert_non_null(strstr(err.text, cases[i].says));
  }
}

static void test_nearest(void **state) {
  const char *const known[] = {"train", "eval", "map", "compare", NULL};
  (void)state;
  assert_string_equal(ap_cli_nearest("trian", known), "train");
  assert_string_equal(ap_cli_nearest("mapp", known), "map");
  assert_string_equal(ap_cli_nearest("compere", known), "compare");
  assert_null(ap_cli_nearest("zzzzzz", known));
  assert_null(ap_cli_nearest("", (const char *const[]){"train", NULL}));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_kinds),
      cmocka_unit_test(test_maybe),
      cmocka_unit_test(test_slips),
      cmocka_unit_test(test_nearest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
