#!/bin/bash
# bench/gpu.sh without a GPU: usage, and that a step which cannot run is recorded in both reports.
# usage: gpu_script_test.sh ROOT
set -uo pipefail
script=$1/bench/gpu.sh
command -v python3 > /dev/null || {
  echo "skipped: python3 is not installed"
  exit 77
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0
expect() { # STATUS COMMAND...
  local status=0
  "${@:2}" > "$scratch/output" 2>&1 || status=$?
  if [ $status -ne "$1" ]; then
    echo "status $status, expected $1: ${*:2}"
    cat "$scratch/output"
    failures=$((failures + 1))
  fi
}
holds() { # TEXT FILE
  grep -qF -- "$1" "$2" && return
  echo "$2 lacks: $1"
  cat "$2"
  failures=$((failures + 1))
}

expect 0 "$script" --help
holds "--collect" "$scratch/output"
expect 2 "$script"
holds "--out DIR is missing" "$scratch/output"
expect 2 "$script" --abacus
expect 2 "$script" --out
expect 2 "$script" --out "$scratch/report" --steps build,fly
holds "unknown step fly" "$scratch/output"
expect 2 "$script" --out "$scratch/report" --limit soon
expect 2 "$script" --out "$scratch/report" --debs "$scratch"
holds "a folder of .deb files is expected" "$scratch/output"

# No device is visible, so that PyTorch, if it is there at all, is skipped; nothing is built.
CUDA_VISIBLE_DEVICES="" expect 1 "$script" --out "$scratch/report" --steps torch
holds "NOT all passed" "$scratch/report/report.md"
holds "| torch | skipped |" "$scratch/report/report.md"
holds "skipped: " "$scratch/report/torch.log"
python3 - "$scratch/report/report.json" << 'END' || failures=$((failures + 1))
import json, sys
report = json.load(open(sys.argv[1]))
assert report["schema"] == "autoprune-gpu-1" and report["passed"] is False, report
assert [s["status"] for s in report["steps"] if s["step"] == "torch"] == ["skipped"], report["steps"]
END

# Times of both programs end up in one table, beside each other.
mkdir "$scratch/made"
printf 'machine\tpassed\t1\tmachine.log\nbench\tpassed\t2\tbench.log\n' > "$scratch/made/steps.tsv"
echo '{"benchmarks": [{"name": "gpu/vgg16/bf16/x/evaluator", "run_type": "iteration", "real_time": 4.0,
  "candidates": 250.0, "speedup": 2.0}, {"name": "gpu/vgg16/bf16/y/cublas", "error_occurred": true,
  "error_message": "UNSUPPORTED: none"}]}' > "$scratch/made/bench.json"
echo '{"benchmarks": [{"name": "torch/vgg16/bf16/batch:500/eager", "real_time": 50, "candidates": 20,
  "spread": 0}, {"name": "torch/vgg16/bf16/batch:500/graph", "real_time": 20, "candidates": 50, "spread": 0}]}' \
  > "$scratch/made/torch.json"
{
  echo '==PROF== Connected'
  echo '"ID","Kernel Name","Grid Size","Metric Name","Metric Value"'
  echo '"0","grouped_conv_bf16_k(grouped_conv)","(132, 1, 1)","gpu__time_duration.sum","1,234,567"'
  echo '"0","grouped_conv_bf16_k(grouped_conv)","(132, 1, 1)","dram__bytes.sum","2,500,000,000"'
  echo '"0","grouped_conv_bf16_k(grouped_conv)","(132, 1, 1)","lts__t_bytes.sum","n/a"'
} > "$scratch/made/profile_vgg16.csv"
expect 0 python3 "$1/bench/gpu_report.py" "$scratch/made"
holds "## Counters: vgg16" "$scratch/made/report.md"
holds "| 0 | grouped_conv_bf16_k | (132,1,1) | 1235 | - | - | - | - | 2.50 | - |" "$scratch/made/report.md"
expect 1 python3 "$1/bench/gpu_profile.py" "$scratch/made/steps.tsv"
holds "no launches" "$scratch/output"
holds "| gpu/vgg16/bf16/x/evaluator | 4.000 | 250.00 | 2.00 | 5.00 |" "$scratch/made/report.md"
holds "UNSUPPORTED: none" "$scratch/made/report.md"
[ $failures -eq 0 ] && echo "passed"
