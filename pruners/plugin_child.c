/* A process of its own for code that is not ours: bounded in time, its faults told apart. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/progress.h"
#include "pruners/plugin_impl.h"

#define MAX_GUARDED 8
#define FIRST_PAUSE_NS 200000  /* between looks at the child: 0.2 ms ... */
#define LAST_PAUSE_NS 10000000 /* ... to 10 ms */

void *ap_child_share(size_t size) {
  void *p =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

void ap_child_unshare(void *shared, size_t size) {
  if (shared) (void)munmap(shared, size);
}

/* ---- in the child ---- */

typedef struct {
  char *begin, *end; /* of the data; a page on either side of its pages is out of bounds */
  char *low, *high;  /* all pages, those two included */
  const char *name;
} guarded_block;

/* Used by the child alone, which has one thread when it fills them. */
static guarded_block blocks[MAX_GUARDED];
static size_t n_blocks;
static ap_child_head *fault_head;

void *ap_child_guarded(size_t size, const char *name) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (size + page - 1) / page * page;
  char *p =
      mmap(NULL, inner + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  if (mprotect(p, page, PROT_NONE) || mprotect(p + page + inner, page, PROT_NONE)) return NULL;
  if (n_blocks < MAX_GUARDED) {
    blocks[n_blocks++] =
        (guarded_block){p + page + inner - size, p + page + inner, p, p + inner + 2 * page, name};
  }
  return p + page + inner - size;
}

void ap_child_make_read_only(void *guarded, size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (size + page - 1) / page * page;
  if (inner) (void)mprotect((char *)guarded + size - inner, inner, PROT_READ);
}

static void say(const char *what, const char *name) {
  char *at = fault_head->message, *last = at + sizeof fault_head->message - 1;
  while (*what && at < last) *at++ = *what++;
  while (*name && at < last) *at++ = *name++;
  *at = '\0';
}

/* Only stores: what may be called in a signal handler is little. */
static void on_fault(int number, siginfo_t *info, void *context) {
  const char *at = info->si_addr;
  (void)context;
  for (size_t i = 0; i < n_blocks; i++) {
    const guarded_block *b = &blocks[i];
    if (at < b->low || at >= b->high) continue;
    if (at >= b->end) {
      say("it went past the end of ", b->name);
    } else if (at < b->begin) {
      say("it went before the beginning of ", b->name);
    } else {
      say("it wrote to what is read only: ", b->name);
    }
    break;
  }
  (void)signal(number, SIG_DFL);
  (void)raise(number);
}

void ap_child_catch_faults(ap_child_head *head) {
  static char stack[65536]; /* a stack that overflowed cannot hold the handler */
  stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
  action.sa_sigaction = on_fault;
  fault_head = head;
  (void)sigaltstack(&other, NULL);
  (void)sigaction(SIGSEGV, &action, NULL);
  (void)sigaction(SIGBUS, &action, NULL);
}

void ap_child_give_up(ap_child_head *head, const char *format, ...) {
  va_list args;
  va_start(args, format);
  (void)vsnprintf(head->message, sizeof head->message, format, args);
  va_end(args);
  head->state = AP_CHILD_GAVE_UP;
}

static void settle(pid_t parent) {
  static const int ours[] = {SIGINT, SIGTERM, SIGABRT, SIGSEGV, SIGBUS,
                             SIGFPE, SIGILL,  SIGPIPE, SIGXFSZ, SIGCHLD};
  const struct rlimit none = {0, 0};
  sigset_t nothing;
  int empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
  (void)setpgid(0, 0);
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(99); /* it died in between */
  (void)setrlimit(RLIMIT_CORE, &none);
  for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) (void)signal(ours[i], SIG_DFL);
  (void)sigemptyset(&nothing);
  (void)sigprocmask(SIG_SETMASK, &nothing, NULL);
  if (empty >= 0) (void)dup2(empty, STDIN_FILENO);
  __fpurge(stdout); /* the parent's text is the parent's to write */
  (void)dup2(STDERR_FILENO, STDOUT_FILENO);
}

/* ---- in the parent ---- */

static bool has_ended(pid_t child) {
  siginfo_t info = {0};
  return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == child;
}

/* Waits; true when the time is over or the user has had enough. */
static bool wait_in_vain(pid_t child, double limit) {
  double end = ap_seconds() + limit;
  struct timespec pause = {0, FIRST_PAUSE_NS};
  while (!has_ended(child)) {
    if (ap_interrupted() || ap_seconds() > end) return true;
    (void)nanosleep(&pause, NULL);
    if (pause.tv_nsec < LAST_PAUSE_NS) pause.tv_nsec += pause.tv_nsec / 4;
  }
  return false;
}

ap_status ap_child_run(ap_child_head *head, double limit, ap_child_body *body, void *context,
                       ap_error *err) {
  pid_t parent = getpid(), child;
  int raw = 0;
  bool in_vain;
  head->state = AP_CHILD_BROKEN;
  head->message[0] = '\0';
  child = fork();
  if (child < 0) return ap_fail(err, AP_ERR_IO, "no process for it: %s", strerror(errno));
  if (child == 0) {
    settle(parent);
    body(context);
    (void)fflush(stdout);
    _exit(0); /* no exit handlers: they are the parent's */
  }
  (void)setpgid(child, child); /* whoever comes first */
  in_vain = wait_in_vain(child, limit);
  (void)kill(-child, SIGKILL); /* and whatever it has started */
  while (waitpid(child, &raw, 0) < 0) {
    if (errno != EINTR) return ap_fail(err, AP_ERR_IO, "waiting for it: %s", strerror(errno));
  }
  if (in_vain && ap_interrupted()) return ap_fail(err, AP_ERR_INTERRUPTED, "interrupted");
  if (in_vain) {
    return ap_fail(err, AP_ERR_PLUGIN, "%s: no answer within %g s%s, stopped", head->doing, limit,
                   head->limit_is_ours ? " (for loading; --plugin-timeout does not change it)"
                                       : " (--plugin-timeout allows more)");
  }
  if (WIFSIGNALED(raw)) {
    return ap_fail(err, AP_ERR_PLUGIN, "%s crashed: signal %d (%s)%s%s", head->doing, WTERMSIG(raw),
                   strsignal(WTERMSIG(raw)), head->message[0] ? ": " : "", head->message);
  }
  if (WEXITSTATUS(raw) != 0 || head->state == AP_CHILD_BROKEN) {
    return ap_fail(err, AP_ERR_PLUGIN,
                   head->is_program ? "%s ended with exit status %d, 0 is expected"
                                    : "%s ended the process with exit status %d, a return is "
                                      "expected",
                   head->doing, WEXITSTATUS(raw));
  }
  if (head->state == AP_CHILD_GAVE_UP) {
    return ap_fail(err, AP_ERR_PLUGIN, "%s", head->message);
  }
  return AP_OK;
}
