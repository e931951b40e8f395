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
. tools/generated.sh
generated_fill docs/NUMBERS.md 3 "$program" "${2:-}"
