/* cli/options.h - the command line of every subcommand: one table of options gives the parser
 * (getopt_long, so GNU style), the help and the error texts. */
#ifndef AP_CLI_OPTIONS_H
#define AP_CLI_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

#define AP_CLI_MAX_LIST 64

typedef enum {
  AP_OPTION_FLAG,   /* target: bool, set to true */
  AP_OPTION_TEXT,   /* const char *, not empty */
  AP_OPTION_MAYBE,  /* const char *; --name alone gives "", --name=TEXT the text */
  AP_OPTION_SIZE,   /* size_t within lo..hi */
  AP_OPTION_NUMBER, /* double within lo..hi, finite */
  AP_OPTION_SEED,   /* uint64_t */
  AP_OPTION_LIST    /* ap_text_list: may be given several times */
} ap_option_kind;

typedef struct {
  size_t n;
  const char *items[AP_CLI_MAX_LIST];
} ap_text_list;

typedef struct {
  const char *name;     /* "epochs"; NULL ends the table */
  const char *argument; /* what stands for the value in the help; NULL for flags */
  const char *help;     /* one line */
  ap_option_kind kind;
  void *target; /* keeps its value when the option is not given */
  double lo, hi;
} ap_option;

/* What every subcommand has: filled from the common options. */
typedef struct {
  int argc; /* the whole command, for provenance */
  char **argv;
  const char *command; /* "train" */
  uint64_t seed;       /* --seed, default 1 */
  size_t threads;      /* --threads, default 0: all processors */
  const char *backend; /* --backend, default "cpu" */
  bool json, quiet, force;
  const char *record; /* --record of the commands that have it; "": the default file; NULL: no */
  bool answer_no;     /* set by a command that is done, but whose answer is "no": exit status 1 */
  const char *positional[4];
  size_t n_positional;
} ap_cli;

typedef struct {
  const char *name;
  const char *usage;    /* what follows "autoprune NAME" */
  const char *summary;  /* one line */
  const char *details;  /* NULL or further text */
  const char *examples; /* lines to copy */
  size_t min_positional, max_positional;
} ap_command_info;

/* Parses argv[1..argc-1] (argv[0] is the subcommand's name) by the command's own options and the
 * common ones. *help: --help was given and printed on stdout; nothing else is to be done.
 * ARG: unknown option (with the nearest known one), missing or misplaced value, value out of range,
 * wrong number of other words. */
AP_NODISCARD ap_status ap_cli_parse(const ap_command_info *info, const ap_option *options, int argc,
                                    char **argv, ap_cli *cli, bool *help, ap_error *err);
void ap_cli_print_help(const ap_command_info *info, const ap_option *options, FILE *out);

/* ARG "--name is needed" when value is NULL. */
AP_NODISCARD ap_status ap_cli_require(const char *option, const char *value, ap_error *err);

/* The item of `known` (NULL-terminated) nearest to `text` by edit distance, or NULL when none is
 * near enough to be meant. */
const char *ap_cli_nearest(const char *text, const char *const *known);

AP_EXTERN_C_END
#endif
