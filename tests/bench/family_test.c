/* Families of policies, the bisection along them, the workbench and the suites, on a small network
 * and images made here. */
#include <math.h>

#include "bench/bisect_impl.h"
#include "bench/family_impl.h"
#include "bench/suite_impl.h"
#include "tests/bench/world_testing.h"

/* What holds for every family: the first keeps everything, crossbars fall, and crossbars and
 * accuracy are those of the levels. */
static void check_family(const world *w, const ap_family *f) {
  size_t layers = ap_level_db_layers(w->db);
  uint32_t *numbers = ap_calloc(layers, sizeof *numbers);
  assert_true(f->n >= 2);
  assert_int_equal(f->n_layers, layers);
  for (size_t l = 0; l < layers; l++) {
    assert_int_equal(f->levels[l], ap_level_db_levels(w->db, l) - 1);
  }
  for (size_t i = 0; i < f->n; i++) {
    double crossbars = 0;
    ap_score score;
    for (size_t l = 0; l < layers; l++) {
      uint32_t level = f->levels[i * layers + l];
      assert_true(level < ap_level_db_levels(w->db, l));
      crossbars += (double)ap_level_db_level(w->db, l, level)->map.crossbars;
      numbers[l] = level + 1;
    }
    must(ap_evaluator_run(w->ev, 1, numbers, &score, &failure));
    assert_true(f->crossbars[i] == crossbars);
    assert_true(f->accuracy[i] == score.accuracy);
    if (i > 0) assert_true(f->crossbars[i] < f->crossbars[i - 1]);
  }
  ap_free(numbers);
}

static void uniform_families(void **state) {
  static const char *const pruners[] = {"column-vector", "row-vector", "filter", "block"};
  (void)state;
  for (size_t p = 0; p < 4; p++) {
    world w;
    ap_family f;
    open_world(&w, pruners[p], p % 2 == 0);
    must(ap_family_uniform(w.db, w.ev, &f, &failure));
    check_family(&w, &f);
    for (size_t i = 1; i < f.n; i++) {
      for (size_t l = 0; l < f.n_layers; l++) {
        assert_true(f.levels[i * f.n_layers + l] <= f.levels[(i - 1) * f.n_layers + l]);
      }
    }
    for (size_t l = 0; l < f.n_layers; l++) { /* the heaviest is as heavy as levels get */
      assert_int_equal(f.levels[(f.n - 1) * f.n_layers + l], 0);
    }
    ap_family_release(&f);
    close_world(&w);
  }
}

/* Levels that a threshold gives by plain counting. */
static bool threshold_gives(const world *w, double threshold, const uint32_t *levels) {
  for (size_t l = 0; l < ap_level_db_layers(w->db); l++) {
    size_t n = ap_level_db_vectors(w->db, l), kept = 0;
    double *score = ap_calloc(n, sizeof *score);
    must(ap_level_db_scores(w->db, l, score, &failure));
    for (size_t i = 0; i < n; i++) kept += score[i] >= threshold;
    ap_free(score);
    if (ap_level_db_find(w->db, l, (double)kept / (double)n) != levels[l]) return false;
  }
  return true;
}

/* Is there a score that, as a threshold, leaves these levels? */
static bool some_threshold_gives(const world *w, const uint32_t *levels) {
  bool found = threshold_gives(w, 0, levels) || threshold_gives(w, INFINITY, levels);
  for (size_t l = 0; l < ap_level_db_layers(w->db) && !found; l++) {
    size_t n = ap_level_db_vectors(w->db, l);
    double *score = ap_calloc(n, sizeof *score);
    must(ap_level_db_scores(w->db, l, score, &failure));
    for (size_t v = 0; v < n && !found; v++) found = threshold_gives(w, score[v], levels);
    ap_free(score);
  }
  return found;
}

/* Every policy of a global family is what one threshold leaves, and thresholds rise along it. */
static void global_families(void **state) {
  static const char *const pruners[] = {"column-vector", "column-vector+lamp", "row-vector+l1",
                                        "filter", "block"};
  (void)state;
  for (size_t p = 0; p < sizeof pruners / sizeof pruners[0]; p++) {
    world w;
    ap_family f;
    size_t stay = 0;
    open_world(&w, pruners[p], p % 2 == 0);
    must(ap_family_global(w.db, w.ev, &f, &failure));
    check_family(&w, &f);
    for (size_t i = 0; i < f.n; i++) {
      const uint32_t *levels = f.levels + i * f.n_layers;
      assert_true(some_threshold_gives(&w, levels));
      for (size_t l = 0; i > 0 && l < f.n_layers; l++) {
        assert_true(levels[l] <= levels[l - f.n_layers]);
        stay += levels[l] == levels[l - f.n_layers];
      }
    }
    assert_true(stay > 0); /* not all layers move together */
    ap_family_release(&f);
    close_world(&w);
  }
}

