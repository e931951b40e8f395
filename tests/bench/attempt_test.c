/* One policy's recovery: its stages, what is kept of it, and that it can be made again. */
#include <math.h>
#include <unistd.h>

#include "base/hash.h"
#include "bench/attempt_impl.h"
#include "pruners/recover.h"
#include "tests/bench/world_testing.h"

typedef struct {
  world w;
  ap_suite suite;
  ap_suite_network entry;
  ap_suite_method method;
  ap_cell cell;
  json_t *config;
  uint32_t *levels;
  char folder[64];
} bench_of_one;

/* `keep` of every layer's vectors stay. */
static void open_bench(bench_of_one *b, const char *pruner, double keep, double epochs) {
  memset(b, 0, sizeof *b);
  open_world(&b->w, pruner, true);
  b->suite.tunings = 3;
  b->entry = (ap_suite_network){
      .network = "small", .data = "images", .tune_lr = 0.05, .tune_epochs = epochs};
  b->method = (ap_suite_method){.name = "test", .pruner = pruner, .searcher = "uniform"};
  b->config = json_pack("{s:s, s:f}", "network", "small", "max_loss", 0.01);
  (void)snprintf(b->folder, sizeof b->folder, "/tmp/ap_attempt_%d", (int)getpid());
  b->cell = (ap_cell){.suite = &b->suite,
                      .network = &b->entry,
                      .method = &b->method,
                      .bench = b->w.bench,
                      .seed = 1,
                      .tunings_folder = b->folder,
                      .config = b->config,
                      .quiet = true};
  b->levels = ap_calloc(ap_level_db_layers(b->w.db), sizeof *b->levels);
  for (size_t l = 0; l < ap_level_db_layers(b->w.db); l++) {
    b->levels[l] = (uint32_t)ap_level_db_find(b->w.db, l, keep);
  }
}

static void close_bench(bench_of_one *b) {
  if (access(b->folder, F_OK) == 0) remove_tree(b->folder);
  ap_free(b->levels);
  json_decref(b->config);
  close_world(&b->w);
}

static double selection(const bench_of_one *b, const ap_network *net) {
  ap_score score;
  must(ap_workbench_score(b->w.bench, net, AP_SPLIT_SELECTION, &score, &failure));
  return score.accuracy;
}

static void must_make(const bench_of_one *b, double needed, ap_attempt *out) {
  must(ap_attempt_make(&b->cell, b->w.db, b->levels, needed, "test", out, &failure));
}

/* Each stage's accuracy is that of the network made by hand; the best network is the one that stays. */
static void stages(void **state) {
  static const char *const pruners[] = {"column-vector", "filter", "block", "bit-column"};
  (void)state;
  for (size_t p = 0; p < 4; p++) {
    bench_of_one b;
    ap_attempt lazy, whole;
    ap_network *oneshot, *repaired, *deployed;
    open_bench(&b, pruners[p], 0.4, 2);
    b.cell.tunings_folder = NULL;
    must_make(&b, -1, &lazy); /* anything will do */
    assert_true(isnan(lazy.accuracy.tuned));
    must(ap_deploy_levels(ap_workbench_folded(b.w.bench), b.w.db, b.levels, &oneshot, &failure));
    must(ap_workbench_repair_sequence(b.w.bench, b.w.db, b.levels, &repaired, &failure));
    must(ap_deploy_network(repaired, b.w.db, b.levels, 8, &deployed, &failure));
    assert_true(lazy.accuracy.oneshot == selection(&b, oneshot));
    assert_true(lazy.accuracy.repaired == selection(&b, deployed));
    assert_true(selection(&b, lazy.net) == ap_tuning_best(&lazy.accuracy));
    must_make(&b, 2, &whole); /* nothing will */
    assert_true(whole.accuracy.oneshot == lazy.accuracy.oneshot);
    assert_true(whole.accuracy.repaired == lazy.accuracy.repaired);
    assert_true(isfinite(whole.accuracy.tuned) != 0);
    assert_true(selection(&b, whole.net) == ap_tuning_best(&whole.accuracy));
    assert_true(ap_tuning_best(&whole.accuracy) >= ap_tuning_best(&lazy.accuracy));
    ap_network_destroy(oneshot);
    ap_network_destroy(repaired);
    ap_network_destroy(deployed);
    ap_attempt_release(&lazy);
    ap_attempt_release(&whole);
    close_bench(&b);
  }
}

static void assert_same_network(const ap_network *a, const ap_network *b) {
  char one[AP_SHA256_TEXT], two[AP_SHA256_TEXT];
  must(ap_network_hash(a, one, &failure));
  must(ap_network_hash(b, two, &failure));
  assert_string_equal(one, two);
}

/* A kept recovery is taken as it is, goes on where another limit asks for more, and its network is made
 * again where it is gone. */
