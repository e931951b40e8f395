#!/bin/bash
# bench/nightly.sh with a program that works and with steps that fail.
# usage: nightly_test.sh SOURCE_DIR AUTOPRUNE; 77 without gnuplot.
set -euo pipefail
nightly=$1/bench/nightly.sh
program=$2
command -v gnuplot > /dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p programs/cli

fail() {
  echo "nightly_test: $1"
  tail -n 5 out.txt night/log/*.txt 2> /dev/null || true
  exit 1
}
# What the program does when one command is made to fail, or to find another commit's numbers.
program() { # BODY
  printf '#!/bin/bash\n%s\nexec %q "$@"\n' "$1" "$program" > programs/cli/autoprune
  chmod +x programs/cli/autoprune
}
night() { # EXPECTED_STATUS
  local status=0
  "$nightly" --out night --programs programs --suite none --filter none > out.txt 2>&1 || status=$?
  [ "$status" -eq "$1" ] || fail "status $status, $1 is expected"
}
runs() { "$program" history list --file night/history.sqlite --limit 1000 | tail -n +2 | wc -l; }

program ''
night 0
[ "$(runs)" -eq 2 ] || fail "two runs are expected"
grep -q 'first commit on' night/check.txt || fail "the first night has nothing to compare with"
grep -q '<svg role="img"' night/index.html || fail "no figure in the page"
grep -q 'prefers-color-scheme: dark' night/index.html || fail "the page has no dark form"
if grep -Eq '(src|href)="' night/index.html; then fail "the page needs other files"; fi
if grep -q 'rgb( *48' night/index.html; then fail "a colour of the figures is not the page's"; fi

# An earlier commit with another area: it has moved.
cat > before.json << END
{"schema": "autoprune-history-record-1", "kind": "cost", "commit": "beef", "date": "d", "command": "",
 "machine": "$("$program" history show --file night/history.sqlite --json | sed -n 's/^  "machine": "\(.*\)",*$/\1/p')",
 "series": [{"name": "cost lenet5_fashion-mnist hw=ou column-vector", "configuration": {},
             "metrics": [{"name": "area_mm2", "kind": "model", "unit": "mm2", "values": [1]}]}]}
END
"$program" history import before.json --file night/history.sqlite > out.txt
night 1
grep -q '^moved .*area_mm2 1 ->' night/check.txt || fail "area_mm2 has moved"
grep -q 'Moved at this commit' night/index.html || fail "the page does not show what moved"

# A step that fails is named; the others are done; the history is whole.
before=$(runs)
program 'if [ "$1 $3" = "cost resnet8_cifar10" ]; then echo "no such luck" >&2; exit 2; fi'
night 2
grep -q 'FAILED: cost-resnet8_cifar10 (status 2): no such luck' out.txt || fail "the step is not named"
grep -q 'no such luck' night/index.html || fail "the page does not name the step"
[ "$(runs)" -eq $((before + 1)) ] || fail "the other step is not recorded"

# Killed in the middle of a step.
program 'if [ "$1" = cost ]; then kill -9 $$; fi'
night 2
[ "$(runs)" -eq $((before + 1)) ] || fail "the history has changed"

# Interrupted: nothing is reported as done.
program 'if [ "$1 $3" = "cost resnet8_cifar10" ]; then exit 130; fi'
rm night/index.html
night 130
grep -q 'interrupted in: cost-resnet8_cifar10' out.txt || fail "does not say where"
[ ! -e night/index.html ] || fail "an interrupted night wrote a page"

program ''
night 1 # and the next one is in order again

"$nightly" --suite > out.txt 2>&1 && fail "a missing value is accepted"
"$nightly" --programs nowhere > out.txt 2>&1 && fail "missing programs are accepted"
grep -q 'nowhere/cli/autoprune: no such program' out.txt || fail "which program is missing?"
echo "nightly_test: all as expected"
