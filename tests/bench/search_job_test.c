/* One search from model to files: what it writes, interrupted and killed runs that go on to the
 * same result, refusals. */
#include "bench/search_job.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "base/progress.h"
#include "pruners/policy.h"
#include "tests/bench/bench_testing.h"

#define EPISODES 150
#define PATIENCE_S 100.0 /* for the first saved state of a child */

static ap_network *net;
static ap_tech *tech;

static ap_search_job small_job(void) {
  ap_search_job job = ap_search_job_defaults();
  job.episodes = EPISODES;
  job.max_loss = 0.05;
  job.n_threads = 2;
  job.quiet = true;
  return job;
}

static int open_world(void **state) {
  if (open_images(state)) return -1;
  net = small_network(3);
  must(ap_tech_open("ou", &tech, &failure));
  must(ap_tech_override(tech, "array.rows", "27", &failure));
  must(ap_tech_override(tech, "array.cols", "16", &failure));
  return 0;
}

static int close_world(void **state) {
  ap_tech_close(tech);
  ap_network_destroy(net);
  return close_images(state);
}

static ap_status run_job(const ap_search_job *job, const char *dir, json_t **summary,
                         bool *feasible) {
  json_t *provenance = some_provenance();
  ap_status st =
      ap_search_job_run(job, net, images, tech, dir, provenance, summary, feasible, &failure);
  json_decref(provenance);
  return st;
}

static const char *in(const char *dir, const char *name) {
  static char paths[4][512];
  static unsigned next;
  char *path = paths[next++ % 4];
  (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
  return path;
}

/* Runs the job in a child process until it has saved a state, then sends it a signal. */
static int stop_half_way(const ap_search_job *job, const char *dir, int signal_number) {
  double start = ap_seconds();
  int state = 0;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    bool feasible;
    ap_interrupt_install();
    _exit((int)run_job(job, dir, NULL, &feasible));
  }
  while (!ap_file_exists(in(dir, "state"))) {
    struct timespec pause = {.tv_nsec = 1000000};
    (void)nanosleep(&pause, NULL);
    if (waitpid(child, &state, WNOHANG) != 0) fail_msg("it ended before it saved a state");
    if (ap_seconds() - start > PATIENCE_S) {
      (void)kill(child, SIGKILL);
      fail_msg("no state in %g s", PATIENCE_S);
    }
  }
  assert_int_equal(kill(child, signal_number), 0);
  assert_int_equal(waitpid(child, &state, 0), child);
  return state;
}

static double number_in(const json_t *summary, const char *part, const char *name) {
  const json_t *value = json_object_get(json_object_get(summary, part), name);
  assert_true(json_is_number(value));
  return json_number_value(value);
}

/* The effort of a search that went on: all of it. Only what its first process had in its cache is
 * evaluated again. */
static void same_effort(const json_t *resumed, const json_t *whole) {
  const double asked = number_in(whole, "evaluator", "candidates");
  const double hits = number_in(resumed, "evaluator", "cache_hits");
  const double one = number_in(whole, "evaluator", "image_forwards") /
                     (asked - number_in(whole, "evaluator", "cache_hits"));
  assert_true(asked == EPISODES + 1); /* and the dense network, once */
  assert_true(number_in(resumed, "evaluator", "candidates") == asked);
  assert_true(hits <= number_in(whole, "evaluator", "cache_hits"));
  assert_true(number_in(resumed, "evaluator", "image_forwards") == one * (asked - hits));
  assert_true(number_in(resumed, "seconds", "preparation") > 0);
}

/* The summary without what depends on the clock and on what was evaluated before. */
static void same_summary(const char *dir_a, const char *dir_b) {
  json_t *a = load_json(in(dir_a, "summary.json")), *b = load_json(in(dir_b, "summary.json"));
  same_effort(a, b);
  (void)json_object_del(a, "seconds");
  (void)json_object_del(b, "seconds");
  (void)json_object_del(a, "evaluator");
  (void)json_object_del(b, "evaluator");
  assert_true(json_equal(a, b));
  json_decref(a);
  json_decref(b);
}

static void same_text(const char *path_a, const char *path_b) {
  char *a = slurp(path_a), *b = slurp(path_b);
  assert_true(strlen(a) > 0);
  assert_string_equal(a, b);
  free(a);
  free(b);
}

/* First in the list: it forks while no thread runs. */
static void stopped_searches_go_on(void **state) {
  ap_search_job job = small_job();
  char dirs[3][128];
  bool feasible;
  int ended;
  (void)state;
  for (int i = 0; i < 3; i++) (void)snprintf(dirs[i], sizeof dirs[i], "%s/run%d", scratch, i);
  ended = stop_half_way(&job, dirs[0], SIGINT);
  assert_true(WIFEXITED(ended));
  assert_int_equal(WEXITSTATUS(ended), AP_ERR_INTERRUPTED);
  ended = stop_half_way(&job, dirs[1], SIGKILL);
  assert_true(WIFSIGNALED(ended));
  for (int i = 0; i < 2; i++) { /* nothing that looks finished; not begun anew by accident */
    assert_false(ap_file_exists(in(dirs[i], "summary.json")));
    assert_false(ap_file_exists(in(dirs[i], "policy.json")));
    assert_false(ap_file_exists(in(dirs[i], "episodes.csv")));
    assert_int_equal(run_job(&job, dirs[i], NULL, &feasible), AP_ERR_ARG);
    assert_non_null(strstr(failure.text, "--resume"));
  }
  must(run_job(&job, dirs[2], NULL, &feasible)); /* never stopped */
  job.resume = true;
  for (int i = 0; i < 2; i++) {
    must(run_job(&job, dirs[i], NULL, &feasible));
    same_text(in(dirs[i], "policy.json"), in(dirs[2], "policy.json"));
    same_text(in(dirs[i], "episodes.csv"), in(dirs[2], "episodes.csv"));
    same_summary(dirs[i], dirs[2]);
    assert_false(ap_file_exists(in(dirs[i], "state")));
  }
  for (int i = 0; i < 3; i++) remove_tree(dirs[i]);
}

