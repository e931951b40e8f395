/* cli/commands.h - the subcommands. Each parses argv (argv[0] is its name) into cli, does its work
 * and sets cli->answer_no where the work is done but the answer is "no". Results go to stdout,
 * progress and remarks to stderr; errors go up and are printed by main. */
#ifndef AP_CLI_COMMANDS_H
#define AP_CLI_COMMANDS_H
#include "base/status.h"
#include "cli/options.h"
AP_EXTERN_C_BEGIN

typedef ap_status ap_command_run(ap_cli *cli, int argc, char **argv, ap_error *err);

AP_NODISCARD ap_command_run ap_cmd_data;
AP_NODISCARD ap_command_run ap_cmd_train;
AP_NODISCARD ap_command_run ap_cmd_eval;
AP_NODISCARD ap_command_run ap_cmd_import;
AP_NODISCARD ap_command_run ap_cmd_export;
AP_NODISCARD ap_command_run ap_cmd_search;
AP_NODISCARD ap_command_run ap_cmd_map;
AP_NODISCARD ap_command_run ap_cmd_cost;
AP_NODISCARD ap_command_run ap_cmd_simulate;
AP_NODISCARD ap_command_run ap_cmd_compare;
AP_NODISCARD ap_command_run ap_cmd_study;
AP_NODISCARD ap_command_run ap_cmd_plot;
AP_NODISCARD ap_command_run ap_cmd_claims;
AP_NODISCARD ap_command_run ap_cmd_leaderboard;
AP_NODISCARD ap_command_run ap_cmd_history;

typedef struct {
  const char *name, *summary;
  ap_command_run *run;
} ap_command;
extern const ap_command ap_commands[]; /* ends with a NULL name */

/* The whole program: what main does. Returns the exit status: 0 done, 1 done and the answer is
 * "no", 2 bad usage or bad input (one line on stderr), 130 interrupted. */
int ap_cli_main(int argc, char **argv);

AP_EXTERN_C_END
#endif
