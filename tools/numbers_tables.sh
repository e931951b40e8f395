#!/bin/bash
# Puts the tables that numbers_tables prints between their markers in docs/NUMBERS.md, so that what is
# computed there is not typed by hand.
#   tools/numbers_tables.sh PROGRAM          rewrites docs/NUMBERS.md
#   tools/numbers_tables.sh PROGRAM --check  exit 1 when the document does not hold the tables
# PROGRAM: BUILD/tests/mapper/numbers_tables
set -euo pipefail
if [ $# -lt 1 ]; then
  echo "usage: tools/numbers_tables.sh PROGRAM [--check]" >&2
  exit 2
fi
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/.."
document=docs/NUMBERS.md
wanted=$(mktemp)
trap 'rm -f "$wanted"' EXIT
found=0
inside=0
while IFS= read -r line; do
  if [[ $line =~ ^'<!-- '([a-z]+)': begin -->'$ ]]; then
    printf '%s\n' "$line"
    "$program" "${BASH_REMATCH[1]}"
    inside=1
    found=$((found + 1))
  elif [[ $line =~ ^'<!-- '[a-z]+': end -->'$ ]]; then
    inside=0
    printf '%s\n' "$line"
  elif [ "$inside" -eq 0 ]; then
    printf '%s\n' "$line"
  fi
done < "$document" > "$wanted"
if [ "$found" -ne 3 ]; then
  echo "numbers_tables: $document has $found of 3 marked tables" >&2
  exit 2
fi
if [ "${2:-}" = --check ]; then
  cmp -s "$wanted" "$document" || {
    echo "$document does not hold what $program prints: run tools/numbers_tables.sh $1" >&2
    exit 1
  }
else
  cat "$wanted" > "$document"
fi
