#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"

#define MAX_OPTIONS 64
#define HELP_COLUMN 26

typedef struct {
  ap_option all[MAX_OPTIONS];
  size_t n_own, n;
} option_table;

/* The command's options, then the common ones that it has no own meaning for. */
static void build_table(const ap_option *own, ap_cli *cli, option_table *table) {
  const ap_option common[] = {
      {"seed", "N", "seed of everything random (default 1)", AP_OPTION_SEED, &cli->seed, 0, 0},
      {"threads", "N", "threads to use; 0: one per processor (default 0)", AP_OPTION_SIZE,
       &cli->threads, 0, 1024},
      {"backend", "NAME", "cpu (default), cuda, cuda-tf32 (fast training) or cpu-ref (slow, exact)",
       AP_OPTION_TEXT, &cli->backend, 0, 0},
      {"json", NULL, "one JSON document on standard output", AP_OPTION_FLAG, &cli->json, 0, 0},
      {"quiet", NULL, "no progress and no remarks on standard error", AP_OPTION_FLAG, &cli->quiet,
       0, 0},
      {"force", NULL, "overwrite outputs that exist", AP_OPTION_FLAG, &cli->force, 0, 0},
  };
  table->n = 0;
  for (const ap_option *o = own; o && o->name && table->n < MAX_OPTIONS; o++) {
    table->all[table->n++] = *o;
  }
  table->n_own = table->n;
  for (size_t i = 0; i < sizeof common / sizeof common[0] && table->n < MAX_OPTIONS; i++) {
    table->all[table->n++] = common[i];
  }
}

static void print_options(const ap_option *options, size_t n, FILE *out) {
  for (size_t i = 0; i < n; i++) {
    char left[64];
    bool maybe = options[i].kind == AP_OPTION_MAYBE;
    (void)snprintf(left, sizeof left, "--%s%s%s%s", options[i].name,
                   maybe                 ? "[="
                   : options[i].argument ? " "
                                         : "",
                   options[i].argument ? options[i].argument : "", maybe ? "]" : "");
    (void)fprintf(out, "  %-*s %s\n", HELP_COLUMN, left, options[i].help);
  }
}

