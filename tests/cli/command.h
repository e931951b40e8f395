/* tests/cli/command.h - runs the autoprune program as a user would: words in, status and texts
 * out. Every test program works in a scratch folder of its own, which is its current folder. */
#ifndef AP_TESTS_CLI_COMMAND_H
#define AP_TESTS_CLI_COMMAND_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* after the four above, which it does not include itself */
#include <cmocka.h>
#include <jansson.h>
#include <sys/types.h>

/* Makes and enters the scratch folder; removes it. For cmocka_run_group_tests. */
int command_setup(void **state);
int command_teardown(void **state);

typedef struct {
  int status; /* exit status; 128 + signal when killed */
  char *out, *err;
} command_result;

typedef struct {
  const char *stdout_to;  /* NULL: kept in result.out; else a file such as /dev/full */
  long file_limit;        /* bytes a file may have; 0: no limit */
  const char *kill_after; /* once this file exists ... */
  int kill_signal;        /* ... this signal is sent */
} command_how;

/* Words end with a NULL; the program's name is put before them. */
command_result command_run(const command_how *how, const char *const *words);
void command_release(command_result *result);
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Status 0 (or `status`), nothing but one JSON document on stdout; a new reference. */
json_t *command_json(int status, const char *const *words);
/* Status 0. */
void command_good(const char *const *words);
/* Status 2, nothing on stdout, exactly one line on stderr that begins with "autoprune " and the
 * command (if there is one) and holds `says`; no temporary file is left. */
void command_bad(const char *says, const char *const *words);
void command_bad_how(const command_how *how, const char *says, const char *const *words);

/* Files of the scratch folder (and its folders) whose name ends so. */
size_t command_count_files(const char *ending);
void command_write(const char *path, const void *data, size_t size);
/* A folder of IDX files: n_train and n_test images of 28 x 28 with 10 classes that are easy to tell
 * apart; always the same. */
void command_write_images(const char *dir, size_t n_train, size_t n_test);

#endif
