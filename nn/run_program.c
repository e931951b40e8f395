/* nn/run_program.c - another program, started without a shell. */
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nn/fetch_impl.h"

ap_status ap_run_program(const char *const *argv, bool *started, int *status, ap_error *err) {
  posix_spawn_file_actions_t actions;
  pid_t child;
  int raw = 0;
  *started = false;
  *status = -1;
  int code = posix_spawn_file_actions_init(&actions);
  if (code) return ap_fail(err, AP_ERR_MEMORY, "%s: %s", argv[0], strerror(code));
  code = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
  if (!code) code = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  /* posix_spawn takes char *const[], and changes nothing of it */
  if (!code)
    code = posix_spawnp(&child, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
  (void)posix_spawn_file_actions_destroy(&actions);
  if (code == ENOENT) return AP_OK;
  if (code) return ap_fail(err, AP_ERR_IO, "%s: cannot be started: %s", argv[0], strerror(code));
  *started = true;
  while (waitpid(child, &raw, 0) < 0) {
    if (errno != EINTR) return ap_fail(err, AP_ERR_IO, "%s: %s", argv[0], strerror(errno));
  }
  *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  return AP_OK;
}
