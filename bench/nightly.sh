#!/bin/bash
# One night: runs a suite and the timed cases, records them, checks them against the commit before,
# draws the metrics over commits and writes one page. See --help; docs/HISTORY.md has cron and systemd.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
  cat << 'END'
usage: bench/nightly.sh [OPTIONS]

Builds nothing: run it after a build of the commit that is to be measured.

  --out DIR          pages and logs (default out/nightly)
  --history FILE     the history (default DIR/history.sqlite)
  --programs DIR     build folder with cli/autoprune and bench/autoprune-bench (default build/release)
  --suite NAME       of autoprune compare (default quick); none: no comparison
  --data NAME|DIR    data set in place of the suite's
  --filter REGEX     of the timed cases (default: all); none: no timings
  --repetitions N    of each timed case (default 9)
  --commits N        newest commits on the page (default 60)
  --help             this text

Writes DIR/index.html (one file, figures inside), DIR/check.txt, DIR/log/STEP.txt. A step that fails
is named, the others go on where they can; what was recorded before stays as it was.
Exit status: 0 nothing moved; 1 something moved or became slower; 2 a step failed or bad usage;
130 interrupted.
END
}

out=out/nightly history='' programs=build/release suite=quick data='' filter=. repetitions=9 commits=60
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --out | --history | --programs | --suite | --data | --filter | --repetitions | --commits)
      if [ $# -lt 2 ] || [ -z "$2" ]; then
        echo "nightly: $1 needs a value; see --help" >&2
        exit 2
      fi
      printf -v "${1#--}" '%s' "$2"
      shift
      ;;
    *)
      echo "nightly: unknown option $1; see --help" >&2
      exit 2
      ;;
  esac
  shift
done
history=${history:-$out/history.sqlite}
autoprune=$programs/cli/autoprune
timed=$programs/bench/autoprune-bench
if [ ! -x "$autoprune" ]; then
  echo "nightly: $autoprune: no such program; build it, or give --programs" >&2
  exit 2
fi
mkdir -p "$out/log"
export AUTOPRUNE_HISTORY=$history

failures=()
current=start
trap 'echo "nightly: interrupted in: $current; $history holds what was recorded before" >&2; exit 130' INT TERM

# step NAME COMMAND...: its output to log/NAME.txt; a failure is noted. Statuses 0 and 1 are answers.
step() {
  local status=0
  current=$1
  echo "nightly: $1"
  "${@:2}" > "$out/log/$1.txt" 2>&1 || status=$?
  if [ "$status" -eq 130 ]; then
    echo "nightly: interrupted in: $1; $history holds what was recorded before" >&2
    exit 130
  fi
  if [ "$status" -gt 1 ]; then
    failures+=("$1 (status $status): $(tail -n 1 "$out/log/$1.txt")")
    return 1
  fi
}

timings() {
  "$timed" --benchmark_filter="$filter" --benchmark_repetitions="$repetitions" \
    --benchmark_out_format=json --benchmark_out="$out/bench.json.tmp" &&
    mv "$out/bench.json.tmp" "$out/bench.json" && "$autoprune" history import "$out/bench.json"
}
compare() {
  "$autoprune" compare --suite "$suite" ${data:+--data "$data"} --out "$out/$suite" --no-plots \
    --record --quiet
}
# Ambiguous timings are measured again, at most three times.
check() {
  local again=()
  if [ "$filter" != none ] && [ -x "$timed" ]; then
    again=(--rerun "$(printf '%q ' "$timed" "--benchmark_filter=$filter" \
      "--benchmark_repetitions=$repetitions" --benchmark_out_format=json \
      "--benchmark_out=$out/again.json") && $(printf '%q ' "$autoprune" history import "$out/again.json")")
  fi
  local status=0
  "$autoprune" history check "${again[@]+"${again[@]}"}" > "$out/check.txt.tmp" || status=$?
  if [ "$status" -le 1 ]; then mv "$out/check.txt.tmp" "$out/check.txt"; fi
  if [ "$status" -eq 1 ]; then touch "$out/moved"; fi
  return "$status"
}
draw() {
  rm -f "$out"/panels/history-*.svg
  mkdir -p "$out/panels"
  "$autoprune" history export --out "$out/panels/history.csv" --force --limit "$commits" \
    --metric '@(real_time|cpu_time|accuracy*|area_mm2|energy_uj|latency_us|crossbars*|index_bits|policy_fingerprint)' &&
    gnuplot -e "results='$out/panels'; out='$out/panels'; term='svg'" "$root/plots/history.gp"
}

if [ "$suite" != none ]; then step compare compare || true; fi
for network in lenet5_fashion-mnist resnet8_cifar10; do
  step "cost-$network" "$autoprune" cost --model "$network" --record || true
