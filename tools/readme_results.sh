#!/bin/bash
# Puts results/quick/table.md between the markers in README.md, and the tables of results/paper-cifar10/summary.md and
# results/paper-full/summary.md between those in docs/PAPER.md, so that no number there is typed by hand.
#   tools/readme_results.sh          rewrites both
#   tools/readme_results.sh --check  exit 1 when one of them does not hold its table
set -euo pipefail
cd "$(dirname "$0")/.."
table=results/quick/table.md
if [ ! -f "$table" ]; then
  echo "readme_results: $table: no such file (./reproduce, then copy its tables there)" >&2
  exit 2
fi
. tools/generated.sh
quick() { # without the title, one level of headings lower
  echo
  sed -e '/^# /d' -e 's/^## /### /' "$table"
  echo
}
paper() { # the tables alone
  local folder=paper-cifar10
  if [ "$1" = full ]; then folder=paper-full; fi
  echo
  sed -n -e 's/^## /### /' -e '/^###/,$p' "results/$folder/summary.md"
  echo
}
generated_fill README.md 1 quick "${1:-}"
generated_fill docs/PAPER.md 2 paper "${1:-}"