/* Columns of an episode's row: family_impl.h. */
static double column(const json_t *episodes, size_t row, size_t c) {
  return json_number_value(json_array_get(json_array_get(episodes, row), c));
}

/* Is `row` the policy `of`, less pruned by one factor for all layers? */
static bool is_relaxed(const world *w, const uint32_t *row, const uint32_t *of) {
  size_t layers = ap_level_db_layers(w->db);
  for (size_t step = 1; step < 64; step++) {
    bool same = true;
    for (size_t l = 0; l < layers && same; l++) {
      double pruned = 1 - ap_level_db_level(w->db, l, of[l])->keep;
      same = row[l] == ap_level_db_find(w->db, l, 1 - pruned * (double)step / 64);
    }
    if (same && memcmp(row, of, layers * sizeof *row) != 0) return true;
  }
  return false;
}

static void searched_families(void **state) {
  static const char *const searchers[] = {"random", "ddpg"};
  (void)state;
  for (size_t s = 0; s < 2; s++) {
    ap_family_search search = {
        .searcher = searchers[s], .episodes = 30, .max_loss = 0.05, .seed = 9, .quiet = true};
    world w;
    ap_family f, again;
    size_t filled = 0;
    json_t *episodes = NULL, *seconds = NULL, *episodes2 = NULL, *seconds2 = NULL;
    open_world(&w, "column-vector", true);
    must(ap_family_searched(w.db, w.ev, &search, &f, &episodes, &seconds, &failure));
    check_family(&w, &f);
    assert_int_equal(json_array_size(episodes), 30);
    assert_true(json_is_number(json_object_get(seconds, "agent")));
    assert_true(json_is_number(json_object_get(seconds, "evaluator")));
    for (size_t i = 1; i < f.n; i++) { /* on the front of what was evaluated */
      bool found = false;
      const uint32_t *row = f.levels + i * f.n_layers;
      for (size_t later = i + 1; later < f.n && !found; later++) { /* or filled in before one */
        found = is_relaxed(&w, row, f.levels + later * f.n_layers);
      }
      filled += found;
      if (found) continue;
      for (size_t e = 0; e < 30; e++) {
        double accuracy = column(episodes, e, 2), crossbars = column(episodes, e, 5);
        assert_int_equal(json_array_size(json_array_get(episodes, e)), 10);
        assert_true(column(episodes, e, 0) == (double)e);
        found = found || (accuracy == f.accuracy[i] && crossbars == f.crossbars[i]);
        assert_false(accuracy >= f.accuracy[i] && crossbars < f.crossbars[i]);
        assert_false(accuracy > f.accuracy[i] && crossbars <= f.crossbars[i]);
      }
      assert_true(found);
    }
    assert_true(filled > 0);
    must(ap_family_searched(w.db, w.ev, &search, &again, &episodes2, &seconds2, &failure));
    assert_true(json_equal(episodes, episodes2));
    assert_int_equal(again.n, f.n);
    assert_memory_equal(again.levels, f.levels, f.n * f.n_layers * sizeof *f.levels);
    json_decref(episodes);
    json_decref(seconds);
    json_decref(episodes2);
    json_decref(seconds2);
    ap_family_release(&f);
    ap_family_release(&again);
    search.searcher = "oracle";
    assert_int_equal(ap_family_searched(w.db, w.ev, &search, &f, &episodes, &seconds, &failure),
                     AP_ERR_ARG);
    assert_null(episodes);
    search.searcher = searchers[s];
    search.max_loss = -1;
    assert_int_equal(ap_family_searched(w.db, w.ev, &search, &f, &episodes, &seconds, &failure),
                     AP_ERR_ARG);
    close_world(&w);
  }
}

