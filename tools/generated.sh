# Documents that hold what commands print, so that nothing there is typed by hand. Sourced.
#
#   generated_fill DOCUMENT N FUNCTION [--check]
#       puts what `FUNCTION NAME` prints between the lines "<!-- NAME: begin -->" and "<!-- NAME: end -->", of
#       which there are N pairs
#   generated_settle TEXT_FILE DOCUMENT [--check]
#       the document becomes the text; with --check it is compared only: status 1 where it differs
# The calling script's own name and arguments are what an error tells to run.
# shellcheck shell=bash

generated_settle() {
  if [ "${3:-}" != --check ]; then
    cat "$1" > "$2"
  elif ! cmp -s "$1" "$2"; then
    echo "$2 does not hold what is printed now: run tools/$(basename "$0") again, without --check" >&2
    return 1
  fi
}

generated_fill() {
  local document=$1 expected=$2 print=$3 found=0 inside=0 line wanted status=0
  wanted=$(mktemp)
  while IFS= read -r line; do
    if [[ $line =~ ^'<!-- '([a-z]+)': begin -->'$ ]]; then
      printf '%s\n' "$line"
      "$print" "${BASH_REMATCH[1]}" < /dev/null || status=2
      inside=1
      found=$((found + 1))
    elif [[ $line =~ ^'<!-- '[a-z]+': end -->'$ ]]; then
      inside=0
      printf '%s\n' "$line"
    elif [ "$inside" -eq 0 ]; then
      printf '%s\n' "$line"
    fi
  done < "$document" > "$wanted"
  if [ "$found" -ne "$expected" ]; then
    echo "$(basename "$0"): $document has $found of $expected marked tables" >&2
    status=2
  fi
  if [ "$status" -eq 0 ]; then generated_settle "$wanted" "$document" "${4:-}" || status=$?; fi
  rm -f "$wanted"
  return "$status"
}
