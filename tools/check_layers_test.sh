#!/bin/bash
# Tests tools/check_layers.sh on small trees: each broken rule is found at its file and line, and a
# good tree passes. usage: tools/check_layers_test.sh
set -euo pipefail
checker=$(cd "$(dirname "$0")" && pwd)/check_layers.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

put() { # FILE LINE...
  mkdir -p "$tree/$(dirname "$1")"
  printf '%s\n' "${@:2}" > "$tree/$1"
}
start() {
  rm -rf "$tree"
  mkdir -p "$tree"
  put base/status.h '#include <stddef.h>'
}
expect_bad() { # FILE:LINE
  local text
  if text=$("$checker" "$tree" 2>&1); then
    echo "not found: $1 ($2)"
    failures=$((failures + 1))
  elif ! grep -qF -- "$1: " <<< "$text" || [ "$(grep -c '^[^ ]*:[0-9]*: ' <<< "$text")" != 1 ]; then
    echo "expected only $1, got: $text"
    failures=$((failures + 1))
  fi
}
bad() { # FILE LINE-OF-CODE: alone in a file, on line 2
  start
  put "$1" '/* first line */' "$2"
  expect_bad "$1:2" "$2"
}

bad base/a.c '#include "nn/network.h"'
bad reram_model/a.c '#include "kernels/backend.h"'
bad mapper/a.h '#include "kernels/backend.h"'
bad mapper/a.h '#include "nn/network.h"'
bad kernels/a.c '#include "mapper/mapping.h"'
bad kernels/cpu/a.c '#include "nn/network.h"'
bad nn/a.c '  #  include   "pruners/pruner.h"'
bad pruners/a.c '#include "agent/env.h"'
bad agent/a.c '#include "bench/compare.h"'
bad bench/a.cc '#include "cli/main.h"'
bad nn/a.c '#include "base/secret_impl.h"'
bad tests/nn/a.c '#include "kernels/backend_impl.h"'
bad tests/nn/a.c '#include "agent/env.h"'
bad nn/a.c '#include <cuda_runtime.h>'
bad kernels/cpu/a.c '#include <cublas_v2.h>'
bad nn/a.c '#include "kernels/cuda/launch.h"'
bad nn/a.c '#include "kernels/cpu/packed.h"'
bad nn/a.c '#include "network.h"'
bad tests/nn/a.c '#include "unknown/network.h"'
bad nn/a.c '#include "../base/status.h"'
bad nn/a.c '#include "./network.h"'
bad nn/a.c '#include <base/status.h>'
bad nn/a.c '#include "tests/base/testing.h"'
bad nn/a.c '#include "ap_build_info.h"'
for file in nn/a.cc nn/a.cpp bench/a.cxx kernels/a.cu nn/a.cuh; do
  start
  put "$file" 'int x;'
  expect_bad "$file:1" "language"
done
start
put helpers/a.c 'int x;'
expect_bad helpers/a.c:1 "unknown room"

start
put base/provenance.c '#include "ap_build_info.h"' '#include "base/status.h"'
put nn/a.c '#include "nn/net_impl.h"' '#include "kernels/backend.h"' '#include <openblas/cblas.h>'
put kernels/cuda/a.cu '#include <cuda_runtime.h>' '#include "kernels/cuda/launch.h"'
put kernels/backend.c '#include "kernels/backend_impl.h"'
put bench/a.cc '#include <benchmark/benchmark.h>' '#include "agent/env.h"'
put cli/main.c '#include "bench/compare.h"' '/* #include "nothing.h" */' 'int x; // #include "no.h"'
put tests/nn/a.c '#include "nn/net_impl.h"' '#include "tests/base/testing.h"' '#include "base/alloc.h"'
put tests/nn/b.c '#include "toy.h"'
put tests/whole/a.c '#include "cli/main.h"' '#include "nn/network.h"'
put build/dev/a.c '#include "wrong.h"'
if ! text=$("$checker" "$tree" 2>&1); then
  echo "a good tree is refused: $text"
  failures=$((failures + 1))
fi

# The same in a git repository: untracked files count, ignored ones do not.
if command -v git > /dev/null; then
  git -C "$tree" init -q
  printf '/build/\n' > "$tree/.gitignore"
  if ! text=$("$checker" "$tree" 2>&1); then
    echo "a good git tree is refused: $text"
    failures=$((failures + 1))
  fi
  put base/new.c '' '' '#include "cli/main.h"'
  expect_bad base/new.c:3 "untracked"
fi

start
rm -rf "$tree/base"
if "$checker" "$tree" > /dev/null 2>&1; then
  echo "an empty tree passes"
  failures=$((failures + 1))
fi

[ "$failures" -eq 0 ] || { echo "check_layers_test: $failures failures"; exit 1; }
echo "check_layers_test: all cases as expected"
