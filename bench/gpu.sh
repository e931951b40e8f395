#!/bin/bash
# Builds with CUDA, runs the GPU tests, sanitizers and timed cases, writes one report. See --help.
# shellcheck disable=SC2317 # most functions are called by step
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
  cat << 'END'
usage: bench/gpu.sh --out DIR [options]
       bench/gpu.sh --collect DEBS

On a machine with an NVIDIA GPU, nvcc, CMake and Python (PyTorch for the comparison) - it needs no
package registry: builds the preset cuda, runs the tests of label gpu, the same under compute-sanitizer
(memcheck, racecheck), the timed cases gpu/ of autoprune-bench and bench/gpu_torch.py, and reads the
hardware's counters for two networks (Nsight Compute, where ncu is there). A step that fails is recorded
and does not stop the next. DIR/report.md and DIR/report.json hold everything; DIR/*.log each step.

  --out DIR       folder of the report, made if needed
  --debs DEBS     folder of .deb files with the libraries that this machine lacks; they are unpacked into
                  DIR/prefix, nothing is installed
  --steps LIST    only these, comma separated: build,test,memcheck,racecheck,bench,torch,profile
                  (default: all); what DIR holds of the others stays in the report
  --limit S       most seconds of one step, of one test under a sanitizer (default 1800)
  --jobs N        parallel compilers (default: the number of processors)
  --collect DEBS  on a machine with apt of the same release or an older one: downloads those .deb files
  --help          this text

examples:
  bench/gpu.sh --collect debs                  here
  bench/gpu.sh --out gpu-report --debs debs    there
Exit status: 0 all of this call passed; 1 a step failed, ran too long or was skipped; 2 bad usage.
END
}
fail() {
  echo "gpu.sh: $1" >&2
  exit 2
}

out="" debs="" collect="" steps=build,test,memcheck,racecheck,bench,torch,profile limit=1800
jobs=$(nproc)
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --out | --debs | --collect | --steps | --limit | --jobs)
      if [ $# -lt 2 ] || [ -z "$2" ]; then fail "$1 needs a value; see --help"; fi
      declare "${1#--}=$2"
      shift 2
      ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done

# ---- collecting ----------------------------------------------------------------------------------
# The packages that the build and its tests link, with what these depend on, but for ONNX (left out of
# the build) and the C and C++ libraries that every machine with a compiler has.
collect_debs() {
  local names wanted
  command -v apt-get > /dev/null || fail "--collect needs apt"
  mkdir -p "$1" || exit 1
  # shellcheck source=tools/packages.sh
  . "$root/tools/packages.sh"
  wanted=$({ ap_packages build && ap_packages test; } | tr ' ' '\n' | grep -E '^(lib|nettle|pkg|zlib)' |
    grep -vE 'onnx|protobuf' | sed 's/^libopenblas-dev$/libopenblas-pthread-dev/')
  # shellcheck disable=SC2086 # the names are words
  names=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances $wanted |
    grep -E '^[a-z0-9]' | grep -E '^(lib|nettle|pkg|zlib)' |
    grep -vE '^(libc6|libc-|libcrypt|libgcc|libstdc|libdpkg|libperl|libselinux|libpcre|libbz2|libzstd|libacl|libattr|libmd|libfile|libtim|libtext|libdeb|libgdbm|libdb5|libgpm|libaudit|libcap|libssl|libkrb|libk5|libgssapi|libtirpc|libnsl|libcom-err|libkeyutils)' |
    sort -u) || return 1
  [ -n "$names" ] || fail "apt knows none of the packages: apt-get update"
  # shellcheck disable=SC2086 # the names are words
  (cd "$1" && apt-get download $names) || return 1
  echo "gpu.sh: $(find "$1" -name '*.deb' | wc -l) packages in $1"
}
if [ -n "$collect" ]; then
  collect_debs "$collect" || exit 1
  exit 0
fi

# ---- a run ---------------------------------------------------------------------------------------
[ -n "$out" ] || fail "--out DIR is missing; see --help"
[[ $limit =~ ^[1-9][0-9]*$ && $jobs =~ ^[1-9][0-9]*$ ]] || fail "--limit and --jobs take a number"
for step in ${steps//,/ }; do
  case $step in build | test | memcheck | racecheck | bench | torch | profile) ;; *) fail "unknown step $step; see --help" ;; esac
done
if [ -n "$debs" ]; then
  compgen -G "$debs/*.deb" > /dev/null || fail "$debs: a folder of .deb files is expected"
  debs=$(cd "$debs" && pwd)
fi
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
build=$out/build
all_passed=1
export PATH=$PATH:/usr/local/cuda/bin

# step NAME COMMAND...: status 0 passed, 77 skipped, 124 and 137 too long.
step() {
  local name=$1 began=$SECONDS status=0 word=passed
  shift
  echo "== $name"
  "$@" > "$out/$name.log" 2>&1 || status=$?
  case $status in
    0) ;;
    77) word=skipped ;;
    124 | 137) word="longer than $limit s" ;;
    *) word="failed ($status)" ;;
  esac
  if [ $status -ne 0 ]; then
    all_passed=0
    tail -n 5 "$out/$name.log"
  fi
  if [ -f "$out/steps.tsv" ]; then sed -i "/^$name\t/d" "$out/steps.tsv"; fi
  printf '%s\t%s\t%d\t%s\n' "$name" "$word" $((SECONDS - began)) "$name.log" >> "$out/steps.tsv"
  echo "   $word"
}
within() { timeout -k 20 "$limit" "$@"; }
wanted() { [[ ,$steps, == *,$1,* ]]; }

unpack() {
  local deb link
  rm -rf "$out/prefix"
  mkdir -p "$out/prefix" || return 1
  for deb in "$debs"/*.deb; do
    if command -v dpkg-deb > /dev/null; then
      dpkg-deb -x "$deb" "$out/prefix" || return 1
    else
      (cd "$out/prefix" && ar p "$deb" "$(ar t "$deb" | grep '^data')" > data.tar &&
        tar -xf data.tar && rm data.tar) || return 1
    fi
  done
  # Links to places outside the prefix lead into it.
  while IFS= read -r -d '' link; do
    ln -sfn "$out/prefix$(readlink "$link")" "$link" || return 1
  done < <(find "$out/prefix" -type l -lname '/*' -print0)
  find "$out/prefix" -name '*.pc'
}

# pkg-config, CMake and the programs that are built find what is in the prefix; other programs do not
# see it (an old libz in LD_LIBRARY_PATH might break them).
extra=()
use_prefix() {
  local lib=$out/prefix/usr/lib/x86_64-linux-gnu
  local places="$lib;$lib/openblas-pthread;$out/prefix/lib/x86_64-linux-gnu"
  export PKG_CONFIG_SYSROOT_DIR=$out/prefix
  export PKG_CONFIG_LIBDIR=$lib/pkgconfig:$lib/openblas-pthread/pkgconfig:$out/prefix/usr/share/pkgconfig
  export CMAKE_PREFIX_PATH=$out/prefix/usr
  # An rpath, not a runpath: it also counts for the libraries' own libraries.
  extra=(-DCMAKE_BUILD_RPATH="$places" "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags")
  if ! command -v pkg-config > /dev/null; then
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s/prefix/usr/bin/pkgconf "$@"\n' "$lib" "$out" \
      > "$out/pkg-config"
    chmod +x "$out/pkg-config"
    export PKG_CONFIG=$out/pkg-config
  fi
}

configure() {
  local generator=(-G Ninja)
  command -v ninja > /dev/null || generator=(-G "Unix Makefiles")
  (cd "$root" && within cmake --preset cuda "${generator[@]}" -B "$build" -DAP_WERROR=OFF \
    -DAP_ONNX=OFF -DAP_CUDA_VERBOSE=ON "${extra[@]}")
}

machine() {
  date -u '+%Y-%m-%d %H:%M UTC'
  git -c safe.directory='*' -C "$root" rev-parse HEAD 2> /dev/null || echo "no git commit"
  uname -srm
  nproc
  nvcc --version | tail -n 2
  cmake --version | head -n 1
  python3 -c 'import torch; print("torch", torch.__version__, torch.version.cuda)' 2> /dev/null ||
    echo "no PyTorch"
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.max.sm --format=csv || return 77
}

# A test that is skipped is no test that passed.
gpu_tests() {
  local status=0
  within ctest --test-dir "$build" -L gpu --output-on-failure --no-tests=error --timeout "$limit" ||
    status=$?
  if [ "$status" -eq 0 ] && grep -q '\*\*\*Skipped' "$out/gpu-tests.log"; then return 77; fi
  return "$status"
}

# The tests' commands, one a line, words separated by tabs.
test_commands() {
  ctest --test-dir "$build" -L gpu --show-only=json-v1 | python3 -c '
import json, sys
for test in json.load(sys.stdin)["tests"]:
    print("\t".join(test["command"]))'
}

# sanitize TOOL OPTION...: every GPU test under one tool; all of them, whatever fails.
sanitize() {
  local status=0 one words n=0
  while IFS=$'\t' read -r -a words; do
    echo "== ${words[*]}"
    one=0
    within compute-sanitizer --tool "$1" "${@:2}" --error-exitcode 9 "${words[@]}" || one=$?
    n=$((n + 1))
    # a failure weighs more than a skipped test
    if [ "$one" -ne 0 ] && { [ "$status" -eq 0 ] || [ "$status" -eq 77 ]; }; then status=$one; fi
  done < <(test_commands)
  [ "$n" -gt 0 ] || return 1
  return "$status"
}

timed_cases() {
  rm -f "$out/bench.json"
  within "$build/bench/autoprune-bench" --benchmark_filter='^gpu/' --benchmark_out="$out/bench.json" \
    --benchmark_out_format=json || return
  if grep -q UNSUPPORTED "$out/bench.json"; then return 77; fi
}

# Counters of the first launches of a case: all layers for one candidate, then layers of a batch of 64.
profile() {
  local counters network
  command -v ncu > /dev/null || {
    echo "skipped: ncu (Nsight Compute) is not installed"
    return 77
  }
  counters=$(python3 -c '
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import gpu_profile
print(",".join(column[1] for column in gpu_profile.COLUMNS))' "$root/bench") || return
  for network in vgg16 resnet18; do
    rm -f "$out/profile_$network.csv"
    AP_CUDA_SYNC=1 within ncu --clock-control none --metrics "$counters" -k regex:grouped_ -c 60 --csv \
      --log-file "$out/profile_$network.csv" "$build/bench/autoprune-bench" \
      --benchmark_filter="^gpu/$network/bf16/sparsity_percent:90/vector_width:8/candidates:64/cold:0" || return
    python3 "$root/bench/gpu_profile.py" "$out/profile_$network.csv" || return
  done
}

# The whole in one command: bash reads a script while it runs it, and this one runs long.
run() {
  step machine machine
  cp "$out/machine.log" "$out/machine.txt"
  if [ -n "$debs" ]; then
    step unpack unpack
    use_prefix
  fi
  if wanted build; then
    step configure configure
    step build within cmake --build "$build" --parallel "$jobs" --target gpu_programs
  fi
  if wanted test; then step gpu-tests gpu_tests; fi
  if wanted memcheck; then step memcheck sanitize memcheck; fi
  if wanted racecheck; then step racecheck sanitize racecheck; fi
  if wanted bench; then step bench timed_cases; fi
  if wanted torch; then step torch within python3 "$root/bench/gpu_torch.py" --out "$out/torch.json"; fi
  if wanted profile; then step profile profile; fi
  python3 "$root/bench/gpu_report.py" "$out" || {
    echo "gpu.sh: no report: python3 is needed; the steps are in $out/steps.tsv" >&2
    all_passed=0
  }
  echo "gpu.sh: $out/report.md"
}
run
exit $((1 - all_passed))
