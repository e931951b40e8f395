#!/usr/bin/env python3
"""Prints the hardware counters of the evaluator's launches, as bench/gpu.sh has ncu write them, as a table.

usage: gpu_profile.py FILE.csv
A row a launch: time, matrix products and instructions (of warps), shared-memory accesses and those that
were repeated for a bank, device memory and second-level cache, how busy the issue slots and the loads
were, and what a warp waited for an issued instruction (long: device memory; short: shared memory).
"""
import csv
import sys

COLUMNS = (  # heading, counter, divisor, digits
    ("us", "gpu__time_duration.sum", 1e3, 0),
    ("products, M", "sm__inst_executed_pipe_tensor.sum", 1e6, 2),
    ("instructions, M", "smsp__inst_executed.sum", 1e6, 1),
    ("shared, M", "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum", 1e6, 1),
    ("repeated, M", "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum", 1e6, 1),
    ("memory, GB", "dram__bytes.sum", 1e9, 2),
    ("cache, GB", "lts__t_bytes.sum", 1e9, 2),
    ("issue %", "smsp__issue_active.avg.pct_of_peak_sustained_active", 1, 0),
    ("loads %", "l1tex__data_pipe_lsu_wavefronts.avg.pct_of_peak_sustained_elapsed", 1, 0),
    ("long", "smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio", 1, 1),
    ("short", "smsp__average_warps_issue_stalled_short_scoreboard_per_issue_active.ratio", 1, 1),
    ("barrier", "smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio", 1, 1),
    ("wait", "smsp__average_warps_issue_stalled_wait_per_issue_active.ratio", 1, 1),
)


def launches(lines):
    """Launches in order: {"kernel", "grid", counter: value}; units as ncu gives base units."""
    found = {}
    for row in csv.DictReader(line for line in lines if line.startswith('"')):
        one = found.setdefault(int(row["ID"]), {"kernel": row["Kernel Name"].split("(")[0], "grid": row["Grid Size"]})
        try:
            one[row["Metric Name"]] = float(row["Metric Value"].replace(",", ""))
        except ValueError:
            pass  # "n/a": the device has no such counter
    return [found[i] for i in sorted(found)]


def table(lines):
    """Lines of a table in Markdown; none without launches."""
    rows = launches(lines)
    if not rows:
        return []
    out = ["| # | kernel | grid | " + " | ".join(c[0] for c in COLUMNS) + " |", "|---" * (len(COLUMNS) + 3) + "|"]
    for i, one in enumerate(rows):
        cells = [f"{one[name] / divisor:.{digits}f}" if name in one else "-" for _, name, divisor, digits in COLUMNS]
        out.append(f"| {i} | {one['kernel']} | {one['grid'].replace(' ', '')} | " + " | ".join(cells) + " |")
    return out


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip(), file=sys.stderr)
        sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 2)
    try:
        with open(sys.argv[1], encoding="utf-8") as source:
            result = table(source)
    except OSError as error:
        sys.exit(f"gpu_profile.py: {error}")
    if not result:
        sys.exit(f"gpu_profile.py: {sys.argv[1]}: no launches; the CSV output of ncu is expected")
    print("\n".join(result))
