#!/usr/bin/env python3
"""Writes report.md and report.json of a run of bench/gpu.sh into its folder.

usage: gpu_report.py DIR
Reads DIR/steps.tsv (step, status, seconds, log), DIR/machine.txt, DIR/bench.json, DIR/torch.json,
DIR/profile_*.csv; what is missing is left out.
"""
import json
import os
import sys

sys.dont_write_bytecode = True
import gpu_profile  # beside this file

folder = sys.argv[1]


def read(name):
    path = os.path.join(folder, name)
    return open(path, encoding="utf-8", errors="replace").read() if os.path.exists(path) else ""


def read_json(name):
    try:
        return json.loads(read(name))
    except ValueError:
        return None


def write(name, text):
    path = os.path.join(folder, name)
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".tmp", path)


steps = []
for line in read("steps.tsv").splitlines():
    name, status, seconds, log = line.split("\t")
    steps.append({"step": name, "status": status, "seconds": int(seconds), "log": log})
passed = bool(steps) and all(s["status"] == "passed" for s in steps)
bench, torch = read_json("bench.json"), read_json("torch.json")

lines = ["# GPU run", "", "all passed" if passed else "NOT all passed", "", "```", read("machine.txt").strip(), "```", "",
         "| step | status | s | log |", "|---|---|---|---|"]
lines += [f"| {s['step']} | {s['status']} | {s['seconds']} | {s['log']} |" for s in steps]
for s in steps:
    if s["status"] == "passed":
        continue
    tail = read(s["log"]).splitlines()[-25:]
    lines += ["", f"## {s['step']}: {s['status']}", "", "```", *tail, "```"]

# The fastest PyTorch setting of a network is what its candidates are compared with.
best = {}
for b in (torch or {}).get("benchmarks", []):
    network = b["name"].split("/")[1]
    if network not in best or b["candidates"] > best[network]["candidates"]:
        best[network] = b
if bench:
    lines += ["", "## Candidate evaluator, 5,000 images (device time)", "",
              "| case | ms | candidates/s | x cuBLAS products | x fastest PyTorch |", "|---|---|---|---|---|"]
    for b in bench.get("benchmarks", []):
        if b.get("run_type") == "aggregate" and b.get("aggregate_name") != "median":
            continue
        if b.get("error_occurred"):
            lines.append(f"| {b['name']} | {b.get('error_message', 'failed')} | | | |")
            continue
        rate, network = b.get("candidates", 0), b["name"].split("/")[1]
        against = f"{rate / best[network]['candidates']:.2f}" if network in best and "/evaluator" in b["name"] else ""
        speedup = f"{b['speedup']:.2f}" if "speedup" in b else ""
        lines.append(f"| {b['name']} | {b['real_time']:.3f} | {rate:.2f} | {speedup} | {against} |")
if torch:
    lines += ["", "## PyTorch, dense", "", "| case | ms | candidates/s | spread |", "|---|---|---|---|"]
    lines += [f"| {b['name']} | {b['real_time']:.3f} | {b['candidates']:.2f} | {b['spread']:.3f} |" for b in torch["benchmarks"]]
for name in sorted(os.listdir(folder)):
    rows = gpu_profile.table(read(name).splitlines()) if name.startswith("profile_") and name.endswith(".csv") else []
    if rows:
        lines += ["", f"## Counters: {name[len('profile_'):-len('.csv')]}", "", *rows]
write("report.md", "\n".join(lines) + "\n")
write("report.json", json.dumps({"schema": "autoprune-gpu-1", "passed": passed, "machine": read("machine.txt"), "steps": steps,
                                 "bench": bench, "torch": torch}, indent=1) + "\n")
