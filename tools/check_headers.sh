#!/bin/bash
# Is every public header self-contained, valid as C17 and as C++17, and safe to include twice?
# usage: tools/check_headers.sh [CC [CXX]]    (defaults cc, c++; without a C++ compiler C only)
# Public is ROOM/file.h; not *_impl.h, headers in folders below a room, tests/.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cc=${1:-cc}
cxx=${2:-c++}

list_headers() {
  if [ "$(git -c safe.directory='*' rev-parse --show-toplevel 2>/dev/null)" = "$root" ]; then
    git -c safe.directory='*' ls-files --cached --others --exclude-standard '*.h'
  else
    find . -mindepth 1 \( -path ./build -o -path ./out -o -name .git \) -prune -o -name '*.h' -print |
      sed 's,^\./,,'
  fi | grep -Ev '_impl\.h$|/.*/|^tests/' | sort -u
}
headers=()
while IFS= read -r header; do
  [ -f "$header" ] && headers+=("$header")
done < <(list_headers)
if [ ${#headers[@]} -eq 0 ]; then
  echo "check_headers: no headers under $root" >&2
  exit 1
fi

read -r -a includes <<< "$(pkg-config --cflags jansson nettle inih zlib liblzma openblas sqlite3 2>/dev/null || true)"
flags=(-D_GNU_SOURCE -I "$root" "${includes[@]}" -fsyntax-only -Wall -Wextra -Wpedantic -Wundef -Werror)
failures=0
# The first lines of what a compiler says are enough.
alone() { # HEADER COMMAND...
  local text
  text=$(printf '#include "%s"\n#include "%s"\nextern int ap_header_alone;\n' "$1" "$1" |
    "${@:2}" "${flags[@]}" - 2>&1) && return
  head -n 6 <<< "$text"
  return 1
}
languages=("$cc -std=gnu17 -x c")
if command -v "$cxx" > /dev/null; then
  languages+=("$cxx -std=c++17 -x c++")
else
  echo "check_headers: no C++ compiler ($cxx): C only; apt-get install g++"
fi
for language in "${languages[@]}"; do
  read -r -a compile <<< "$language"
  for header in "${headers[@]}"; do
    if ! alone "$header" "${compile[@]}"; then
      echo "check_headers: $header does not stand alone with: $language"
      failures=$((failures + 1))
    fi
  done
done
[ "$failures" -eq 0 ] || exit 1
echo "check_headers: ${#headers[@]} headers stand alone, as ${#languages[@]} language(s)"