static size_t lines_of(const char *path, size_t *comments) {
  char *text = slurp(path);
  size_t n = 0;
  *comments = 0;
  for (char *line = text; *line; line = strchr(line, '\n') + 1) {
    assert_non_null(strchr(line, '\n'));
    if (line[0] == '#') ++*comments;
    n++;
  }
  free(text);
  return n;
}

static void files_fit_together(void **state) {
  ap_search_job job = small_job();
  char dir[128];
  json_t *summary = NULL, *stored, *policy_file;
  const json_t *best;
  ap_policy *policy = NULL;
  ap_network *pruned = NULL;
  bool feasible, again;
  size_t comments;
  double loss;
  (void)state;
  (void)snprintf(dir, sizeof dir, "%s/files", scratch);
  job.searcher = "random";
  job.episodes = 40;
  must(run_job(&job, dir, &summary, &feasible));
  stored = load_json(in(dir, "summary.json"));
  assert_true(json_equal(stored, summary));
  assert_int_equal(json_integer_value(json_object_get(summary, "episodes")), 40);
  assert_int_equal(lines_of(in(dir, "episodes.csv"), &comments), 5 + 1 + 40);
  assert_int_equal(comments, 5); /* the provenance, the configuration and its hash */
  assert_int_equal(strlen(json_string_value(json_object_get(json_object_get(summary, "provenance"),
                                                            "configuration_sha256"))),
                   64);
  best = json_object_get(summary, "best_on_search_split");
  loss = json_number_value(json_object_get(best, "accuracy_loss"));
  assert_int_equal(feasible, loss <= job.max_loss + 1e-9);
  assert_int_equal(feasible, json_is_true(json_object_get(summary, "feasible")));
  policy_file = load_json(in(dir, "policy.json"));
  assert_non_null(json_object_get(policy_file, "provenance"));
  assert_true(json_equal(json_object_get(policy_file, "levels_hash"),
                         json_object_get(summary, "levels_hash")));
  must(ap_policy_load(in(dir, "policy.json"), &policy, &failure));
  must(ap_network_fold(net, &pruned, &failure));
  must(ap_policy_apply(policy, ap_tech_array(tech), pruned, &failure));

  /* finished results are kept, unless asked for; then they come out the same */
  assert_int_equal(run_job(&job, dir, NULL, &again), AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "summary.json exists"));
  job.resume = true;
  assert_int_equal(run_job(&job, dir, NULL, &again), AP_ERR_ARG);
  job.resume = false;
  job.force = true;
  job.n_threads = 1; /* nor do threads matter */
  {
    char *before = slurp(in(dir, "episodes.csv")), *after;
    must(run_job(&job, dir, NULL, &again));
    after = slurp(in(dir, "episodes.csv"));
    assert_string_equal(before, after);
    assert_int_equal(again, feasible);
    free(before);
    free(after);
  }
  ap_network_destroy(pruned);
  ap_policy_destroy(policy);
  json_decref(policy_file);
  json_decref(stored);
  json_decref(summary);
  remove_tree(dir);
}

static void budgets_hold(void **state) {
  ap_search_job job = small_job();
  char dir[128];
  json_t *summary = NULL;
  bool feasible;
  json_int_t n;
  (void)state;
  (void)snprintf(dir, sizeof dir, "%s/budget", scratch);
  job.searcher = "random";
  job.images = 5;
  job.budget = 5 * 12;
  must(run_job(&job, dir, &summary, &feasible));
  n = json_integer_value(json_object_get(summary, "episodes"));
  assert_true(n >= 1 && n <= 12);
  json_decref(summary);
  remove_tree(dir);
}

static void bad_wishes_are_refused(void **state) {
  char dir[128];
  (void)state;
  (void)snprintf(dir, sizeof dir, "%s/bad", scratch);
  for (int i = 0; i < 6; i++) {
    ap_search_job job = small_job();
    json_t *summary = NULL;
    bool feasible = true;
    if (i == 0) job.max_loss = -0.01;
    if (i == 1) job.max_loss = NAN;
    if (i == 2) job.searcher = "oracle";
    if (i == 3) job.reward = "gold";
    if (i == 4) job.backend = "abacus";
    if (i == 5) job.levels.max_levels = 1;
    assert_int_equal(run_job(&job, dir, &summary, &feasible), AP_ERR_ARG);
    assert_null(summary);
    assert_false(feasible);
    assert_false(ap_file_exists(in(dir, "summary.json")));
    assert_false(ap_file_exists(in(dir, "episodes.csv")));
    assert_int_equal(rmdir(dir), 0); /* empty */
  }
  {
    ap_search_job job = small_job();
    bool feasible;
    scratch_write("file", "x", 1);
    assert_int_equal(run_job(&job, scratch_path("file/dir"), NULL, &feasible), AP_ERR_IO);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(stopped_searches_go_on), cmocka_unit_test(files_fit_together),
      cmocka_unit_test(budgets_hold), cmocka_unit_test(bad_wishes_are_refused)};
  return cmocka_run_group_tests(tests, open_world, close_world);
}
