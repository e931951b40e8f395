#!/bin/bash
# clang-format, clang-tidy and cppcheck over the sources; exit 1 when one of them complains.
# usage: tools/lint.sh [BUILD_DIR]    (with compile_commands.json; default build/dev)
# A tool that is not installed is named and passed over; with CI=true that is a failure.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:-$root/build/dev}" 2> /dev/null && pwd || echo "${1:-$root/build/dev}")
cd "$root"
failures=0

have() { # TOOL PACKAGE
  command -v "$1" > /dev/null && return
  echo "lint: $1 is not installed: apt-get install $2"
  if [ "${CI:-}" = true ]; then failures=$((failures + 1)); fi
  return 1
}
sources() { # SUFFIX...
  if [ "$(git -c safe.directory='*' rev-parse --show-toplevel 2> /dev/null)" = "$root" ]; then
    git -c safe.directory='*' ls-files --cached --others --exclude-standard -- "${@/#/*.}"
  else
    find . -mindepth 1 \( -path ./build -o -path ./out -o -name .git \) -prune -o -type f -print |
      sed 's,^\./,,' | grep -E "\.($(IFS='|'; echo "$*"))\$"
  fi | sort -u | while IFS= read -r file; do
    if [ -f "$file" ]; then echo "$file"; fi
  done
}
failed() {
  echo "lint: $1 complains"
  failures=$((failures + 1))
}

if have clang-format clang-format; then
  sources c h cc cu cuh | xargs -d '\n' clang-format --dry-run -Werror || failed clang-format
fi
# Both read .c only: clang-tidy 14 cannot read .cu, and bench/*.cc is a thin wrapper. Of these, only
# the files that the build knows.
if [ ! -f "$build/compile_commands.json" ]; then
  echo "lint: $build/compile_commands.json is missing: cmake --preset dev" >&2
  exit 1
fi
known=$(sed -n "s,^ *\"file\": \"$root/\(.*\)\".*,\1,p" "$build/compile_commands.json" | sort -u)
files=$(comm -12 <(sources c) <(printf '%s\n' "$known"))
if have clang-tidy clang-tidy; then
  # One file a run: given several, version 14 complains about va_lists that are in order.
  printf '%s\n' "$files" | xargs -d '\n' -n 1 -P "$(nproc)" \
    clang-tidy -p "$build" --quiet --warnings-as-errors='*' 2> /dev/null || failed clang-tidy
fi
if have cppcheck cppcheck; then
  printf '%s\n' "$files" | cppcheck --file-list=- -j "$(nproc)" -I "$root" --language=c --std=c11 \
    -D__BYTE_ORDER__=1 -D__ORDER_LITTLE_ENDIAN__=1 -D__x86_64__=1 -DAP_PRINTF\(a,b\)= \
    --enable=warning,performance,portability --inline-suppr --quiet --error-exitcode=1 \
    --suppress=missingIncludeSystem || failed cppcheck
fi
[ "$failures" -eq 0 ] || exit 1
echo "lint: clean"