static void kept(void **state) {
  (void)state;
  static const double epochs[] = {0.05, 2}; /* tuned networks that are worse, and better */
  for (size_t e = 0; e < 2; e++) {
    bench_of_one b;
    ap_attempt first, second, third;
    ap_network *net, *again;
    open_bench(&b, "column-vector", 0.3, epochs[e]);
    must_make(&b, -1, &first);
    must_make(&b, -1, &second);
    assert_null(second.net); /* nothing was computed */
    assert_true(second.accuracy.repaired == first.accuracy.repaired);
    assert_true(isnan(second.accuracy.tuned));
    must(ap_attempt_network(&b.cell, b.w.db, b.levels, "test", &second, &net, &failure));
    assert_same_network(net, first.net);
    ap_network_destroy(net);
    ap_attempt_release(&second);
    must_make(&b, 2, &second); /* only the second stage */
    assert_true(isfinite(second.accuracy.tuned) != 0);
    must_make(&b, 2, &third);
    assert_null(third.net);
    assert_true(third.accuracy.tuned == second.accuracy.tuned);
    must(ap_attempt_network(&b.cell, b.w.db, b.levels, "test", &third, &net, &failure));
    assert_true(selection(&b, net) == ap_tuning_best(&third.accuracy));
    ap_attempt_release(&third);
    must_make(&b, 2, &third);
    ap_tuning_forget_network(&third.kept);
    must(ap_attempt_network(&b.cell, b.w.db, b.levels, "test", &third, &again, &failure));
    assert_same_network(net, again);
    ap_network_destroy(net);
    ap_network_destroy(again);
    ap_attempt_release(&third);
    /* a looser limit has no use for the fine-tuning, and is not charged one */
    must_make(&b, -1, &third);
    assert_null(third.net);
    assert_true(isnan(third.accuracy.tuned) && third.accuracy.repaired == first.accuracy.repaired);
    must(ap_attempt_network(&b.cell, b.w.db, b.levels, "test", &third, &net, &failure));
    assert_same_network(net, first.net);
    ap_network_destroy(net);
    ap_attempt_release(&first);
    ap_attempt_release(&second);
    ap_attempt_release(&third);
    close_bench(&b);
  }
}

/* 0 epochs: repair is all, whatever is needed, and all seeds share it. */
static void without_fine_tuning(void **state) {
  bench_of_one b;
  ap_attempt first, second, third;
  (void)state;
  open_bench(&b, "column-vector", 0.3, 0);
  (void)json_object_set_new(b.config, "seed", json_integer(1));
  must_make(&b, 2, &first); /* nothing will do */
  assert_true(isnan(first.accuracy.tuned));
  assert_true(selection(&b, first.net) == ap_tuning_best(&first.accuracy));
  must_make(&b, 2, &second);
  assert_null(second.net); /* nothing was computed */
  assert_true(second.accuracy.repaired == first.accuracy.repaired);
  (void)json_object_set_new(b.config, "seed", json_integer(2));
  b.cell.seed = 2;
  must_make(&b, 2, &third);
  assert_null(third.net);
  assert_string_equal(third.kept.json_path, first.kept.json_path);
  ap_attempt_release(&first);
  ap_attempt_release(&second);
  ap_attempt_release(&third);
  close_bench(&b);
}

/* Damaged files, and those of other settings, are not taken. */
static void foreign_files(void **state) {
  bench_of_one b;
  ap_attempt made;
  ap_tuning_accuracy known;
  FILE *file;
  (void)state;
  open_bench(&b, "column-vector", 0.5, 0);
  must_make(&b, -1, &made);
  assert_true(ap_tuning_known(&made.kept, &known));
  file = fopen(made.kept.json_path, "r+b");
  assert_non_null(file);
  assert_int_equal(fputc('?', file), '?');
  assert_int_equal(fclose(file), 0);
  assert_false(ap_tuning_known(&made.kept, &known));
  assert_int_equal(truncate(made.kept.network_path, 40), 0);
  assert_null(ap_tuning_network(&made.kept));
  ap_attempt_release(&made);
  must_make(&b, -1, &made); /* both anew */
  assert_non_null(made.net);
  assert_true(ap_tuning_known(&made.kept, &known));
  ap_attempt_release(&made);
  assert_int_equal(json_object_set_new(b.config, "network", json_string("other")), 0);
  must_make(&b, -1, &made);
  assert_non_null(made.net);
  ap_attempt_release(&made);
  assert_int_equal(json_object_set_new(b.config, "max_loss", json_real(0.05)), 0);
  must_make(&b, -1, &made); /* the limit alone makes no difference */
  assert_null(made.net);
  ap_attempt_release(&made);
  close_bench(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(stages),
      cmocka_unit_test(kept),
      cmocka_unit_test(without_fine_tuning),
      cmocka_unit_test(foreign_files),
  };
  return cmocka_run_group_tests_name("bench.attempt", tests, open_images, close_images);
}
