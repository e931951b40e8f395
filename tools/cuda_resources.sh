#!/bin/bash
# Registers, stack, spills and blocks a multiprocessor of every CUDA kernel, as the compiler reports them.
# usage: tools/cuda_resources.sh [FILE.cu ...]    (default: all of kernels/cuda; needs nvcc, no GPU)
# ARCH=sm_90a and THREADS=256 may be set. Blocks are bounded by the 65,536 registers of a multiprocessor
# and its 2,048 threads; shared memory that a launch asks for comes on top. Exit 1 when a kernel spills.
set -euo pipefail
cd "$(dirname "$0")/.."
arch=${ARCH:-sm_90a}
threads=${THREADS:-256}
export PATH=$PATH:/usr/local/cuda/bin
command -v nvcc > /dev/null || {
  echo "cuda_resources: nvcc not found: install the CUDA toolkit" >&2
  exit 2
}
if [ $# -eq 0 ]; then set -- kernels/cuda/*.cu; fi
object=$(mktemp)
trap 'rm -f "$object"' EXIT
echo "| kernel ($arch) | registers | static shared bytes | stack | spilled bytes | blocks of $threads |"
echo "|---|---|---|---|---|---|"
for file in "$@"; do
  nvcc -std=c++17 -O3 -I. -arch="$arch" -Xptxas=-v -c "$file" -o "$object" 2>&1
done | awk -v threads="$threads" '
  /Compiling entry function/ { split($0, part, "\047"); name = part[2] }
  /bytes stack frame/ { stack = $1; spilled = $5 + $9 }
  /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
    shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH - 11) : 0
    if (match(name, /[a-z_0-9]+_k/)) name = substr(name, RSTART, RLENGTH)
    sub(/^_?[zZ]?[0-9]+/, "", name); sub(/^z[0-9]+/, "", name)
    rounded = int((registers + 7) / 8) * 8
    blocks = int(65536 / (rounded * threads)); most = int(2048 / threads)
    printf "| %s | %d | %d | %d | %d | %d |\n", name, registers, shared, stack, spilled, blocks < most ? blocks : most
    bad += spilled > 0
  }
  /error/ { print; bad++ }
  END { exit bad > 0 }'