void ap_cli_print_help(const ap_command_info *info, const ap_option *options, FILE *out) {
  option_table table;
  ap_cli unused = {0};
  build_table(options, &unused, &table);
  (void)fprintf(out, "Usage: autoprune %s %s\n\n%s\n", info->name, info->usage, info->summary);
  if (info->details) (void)fprintf(out, "\n%s\n", info->details);
  if (table.n_own > 0) {
    (void)fprintf(out, "\nOptions:\n");
    print_options(table.all, table.n_own, out);
  }
  (void)fprintf(out, "\nCommon options:\n");
  print_options(table.all + table.n_own, table.n - table.n_own, out);
  print_options(&(ap_option){"help", NULL, "this text", AP_OPTION_FLAG, NULL, 0, 0}, 1, out);
  (void)fprintf(out, "\nExamples:\n%s\n", info->examples);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Levenshtein distance of two short words. */
static size_t distance(const char *a, const char *b) {
  size_t row[64], n = strlen(b);
  if (n >= 64) return SIZE_MAX;
  for (size_t j = 0; j <= n; j++) row[j] = j;
  for (size_t i = 1; a[i - 1]; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= n; j++) {
      size_t up = row[j];
      row[j] = least(least(up, row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
      diagonal = up;
    }
  }
  return row[n];
}

const char *ap_cli_nearest(const char *text, const char *const *known) {
  const char *best = NULL;
  size_t best_distance = strlen(text) / 3 + 1; /* one slip in three letters, and one more */
  for (; *known; known++) {
    size_t d = distance(text, *known);
    if (d < best_distance || (d == best_distance && !best)) {
      best = *known;
      best_distance = d;
    }
  }
  return best;
}

ap_status ap_cli_require(const char *option, const char *value, ap_error *err) {
  if (value) return AP_OK;
  return ap_fail(err, AP_ERR_ARG, "--%s is needed (see --help)", option);
}

static ap_status parse_number(const ap_option *o, const char *text, double *out, ap_error *err) {
  char *end = NULL;
  bool decimal =
      strspn(text, "0123456789.eE+-") == strlen(text); /* strtod also takes hex, blanks */
  errno = 0;
  *out = strtod(text, &end);
  if (!decimal || end == text || *end || !isfinite(*out) || errno == ERANGE) {
    return ap_fail(err, AP_ERR_ARG, "--%s %s: a number is expected", o->name, text);
  }
  if (*out < o->lo || *out > o->hi) {
    return ap_fail(err, AP_ERR_ARG, "--%s %s: expected %g to %g", o->name, text, o->lo, o->hi);
  }
  return AP_OK;
}

static ap_status parse_whole(const ap_option *o, const char *text, uint64_t *out, ap_error *err) {
  char *end = NULL;
  unsigned long long value;
  errno = 0;
  value = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end || errno == ERANGE || value > INT64_MAX) {
    return ap_fail(err, AP_ERR_ARG, "--%s %s: a whole number, 0 to 2^63-1, is expected", o->name,
                   text);
  }
  *out = value;
  return AP_OK;
}

static ap_status store(const ap_option *o, const char *text, ap_error *err) {
  ap_status st = AP_OK;
  uint64_t whole = 0;
  switch (o->kind) {
    case AP_OPTION_FLAG:
      *(bool *)o->target = true;
      break;
    case AP_OPTION_TEXT:
      if (!text[0]) return ap_fail(err, AP_ERR_ARG, "--%s: the value is empty", o->name);
      *(const char **)o->target = text;
      break;
    case AP_OPTION_MAYBE:
      if (text && !text[0]) return ap_fail(err, AP_ERR_ARG, "--%s: the value is empty", o->name);
      *(const char **)o->target = text ? text : "";
      break;
    case AP_OPTION_SIZE:
      st = parse_whole(o, text, &whole, err);
      if (st) return st;
      if ((double)whole < o->lo || (double)whole > o->hi) {
        return ap_fail(err, AP_ERR_ARG, "--%s %s: expected %.0f to %.0f", o->name, text, o->lo,
                       o->hi);
      }
      *(size_t *)o->target = (size_t)whole;
      break;
    case AP_OPTION_NUMBER:
      return parse_number(o, text, o->target, err);
    case AP_OPTION_SEED:
      return parse_whole(o, text, o->target, err);
    case AP_OPTION_LIST: {
      ap_text_list *list = o->target;
      if (!text[0]) return ap_fail(err, AP_ERR_ARG, "--%s: the value is empty", o->name);
      if (list->n == AP_CLI_MAX_LIST) {
        return ap_fail(err, AP_ERR_ARG, "--%s is given more than %d times", o->name,
                       AP_CLI_MAX_LIST);
      }
      list->items[list->n++] = text;
      break;
    }
  }
  return AP_OK;
}

static ap_status unknown_option(const char *command, const option_table *table, const char *given,
                                ap_error *err) {
  const char *names[MAX_OPTIONS + 2] = {"help"}, *near;
  char word[64];
  size_t length = strspn(given, "-");
  for (size_t i = 0; i < table->n; i++) names[i + 1] = table->all[i].name;
  (void)snprintf(word, sizeof word, "%.*s", (int)strcspn(given + length, "="), given + length);
  near = ap_cli_nearest(word, names);
  if (near) {
    return ap_fail(err, AP_ERR_ARG,
                   "unknown option %s; did you mean --%s? (see autoprune %s --help)", given, near,
                   command);
  }
  return ap_fail(err, AP_ERR_ARG, "unknown option %s (see autoprune %s --help)", given, command);
}

static ap_status check_positional(const ap_command_info *info, const ap_cli *cli, int extra,
                                  char **argv, ap_error *err) {
  if ((size_t)extra > info->max_positional) {
    return ap_fail(err, AP_ERR_ARG, "unexpected word \"%s\" (usage: autoprune %s %s)",
                   argv[info->max_positional], info->name, info->usage);
  }
  if (cli->n_positional < info->min_positional) {
    return ap_fail(err, AP_ERR_ARG, "a word is missing (usage: autoprune %s %s)", info->name,
                   info->usage);
  }
  return AP_OK;
}

ap_status ap_cli_parse(const ap_command_info *info, const ap_option *options, int argc, char **argv,
                       ap_cli *cli, bool *help, ap_error *err) {
  option_table table;
  struct option longs[MAX_OPTIONS + 2] = {{0}};
  ap_status st = AP_OK;
  int found, index = 0;
  *help = false;
  build_table(options, cli, &table);
  for (size_t i = 0; i < table.n; i++) {
    longs[i].name = table.all[i].name;
    longs[i].has_arg = table.all[i].kind == AP_OPTION_FLAG    ? no_argument
                       : table.all[i].kind == AP_OPTION_MAYBE ? optional_argument
                                                              : required_argument;
    longs[i].val = 1;
  }
  longs[table.n] = (struct option){"help", no_argument, NULL, 'h'};
  opterr = 0;
  optind = 0; /* glibc: begin anew */
  while ((found = getopt_long(argc, argv, ":h", longs, &index)) != -1) {
    if (found == 'h') {
      *help = true;
      ap_cli_print_help(info, options, stdout);
      return AP_OK;
    }
    if (found == ':') {
      return ap_fail(err, AP_ERR_ARG, "option %s needs a value", argv[optind - 1]);
    }
    if (found == '?') {
      const char *given = argv[optind - 1];
      char letter[3] = {'-', (char)optopt, '\0'};
      if (optopt > 1) given = letter;
      if (optopt == 1) return ap_fail(err, AP_ERR_ARG, "option %s takes no value", given);
      return unknown_option(info->name, &table, given, err);
    }
    st = store(&table.all[index], optarg, err);
    if (st) return st;
  }
  for (int i = optind; i < argc && cli->n_positional < 4; i++) {
    cli->positional[cli->n_positional++] = argv[i];
  }
  /* Also for commands that compute nothing on a backend: a wrong name is a wrong command. */
  if (cli->backend) st = ap_backend_check(cli->backend, err);
  return st ? st : check_positional(info, cli, argc - optind, argv + optind, err);
}
