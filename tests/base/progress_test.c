/* Progress lines in a log (stderr is a file here), silence when quiet, the interrupt flag. */
#include "base/progress.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "tests/base/testing.h"

/* Runs `body` with stderr going to a file; its text, to be freed. */
static char *capture(void (*body)(void)) {
  char *text = NULL;
  size_t size = 0;
  int saved = dup(STDERR_FILENO);
  int fd = open(scratch_path("stderr"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(saved >= 0 && fd >= 0);
  (void)fflush(stderr);
  assert_true(dup2(fd, STDERR_FILENO) >= 0);
  body();
  (void)fflush(stderr);
  assert_true(dup2(saved, STDERR_FILENO) >= 0);
  (void)close(saved);
  (void)close(fd);
  assert_int_equal(ap_file_read(scratch_path("stderr"), 1 << 20, &text, &size, NULL), AP_OK);
  return text;
}

static void many_steps(void) {
  ap_progress *p = ap_progress_create("train", 1000, false);
  for (size_t i = 0; i <= 1000; i++) ap_progress_set(p, i, "loss 0.25");
  ap_progress_end(p);
}

static void unknown_total(void) {
  ap_progress *p = ap_progress_create("scan", 0, false);
  ap_progress_set(p, 17, NULL);
  ap_progress_end(p);
}

static void quiet(void) {
  ap_progress *p = ap_progress_create("quiet", 10, true);
  ap_progress_set(p, 1, "x");
  ap_progress_end(p);
}

static void test_log_lines(void **state) {
  char *text = capture(many_steps);
  (void)state;
  /* A thousand quick steps are one line; plain text without terminal controls. */
  assert_memory_equal(text, "train 1000/1000 100%", 20);
  assert_non_null(strstr(text, "loss 0.25\n"));
  assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
  assert_null(strpbrk(text, "\r\x1b"));
  ap_free(text);
  text = capture(unknown_total);
  assert_memory_equal(text, "scan 17 ", 8);
  ap_free(text);
}

static void test_quiet(void **state) {
  char *text = capture(quiet);
  (void)state;
  assert_string_equal(text, "");
  ap_free(text);
  assert_null(ap_progress_create("x", 1, true));
  ap_alloc_fail_after(0);
  assert_null(ap_progress_create("x", 1, false));
  ap_alloc_fail_after(SIZE_MAX);
}

static void test_clock(void **state) {
  double start = ap_seconds();
  (void)state;
  (void)usleep(20000);
  assert_true(ap_seconds() - start >= 0.0199);
  assert_true(ap_seconds() - start < 60);
}

/* The first signal sets the flag, the second ends the process with that signal. */
static void test_interrupt(void **state) {
  static const int signals[][2] = {{SIGINT, SIGINT}, {SIGTERM, SIGINT}, {SIGINT, SIGTERM}};
  (void)state;
  assert_false(ap_interrupted());
  for (size_t i = 0; i < 3; i++) {
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      ap_interrupt_install();
      if (ap_interrupted()) _exit(10);
      (void)raise(signals[i][0]);
      if (!ap_interrupted()) _exit(11);
      (void)raise(signals[i][1]);
      _exit(12); /* not reached */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), signals[i][1]);
  }
  assert_false(ap_interrupted());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_log_lines),
      cmocka_unit_test(test_quiet),
      cmocka_unit_test(test_clock),
      cmocka_unit_test(test_interrupt),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
