/* cli/main.c - the `autoprune` program. */
#include "cli/commands.h"

int main(int argc, char **argv) { return ap_cli_main(argc, argv); }
