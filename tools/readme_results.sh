#!/bin/bash
# Puts results/quick/table.md between the markers in README.md, so that no number there is typed by hand.
#   tools/readme_results.sh          rewrites README.md
#   tools/readme_results.sh --check  exit 1 when README.md does not hold the table
set -euo pipefail
cd "$(dirname "$0")/.."
table=results/quick/table.md
if [ ! -f "$table" ]; then
  echo "readme_results: $table: no such file (./reproduce, then copy its tables there)" >&2
  exit 2
fi
wanted=$(mktemp)
trap 'rm -f "$wanted"' EXIT
awk -v table="$table" '
  /^<!-- results: end -->$/ { inside = 0 }
  !inside { print }
  /^<!-- results: begin -->$/ {
    inside = 1; found = 1; print ""
    while ((getline line < table) > 0) {
      if (line ~ /^# /) continue          # the title
      sub(/^## /, "### ", line); print line
    }
    print ""
  }
  END { if (!found) exit 3 }
' README.md > "$wanted" || { echo "readme_results: README.md has no results markers" >&2; exit 2; }
if [ "${1:-}" = --check ]; then
  cmp -s "$wanted" README.md || { echo "README.md is not what $table says: run $0" >&2; exit 1; }
else
  cat "$wanted" > README.md
fi
