#!/bin/bash
# Puts the table of baselines that the command prints between the markers in docs/BASELINES.md, so that it
# says what the code does.
#   tools/baselines_table.sh PROGRAM          rewrites docs/BASELINES.md
#   tools/baselines_table.sh PROGRAM --check  exit 1 when the document does not hold the table
# PROGRAM: BUILD/cli/autoprune
set -euo pipefail
if [ $# -lt 1 ]; then
  echo "usage: tools/baselines_table.sh PROGRAM [--check]" >&2
  exit 2
fi
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/.."
. tools/generated.sh
table() {
  echo
  "$program" compare --list-methods
  echo
}
generated_fill docs/BASELINES.md 1 table "${2:-}"