/* A search by multiply-accumulates: its family is recounted in crossbars like any other. */
static void families_of_macs(void **state) {
  static const char *const rewards[] = {"macs", "amc-macs"};
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    ap_family_search search = {.searcher = "ddpg",
                               .reward = rewards[i],
                               .episodes = 30,
                               .max_loss = 0.05,
                               .seed = 9,
                               .quiet = true};
    world w;
    ap_family f;
    json_t *episodes = NULL, *seconds = NULL;
    double dense;
    open_world(&w, "column-vector", true);
    dense = ap_level_db_dense_crossbars(w.db);
    must(ap_family_searched(w.db, w.ev, &search, &f, &episodes, &seconds, &failure));
    check_family(&w, &f);
    for (size_t e = 0; e < 30; e++) { /* told in crossbars */
      assert_true(fabs(column(episodes, e, 4) * column(episodes, e, 5) - dense) < 1e-9 * dense);
    }
    ap_family_release(&f);
    json_decref(episodes);
    json_decref(seconds);
    search.reward = "applause";
    assert_int_equal(ap_family_searched(w.db, w.ev, &search, &f, &episodes, &seconds, &failure),
                     AP_ERR_ARG);
    close_world(&w);
  }
}

static double logged(const ap_bisection *b, size_t i, const char *member) {
  return json_number_value(json_object_get(json_array_get(b->log, i), member));
}

/* With a short training and without, limits that everything, nothing and some policies meet. */
static void bisection_halves(void **state) {
  static const double limits[] = {2, -2, 0.02};
  static const size_t tunings[] = {1, 3, 40};
  ap_suite_network entry = {.network = "small", .data = "images", .tune_lr = 0.01};
  bool tunes;
  ap_suite_method method = {.name = "test", .pruner = "column-vector", .searcher = "uniform"};
  world w;
  ap_family f;
  ap_score dense;
  (void)state;
  open_world(&w, "column-vector", true);
  must(ap_family_uniform(w.db, w.ev, &f, &failure));
  must(ap_workbench_score(w.bench, w.net, AP_SPLIT_SELECTION, &dense, &failure));
  for (size_t c = 0; c < 12; c++) {
    ap_suite suite = {.tunings = tunings[c / 3 % 3]};
    double limit = limits[c % 3];
    ap_cell cell = {.suite = &suite,
                    .network = &entry,
                    .method = &method,
                    .bench = w.bench,
                    .max_loss = limit,
                    .seed = 1,
                    .quiet = true};
    double lightest = f.crossbars[0], heaviest = -1; /* known to pass, known to fail */
    ap_bisection b;
    ap_score score;
    size_t n;
    tunes = c < 9;
    entry.tune_epochs = tunes ? 0.05 : 0;
    must(ap_bisect(&cell, w.db, &f, dense.accuracy, &b, &failure));
    n = json_array_size(b.log);
    assert_true(n >= 1);
    for (size_t i = 0, tuned = 0; i < n; i++) {
      double oneshot = logged(&b, i, "oneshot_accuracy_selection");
      double repaired = logged(&b, i, "repaired_accuracy_selection");
      const json_t *after = json_object_get(json_array_get(b.log, i), "tuned_accuracy_selection");
      double best = fmax(oneshot, repaired);
      assert_int_equal(json_is_null(after), !tunes || dense.accuracy - best <= limit + 1e-9);
      assert_true(tuned < suite.tunings); /* before each of them */
      tuned += json_is_number(after);
      if (json_is_number(after)) best = fmax(best, json_number_value(after));
      assert_true(best == logged(&b, i, "accuracy_selection"));
      bool accepted = json_is_true(json_object_get(json_array_get(b.log, i), "accepted"));
      double crossbars = logged(&b, i, "crossbars");
      assert_int_equal(accepted,
                       dense.accuracy - logged(&b, i, "accuracy_selection") <= limit + 1e-9);
      assert_true(crossbars < lightest && crossbars > heaviest);
      if (accepted) lightest = crossbars;
      if (!accepted) heaviest = crossbars;
    }
    assert_true(f.crossbars[b.chosen] == lightest);
    if (limit < -1) assert_int_equal(b.chosen, 0);
    if (limit > 1 && suite.tunings == 40) assert_int_equal(b.chosen, f.n - 1);
    if (limit < 1 && limit > 0 && (suite.tunings == 40 || !tunes)) { /* searched to the end */
      assert_true(b.chosen == f.n - 1 || f.crossbars[b.chosen + 1] == heaviest);
    }
    assert_non_null(b.deployed);
    must(ap_workbench_score(w.bench, b.deployed, AP_SPLIT_SELECTION, &score, &failure));
    for (size_t i = n; b.chosen > 0 && i-- > 0;) { /* the deployed one is the accepted one */
      if (logged(&b, i, "crossbars") != lightest) continue;
      assert_true(logged(&b, i, "accuracy_selection") == score.accuracy);
    }
    if (b.chosen == 0) assert_true(b.oneshot_selection == score.accuracy);
    ap_bisection_release(&b);
  }
  ap_family_release(&f);
  close_world(&w);
}

