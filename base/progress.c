#include "base/progress.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

#define TERMINAL_SECONDS 0.1 /* between two pictures */
#define PLAIN_SECONDS 5.0    /* between two lines of a log */
#define BAR_CELLS 24

struct ap_progress {
  char title[48];
  char note[80];
  size_t total, done;
  size_t first; /* done before this run began: a resumed loop starts in the middle */
  double start, shown;
  bool terminal;
  bool begun; /* ap_progress_set was called */
};

double ap_seconds(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

ap_progress *ap_progress_create(const char *title, size_t total, bool quiet) {
  ap_progress *p = quiet ? NULL : ap_calloc(1, sizeof *p);
  if (!p) return NULL;
  (void)snprintf(p->title, sizeof p->title, "%s", title);
  p->total = total;
  p->terminal = isatty(STDERR_FILENO) == 1;
  p->start = ap_seconds();
  p->shown = p->start - (p->terminal ? TERMINAL_SECONDS : 0);
  return p;
}

/* "1:02:03" or "4:05". */
static void clock_text(double seconds, char text[24]) {
  unsigned long long s = seconds > 0 && seconds < 1e9 ? (unsigned long long)(seconds + 0.5) : 0;
  if (s >= 3600) {
    (void)snprintf(text, 24, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
  } else {
    (void)snprintf(text, 24, "%llu:%02llu", s / 60, s % 60);
  }
}

static void show(ap_progress *p, double now, bool last) {
  char line[320], bar[BAR_CELLS + 1] = "", used[24], left[24] = "";
  size_t columns = 80, length;
  double part = p->total > 0 ? (double)p->done / (double)p->total : 0;
  if (part > 1) part = 1;
  clock_text(now - p->start, used);
  if (p->done > p->first && p->done < p->total && !last) {
    clock_text((now - p->start) * (double)(p->total - p->done) / (double)(p->done - p->first),
               left);
  }
  if (p->total > 0) {
    for (size_t i = 0; i < BAR_CELLS; i++) {
      bar[i] = (double)i + 0.5 < part * BAR_CELLS ? '#' : '.';
    }
    (void)snprintf(line, sizeof line, "%s %s%s%s%zu/%zu %3.0f%%  %s%s%s%s%s", p->title,
                   p->terminal ? "[" : "", p->terminal ? bar : "", p->terminal ? "] " : "", p->done,
                   p->total, floor(100 * part), used, left[0] ? ", left " : "", left,
                   p->note[0] ? "  " : "", p->note);
  } else {
    (void)snprintf(line, sizeof line, "%s %zu  %s%s%s", p->title, p->done, used,
                   p->note[0] ? "  " : "", p->note);
  }
  if (p->terminal) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1) columns = size.ws_col;
    length = strlen(line);
    if (length > columns - 1) line[columns - 1] = '\0'; /* a wrapped line cannot be redrawn */
    (void)fprintf(stderr, "\r%s\x1b[K%s", line, last ? "\n" : "");
  } else {
    (void)fprintf(stderr, "%s\n", line);
  }
  (void)fflush(stderr);
  p->shown = now;
}

void ap_progress_set(ap_progress *progress, size_t done, const char *note) {
  double now;
  if (!progress) return;
  progress->done = done;
  if (!progress->begun) progress->first = done > 1 ? done : 0;
  progress->begun = true;
  (void)snprintf(progress->note, sizeof progress->note, "%s", note ? note : "");
  now = ap_seconds();
  if (now - progress->shown < (progress->terminal ? TERMINAL_SECONDS : PLAIN_SECONDS)) {
    return;
  }
  show(progress, now, false);
}

void ap_progress_end(ap_progress *progress) {
  if (!progress) return;
  show(progress, ap_seconds(), true);
  ap_free(progress);
}

/* Set by a signal, read by loops on any thread: the one flag that has to be global. */
static atomic_int interrupted;

static void on_signal(int number) {
  if (atomic_exchange(&interrupted, 1)) {
    (void)signal(number, SIG_DFL);
    (void)raise(number); /* taken when this handler returns */
  }
}

void ap_interrupt_install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  (void)sigemptyset(&action.sa_mask);
  (void)sigaction(SIGINT, &action, NULL);
  (void)sigaction(SIGTERM, &action, NULL);
}

bool ap_interrupted(void) { return atomic_load(&interrupted) != 0; }
