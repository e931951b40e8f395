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
document=docs/BASELINES.md
wanted=$(mktemp)
table=$(mktemp)
trap 'rm -f "$wanted" "$table"' EXIT
"$program" compare --list-methods > "$table"
awk -v table="$table" '
  /^<!-- baselines: end -->$/ { inside = 0 }
  !inside { print }
  /^<!-- baselines: begin -->$/ {
    inside = 1; found = 1; print ""
    while ((getline line < table) > 0) print line
    print ""
  }
  END { if (!found) exit 3 }
' "$document" > "$wanted" || { echo "baselines_table: $document has no markers" >&2; exit 2; }
if [ "${2:-}" = --check ]; then
  cmp -s "$wanted" "$document" || {
    echo "$document is not what $program prints: run tools/baselines_table.sh $1" >&2
    exit 1
  }
else
  cat "$wanted" > "$document"
fi
