/* Progress lines in a log (stderr is a file here), silence when quiet, the interrupt flag. */
#include "base/progress.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
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

/* On a terminal of 40 columns: one line redrawn, never wrapped, a newline at the end only. */
static void test_terminal(void **state) {
  struct winsize size = {.ws_row = 24, .ws_col = 40};
  char text[8192];
  size_t used = 0, column = 0;
  int saved, terminal, ours = posix_openpt(O_RDWR | O_NOCTTY);
  (void)state;
  if (ours < 0 || grantpt(ours) != 0 || unlockpt(ours) != 0) skip(); /* no /dev/ptmx here */
  terminal = open(ptsname(ours), O_RDWR | O_NOCTTY);
  assert_true(terminal >= 0);
  assert_int_equal(ioctl(terminal, TIOCSWINSZ, &size), 0);
  saved = dup(STDERR_FILENO);
  assert_true(dup2(terminal, STDERR_FILENO) >= 0);
  {
    ap_progress *p = ap_progress_create("a rather long title", 4, false);
    ap_progress_set(p, 1, NULL);
    (void)usleep(110000);
    ap_progress_set(p, 3, "a note that does not fit any more");
    ap_progress_end(p);
  }
  assert_true(dup2(saved, STDERR_FILENO) >= 0);
  (void)close(saved);
  assert_int_equal(fcntl(ours, F_SETFL, O_NONBLOCK), 0);
  for (;;) {
    ssize_t got = read(ours, text + used, sizeof text - 1 - used);
    if (got <= 0) break;
    used += (size_t)got;
  }
  text[used] = '\0';
  (void)close(terminal);
  (void)close(ours);
  assert_non_null(strstr(text, "\ra rather long title [######"));
  assert_int_equal(text[used - 1], '\n');
  for (size_t i = 0; i + 2 < used; i++) { /* the terminal writes a newline as \r\n */
    assert_int_not_equal(text[i], '\n');
    column = text[i] == '\r' ? 0 : text[i] == '\x1b' ? column - 2 : column + 1;
    assert_true(column < 40 || column > SIZE_MAX - 4);
  }
}

static void resumed(void) {
  ap_progress *p = ap_progress_create("resumed", 1000, false);
  ap_progress_set(p, 900, NULL);
  ap_progress_end(p);
}

/* What was done before the interruption must not make the rest look fast, nor divide by zero. */
static void test_resumed(void **state) {
  char *text = capture(resumed);
  (void)state;
  assert_memory_equal(text, "resumed 900/1000  90%  0:00\n", 28);
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
      cmocka_unit_test(test_log_lines), cmocka_unit_test(test_terminal),
      cmocka_unit_test(test_resumed),   cmocka_unit_test(test_quiet),
      cmocka_unit_test(test_clock),     cmocka_unit_test(test_interrupt),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