done
if [ "$filter" != none ]; then step timings timings || true; fi
rm -f "$out/moved" "$out/check.txt"
step check check || true
step draw draw || true

# ---- the page ----
escape() { sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g'; }
# A figure for use inside the page: its colours become the page's.
figure() {
  sed -E -e '/^<\?xml/d' -e '/<title>|<desc>/d' -e 's/^<svg *$/<svg role="img"/' \
    -e 's/rgb\( *48, *48, *48\)/var(--ink)/g' -e 's/rgb\( *112, *112, *112\)/var(--quiet)/g' \
    -e 's/rgb\( *0, *114, *178\)/var(--line)/g' -e 's/rgb\( *86, *180, *233\)/var(--band)/g' \
    -e 's/rgb\( *213, *94, *0\)/var(--bad)/g' -e 's/rgb\( *0, *158, *115\)/var(--good)/g' \
    -e 's/rgb\( *230, *159, *0\)/var(--doubt)/g' "$1"
}
# Numbers of the panels: "moved": those whose newest commit has a verdict to look at; "rest".
panels() {
  awk -F, -v which="$1" '
    /^#/ || $1 == "panel" { next }
    { last[$1] = $NF; if ($1 > n) n = $1 }
    END {
      for (i = 1; i <= n; i++) {
        grave = last[i] ~ /^(moved|slower|faster|ambiguous|explained)$/
        if ((which == "moved") == grave) print i
      }
    }' "$out/panels/history.csv"
}
section() { # TITLE WHICH
  local list panel
  list=$(panels "$2")
  [ -n "$list" ] || return 0
  echo "<h2>$1</h2><div class=\"grid\">"
  for panel in $list; do
    if [ -s "$out/panels/history-$panel.svg" ]; then figure "$out/panels/history-$panel.svg"; fi
  done
  echo "</div>"
}
page() {
  local verdict="nothing moved" class=good failure
  if [ -e "$out/moved" ]; then verdict="something moved or became slower" class=bad; fi
  if [ ${#failures[@]} -gt 0 ]; then verdict="a step failed" class=bad; fi
  cat << 'END'
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>autoprune: results over commits</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --page: #fff; --card: #f7f7f7; --ink: #303030; --quiet: #666;
  --line: #0072b2; --band: #56b4e9; --bad: #c04f00; --good: #007a59; --doubt: #a86f00 }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181c; --card: #20242a; --ink: #e6e6e6; --quiet: #a2a8b0; --line: #6db9ee;
    --band: #3f8fc4; --bad: #ff8a4c; --good: #3fd3a4; --doubt: #f0c05a } }
body { background: var(--page); color: var(--ink); font: 15px/1.45 "DejaVu Sans", Arial, sans-serif;
  margin: 2rem auto; max-width: 1480px; padding: 0 1.2rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
p.state { font-weight: bold } .good { color: var(--good) } .bad { color: var(--bad) }
pre { background: var(--card); padding: .8rem; overflow-x: auto; font-size: 13px; white-space: pre-wrap }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(400px, 1fr)); gap: .8rem }
.grid svg { background: var(--card); width: 100%; height: auto; border-radius: 4px }
.note { color: var(--quiet); font-size: 13px }
</style></head><body>
<h1>autoprune: results over commits</h1>
END
  echo "<p class=\"state $class\">$verdict</p>"
  echo "<p class=\"note\">$("$autoprune" --version | escape)<br>$(
    sed -n 's/^# machine: //p' "$out/panels/history.csv" 2> /dev/null | escape
  )<br>$(date -u '+%Y-%m-%d %H:%M UTC')</p>"
  if [ ${#failures[@]} -gt 0 ]; then
    echo "<h2>Steps that failed</h2><pre>"
    for failure in "${failures[@]}"; do escape <<< "$failure"; done
    echo "</pre>"
  fi
  if [ -s "$out/check.txt" ]; then
    echo "<h2>Against the commit recorded before</h2><pre>$(escape < "$out/check.txt")</pre>"
  fi
  if [ -s "$out/panels/history.csv" ]; then
    section "Moved at this commit" moved
    section "Over commits" rest
    cat << 'END'
<p class="note">Line: value, or median of the timings; band: quartiles. Square: moved; diamond: moved and explained;
triangle down: slower; triangle up: faster; ring: ambiguous. Axes do not begin at 0. Rules: docs/HISTORY.md.</p>
END
  fi
  echo "</body></html>"
}
current=page
page > "$out/index.html.tmp"
mv "$out/index.html.tmp" "$out/index.html"

if [ ${#failures[@]} -gt 0 ]; then
  printf 'nightly: FAILED: %s\n' "${failures[@]}" >&2
  exit 2
fi
if [ -s "$out/check.txt" ]; then cat "$out/check.txt"; fi
echo "nightly: $out/index.html"
if [ -e "$out/moved" ]; then exit 1; fi