static void workbench_refuses_other_shapes(void **state) {
  static const ap_shape3 shapes[] = {{1, SIDE, SIDE + 1}, {1, SIDE + 1, SIDE}, {3, SIDE, SIDE}};
  ap_workbench *bench;
  ap_network *net;
  ap_tech *tech = NULL;
  (void)state;
  must(ap_tech_open("ou", &tech, &failure));
  for (size_t i = 0; i < 4; i++) {
    size_t classes = i == 3 ? 7 : 10, at;
    must(ap_network_create("odd", i < 3 ? shapes[i] : (ap_shape3){1, SIDE, SIDE}, &net, &failure));
    at = put_plain(net, AP_NODE_FLATTEN, 0);
    (void)put_linear(net, classes, true, at);
    net->classes = classes;
    assert_int_equal(ap_workbench_open(net, images, tech, "cpu", 1, &bench, &failure), AP_ERR_ARG);
    assert_null(bench);
    assert_non_null(strstr(failure.text, "odd takes"));
    ap_network_destroy(net);
  }
  net = small_network(1);
  assert_int_equal(ap_workbench_open(net, images, tech, "abacus", 1, &bench, &failure), AP_ERR_ARG);
  assert_null(bench);
  ap_network_destroy(net);
  ap_tech_close(tech);
}

/* The evaluator's all-kept candidate and the executor's run of the deployed network agree. */
static void scores_agree(void **state) {
  uint32_t numbers[8];
  ap_score by_evaluator, by_executor;
  ap_evaluator *ev = NULL;
  world w;
  (void)state;
  open_world(&w, "column-vector", true);
  must(ap_workbench_evaluator(w.bench, w.db, AP_SPLIT_TEST, 0, true, &ev, &failure));
  memset(numbers, 0, sizeof numbers); /* level 0: the folded network */
  must(ap_evaluator_run(ev, 1, numbers, &by_evaluator, &failure));
  must(ap_workbench_score(w.bench, w.net, AP_SPLIT_TEST, &by_executor, &failure));
  assert_true(by_evaluator.accuracy == by_executor.accuracy);
  assert_true(fabs(by_evaluator.loss - by_executor.loss) < 1e-4);
  ap_evaluator_destroy(ev);
  close_world(&w);
}

static void suites_by_name(void **state) {
  static const char *const names[] = {"quick", "paper", "smoke"};
  const ap_suite *suite;
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    must(ap_suite_find(names[i], &suite, &failure));
    assert_string_equal(suite->name, names[i]);
    assert_string_equal(suite->methods[0].name, "dense");
    assert_null(suite->methods[0].searcher);
    assert_true(suite->seeds > 0 && suite->tunings > 0 && suite->max_loss > 0);
    for (size_t n = 0; n < suite->n_networks; n++) {
      ap_train_options recipe = ap_suite_recovery(&suite->networks[n], images, 77);
      assert_true(recipe.epochs == suite->networks[n].tune_epochs);
      assert_true(recipe.lr == suite->networks[n].tune_lr);
      assert_int_equal(recipe.seed, 77);
      recipe = ap_suite_training(&suite->networks[n], images);
      assert_true(recipe.epochs == suite->networks[n].train_epochs);
      assert_true(suite->networks[n].episodes > 0);
      assert_true(suite->networks[n].uniform_seconds > 0); /* or no time is left to say */
      assert_true(suite->networks[n].search_seconds > 0);
    }
  }
  assert_int_equal(ap_suite_find("everything", &suite, &failure), AP_ERR_ARG);
  assert_null(suite);
  assert_non_null(strstr(failure.text, "quick, paper, smoke"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(global_families),  cmocka_unit_test(families_of_macs),
      cmocka_unit_test(uniform_families), cmocka_unit_test(searched_families),
      cmocka_unit_test(bisection_halves), cmocka_unit_test(workbench_refuses_other_shapes),
      cmocka_unit_test(scores_agree),     cmocka_unit_test(suites_by_name)};
  return cmocka_run_group_tests(tests, open_images, close_images);
}
