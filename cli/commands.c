#include "cli/commands.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/progress.h"
#include "base/provenance.h"

#define EXIT_DONE 0
#define EXIT_NO 1
#define EXIT_BAD 2
#define EXIT_INTERRUPTED 130 /* 128 + SIGINT, as shells report it */

const ap_command ap_commands[] = {
    {"data", "list, check or fetch the data sets", ap_cmd_data},
    {"train", "train a network on images", ap_cmd_train},
    {"eval", "accuracy of a model on one split", ap_cmd_eval},
    {"import", "make a model file of an ONNX file", ap_cmd_import},
    {"export", "write a model as an ONNX file", ap_cmd_export},
    {"search", "search how much of each layer to keep", ap_cmd_search},
    {"map", "crossbars, operation units and index bits of a model or matrix", ap_cmd_map},
    {"cost", "area, energy and latency of a model or matrix, or of the chip", ap_cmd_cost},
    {"simulate", "run one matrix through the data path, bit by bit", ap_cmd_simulate},
    {"compare", "pruning methods side by side: table and figures", ap_cmd_compare},
    {"study", "area, energy, index tables and accuracy over the hardware's settings", ap_cmd_study},
    {"plot", "draw the figures of a finished comparison again", ap_cmd_plot},
    {"claims", "the published claims against a comparison's numbers", ap_cmd_claims},
    {"leaderboard", "methods of several comparisons, ranked", ap_cmd_leaderboard},
    {"history", "results over commits: list, compare, check, explain, import", ap_cmd_history},
    {NULL, NULL, NULL},
};

static void print_help(FILE *out) {
  (void)fprintf(
      out,
      "Usage: autoprune COMMAND [OPTIONS]\n\n"
      "Prunes neural networks for ReRAM accelerators and says what it is worth: crossbars,"
      "\nindex tables, area, energy, latency and accuracy.\n\nCommands:\n");
  for (const ap_command *c = ap_commands; c->name; c++) {
    (void)fprintf(out, "  %-11s %s\n", c->name, c->summary);
  }
  (void)fprintf(
      out,
      "\nautoprune COMMAND --help has the options and examples of a command.\n"
      "autoprune --version prints version, commit and compiler.\n\n"
      "Exit status: 0 done; 1 done, but the answer is \"no\" (limit not met, outputs "
      "differ,\nregression);\n2 bad usage or bad input, with one line that says what; 130 "
      "interrupted.\n\n"
      "Examples:\n"
      "  autoprune data check fashion-mnist\n"
      "  autoprune eval --model lenet5_fashion-mnist --data fashion-mnist\n"
      "  autoprune map --model lenet5_fashion-mnist\n"
      "  autoprune compare --suite quick --out out/quick\n");
}

static int fail(const char *command, const ap_error *err) {
  (void)fprintf(stderr, "autoprune%s%s: %s\n", command ? " " : "", command ? command : "",
                err->text);
  return err->code == AP_ERR_INTERRUPTED ? EXIT_INTERRUPTED : EXIT_BAD;
}

/* What was printed must have arrived: a full disk behind a redirection is an error. */
static ap_status flush_output(ap_error *err) {
  errno = 0;
  if (fflush(stdout) != 0 || ferror(stdout)) {
    return ap_fail(err, AP_ERR_IO, "standard output: %s", strerror(errno ? errno : EIO));
  }
  return AP_OK;
}

static ap_status unknown_command(const char *given, ap_error *err) {
  const char *names[32], *near;
  char list[256] = "";
  size_t n = 0;
  for (const ap_command *c = ap_commands; c->name && n + 1 < 32; c++) {
    size_t used = strlen(list);
    names[n++] = c->name;
    (void)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", c->name);
  }
  names[n] = NULL;
  near = ap_cli_nearest(given, names);
  if (near) {
    return ap_fail(err, AP_ERR_ARG, "unknown command \"%s\"; did you mean %s? (commands: %s)",
                   given, near, list);
  }
  return ap_fail(err, AP_ERR_ARG, "unknown command \"%s\" (commands: %s)", given, list);
}

int ap_cli_main(int argc, char **argv) {
  ap_error err = {0};
  ap_cli cli = {.argc = argc, .argv = argv, .seed = 1, .backend = "cpu"};
  const ap_command *command = ap_commands;
  char name[] = "autoprune";
  if (argc > 0) argv[0] = name; /* provenance should not hold where the program lies */
  if (argc < 2) {
    (void)ap_fail(&err, AP_ERR_ARG, "which command? (autoprune --help lists them)");
    return fail(NULL, &err);
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
      strcmp(argv[1], "help") == 0) {
    print_help(stdout);
    return flush_output(&err) ? fail(NULL, &err) : EXIT_DONE;
  }
  if (strcmp(argv[1], "--version") == 0) {
    (void)printf("autoprune %s (commit %s, %s)\n", ap_build_version(), ap_build_commit(),
                 ap_build_compiler());
    return flush_output(&err) ? fail(NULL, &err) : EXIT_DONE;
  }
  while (command->name && strcmp(command->name, argv[1]) != 0) command++;
  if (!command->name) {
    (void)unknown_command(argv[1], &err);
    return fail(NULL, &err);
  }
  cli.command = command->name;
  ap_interrupt_install();
  (void)signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(), not our end */
  if (command->run(&cli, argc - 1, argv + 1, &err)) return fail(command->name, &err);
  if (flush_output(&err)) return fail(command->name, &err);
  return cli.answer_no ? EXIT_NO : EXIT_DONE;
}
