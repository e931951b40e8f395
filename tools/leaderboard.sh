#!/bin/bash
# Writes docs/LEADERBOARD.md from the summaries under results/, so that no rank there is typed by hand.
#   tools/leaderboard.sh PROGRAM          rewrites docs/LEADERBOARD.md
#   tools/leaderboard.sh PROGRAM --check  exit 1 when the document is not what the summaries say
# PROGRAM: BUILD/cli/autoprune
set -euo pipefail
if [ $# -lt 1 ]; then
  echo "usage: tools/leaderboard.sh PROGRAM [--check]" >&2
  exit 2
fi
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/.."
. tools/generated.sh
document=docs/LEADERBOARD.md
folders=()
for summary in results/*/summary.csv; do
  if [ -f "$summary" ]; then folders+=("--results=${summary%/summary.csv}"); fi
done
wanted=$(mktemp)
trap 'rm -f "$wanted"' EXIT
{
  cat << 'TEXT'
# Leaderboard

Made by tools/leaderboard.sh from results/*/summary.csv; do not edit. Ranked by the compression rate of occupied crossbars at the
suite's accuracy loss; ratios are over the dense network, means over the seeds with the 95 % interval. What closed and open mean:
[PAPER.md](PAPER.md#divisions).
TEXT
  if [ ${#folders[@]} -gt 0 ]; then
    "$program" leaderboard "${folders[@]}"
  else
    printf '\nThere are no results yet.\n'
  fi
} > "$wanted"
generated_settle "$wanted" "$document" "${2:-}"
