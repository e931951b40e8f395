/* Methods and networks of a comparison, chosen by name. */
#include "base/alloc.h"
#include "bench/methods_impl.h"
#include "pruners/baseline.h"
#include "pruners/pruner.h"
#include "tests/base/testing.h"

static ap_error failure;

static void must(ap_status st) {
  if (st) fail_msg("%s", failure.text);
}

static const ap_suite *suite_of(const char *name) {
  const ap_suite *suite = NULL;
  must(ap_suite_find(name, &suite, &failure));
  return suite;
}

/* "dense filter ..." of a suite. */
static void names_of(const ap_suite *suite, char text[1024]) {
  text[0] = 0;
  for (size_t i = 0; i < suite->n_methods; i++) {
    (void)snprintf(text + strlen(text), 1024 - strlen(text), "%s%s", i ? " " : "",
                   suite->methods[i].name);
  }
}

static void lists_are_read(void **state) {
  static const struct {
    const char *given, *expected;
  } cases[] = {
      {"filter", "dense filter"},
      {"dense", "dense"},
      {"lamp,dense,filter-l1", "dense lamp filter-l1"},
      {"auto-prune", "dense column-vector auto-prune"},
      {"random,pim-prune,macs-reward", "dense column-vector random pim-prune macs-reward"},
      {"auto-prune,column-vector", "dense column-vector auto-prune"},
      {NULL, "dense filter pim-prune row-vector column-vector random auto-prune"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    ap_suite chosen;
    char text[1024];
    must(ap_suite_choose(suite_of("quick"), cases[i].given, NULL, &chosen, &failure));
    names_of(&chosen, text);
    assert_string_equal(text, cases[i].expected);
    assert_int_equal(chosen.n_networks, suite_of("quick")->n_networks);
    assert_int_equal(chosen.tunings, suite_of("quick")->tunings);
    ap_suite_release(&chosen);
  }
}

static void networks_are_chosen(void **state) {
  ap_suite chosen;
  (void)state;
  must(ap_suite_choose(suite_of("quick"), NULL, "resnet8", &chosen, &failure));
  assert_int_equal(chosen.n_networks, 1);
  assert_string_equal(chosen.networks[0].network, "resnet8");
  ap_suite_release(&chosen);
  must(ap_suite_choose(suite_of("quick"), NULL, "resnet8,lenet5", &chosen, &failure));
  assert_int_equal(chosen.n_networks, 2);
  assert_string_equal(chosen.networks[1].network, "lenet5");
  ap_suite_release(&chosen);
}

static void bad_lists_are_refused(void **state) {
  static const char *const methods[] = {"filter,",  ",filter",       "filter,,lamp",
                                        "sculptor", "filter,filter", "auto-prune,auto-prune",
                                        "Filter",   "lamp "};
  static const char *const networks[] = {"lenet6", "lenet5,", "lenet5,lenet5", "lenet5,,resnet8"};
  (void)state;
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
    ap_suite chosen;
    assert_int_equal(ap_suite_choose(suite_of("quick"), methods[i], NULL, &chosen, &failure),
                     AP_ERR_ARG);
    assert_null(chosen.methods);
  }
  for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++) {
    ap_suite chosen;
    assert_int_equal(ap_suite_choose(suite_of("quick"), NULL, networks[i], &chosen, &failure),
                     AP_ERR_ARG);
    assert_null(chosen.networks);
  }
}

static void is_baseline(const ap_suite_method *m) {
  ap_suite_method found;
  ap_pruner a, b;
  must(ap_method_find(m->name, &found, &failure));
  must(ap_pruner_parse(m->pruner, &a, &failure));
  must(ap_pruner_parse(found.pruner, &b, &failure));
  assert_memory_equal(&a.granularity, &b.granularity, sizeof a.granularity);
  assert_string_equal(m->pruner, found.pruner); /* the same cells */
  assert_string_equal(m->searcher ? m->searcher : "", found.searcher ? found.searcher : "");
  assert_ptr_equal(m->reward, found.reward);
}

/* The suites' methods are the baselines of the same names. */
static void suites_are_of_baselines(void **state) {
  static const char *const suites[] = {"quick", "smoke", "paper"};
  (void)state;
  for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
    const ap_suite *suite = suite_of(suites[i]);
    assert_true(suite->n_methods >= AP_N_QUICK_METHODS);
    for (size_t k = 0; k < suite->n_methods; k++) is_baseline(&suite->methods[k]);
  }
}

static void out_of_memory(void **state) {
  bool done = false;
  const ap_suite *quick = suite_of("quick");
  (void)state;
  for (size_t n = 0; !done; n++) {
    ap_suite chosen;
    ap_status st;
    ap_alloc_fail_after(n);
    st = ap_suite_choose(quick, n % 2 ? "lamp" : NULL, "lenet5", &chosen, &failure);
    ap_alloc_fail_after(SIZE_MAX);
    assert_true(st == AP_OK || st == AP_ERR_MEMORY);
    done = st == AP_OK;
    if (!st) ap_suite_release(&chosen);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lists_are_read), cmocka_unit_test(networks_are_chosen),
      cmocka_unit_test(bad_lists_are_refused), cmocka_unit_test(suites_are_of_baselines),
      cmocka_unit_test(out_of_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
