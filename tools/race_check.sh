#!/bin/bash
# Looks for missing waits in the kernels of the candidate evaluator without a GPU: builds their emulation
# with a thread for every warp (kernels/grouped/simt_host.h) and its test with ThreadSanitizer and runs it.
# usage: tools/race_check.sh [fp32|bf16]    (default: bf16; about 4 minutes on 2 cores)
# Exit 0 nothing found, 1 a race or a wrong number, 2 bad usage or no build.
set -euo pipefail
cd "$(dirname "$0")/.."
precision=${1:-bf16}
case $precision in
  fp32 | bf16) ;;
  -h | --help)
    sed -n '2,5s/^# //p' "$0"
    exit 0
    ;;
  *)
    echo "race_check: unknown precision $precision; see --help" >&2
    exit 2
    ;;
esac
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DAP_CUDA=OFF -DAP_ROOMS="base;kernels" \
  -DAP_SANITIZE=thread > "$build/log" 2>&1 &&
  cmake --build "$build" --target "test_kernels_grouped_threads_$precision" >> "$build/log" 2>&1 || {
  tail -n 20 "$build/log" >&2
  exit 2
}
test=$(find "$build" -type f -name "test_kernels_grouped_threads_$precision")
TSAN_OPTIONS=halt_on_error=1 "$test" cuda-emulated-threads "$precision" || exit 1
