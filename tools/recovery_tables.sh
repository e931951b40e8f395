#!/bin/bash
# Puts the tables of results/studies/*_recovery and *_bits between the markers in docs/RECOVERY.md, so that
# no number there is typed by hand.
#   tools/recovery_tables.sh          rewrites docs/RECOVERY.md
#   tools/recovery_tables.sh --check  exit 1 when the document does not hold the tables
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/generated.sh
shopt -s nullglob

# Accuracy in floats (in the array's integers) of one recovery.csv: a row a way, a column a sparsity.
recovery_table() {
  awk -F, '
    function input(name) { # a number among the inputs on top
      return match(line, "\"" name "\":[-+0-9.e]+") ? \
             sprintf("%g", substr(line, RSTART + length(name) + 3, RLENGTH - length(name) - 3)) : "?"
    }
    /^# command: / { command = substr($0, 12); next }
    /^# inputs: / { line = $0; next }
    /^#/ { next }
    !("network" in at) { for (i = 1; i <= NF; i++) at[$i] = i; next }
    {
      n = $at["network"]; way = $at["recovery"]; share = $at["sparsity"]
      if (!(n in seen_net)) { seen_net[n] = 1; nets[++n_nets] = n }
      cell = sprintf("%.1f (%.1f)", 100 * $at["accuracy"], 100 * $at["quantised_accuracy"])
      if (way == "dense") { dense[n] = cell; images[n] = $at["images"]; split_of[n] = $at["split"]
                            pruner[n] = $at["pruner"]; bits[n] = $at["weight_bits"]; next }
      if (!((n, way) in seen_way)) { seen_way[n, way] = 1; ways[n, ++n_ways[n]] = way }
      if (!((n, share) in seen_share)) { seen_share[n, share] = 1; shares[n, ++n_shares[n]] = share }
      value[n, way, share] = cell
      kept[n, share] = sprintf("%.1f", 100 * $at["keep_weights"])
      xbars[n, share] = sprintf("%.2f", $at["crossbars_compression"])
    }
    END {
      for (k = 1; k <= n_nets; k++) {
        n = nets[k]
        printf "\n`%s`, %s: accuracy in %% on %s images of the %s split, in floats and (in parentheses) quantised to %s bits; not pruned %s. Fine-tuned for %s epochs at a peak rate of %s.\n\n| removed of each layer |", n, pruner[n], images[n], split_of[n], bits[n], dense[n], input("epochs"), input("lr")
        for (s = 1; s <= n_shares[n]; s++) printf " %g %% |", 100 * shares[n, s]
        printf "\n|---|"
        for (s = 1; s <= n_shares[n]; s++) printf "---|"
        for (w = 1; w <= n_ways[n]; w++) {
          printf "\n| %s |", ways[n, w]
          for (s = 1; s <= n_shares[n]; s++) printf " %s |", value[n, ways[n, w], shares[n, s]]
        }
        printf "\n| weights kept, %% |"
        for (s = 1; s <= n_shares[n]; s++) printf " %s |", kept[n, shares[n, s]]
        printf "\n| compression of crossbars |"
        for (s = 1; s <= n_shares[n]; s++) printf " %s |", xbars[n, shares[n, s]]
        printf "\n"
      }
      printf "\nBy `%s`\n", command
    }' "$1"
}

# One row a network of all given bits.csv: all layers at one width.
bits_table() {
  echo
  echo "| network | split | images | in floats | 8 bits | points lost | 7 | 6 | 5 | 4 | 3 | 2 |"
  echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
  for file in "$@"; do
    awk -F, '
      /^#/ { next }
      !("network" in at) { for (i = 1; i <= NF; i++) at[$i] = i; next }
      $at["layer"] == "all" {
        n = $at["network"]
        if (!(n in seen)) { seen[n] = 1; nets[++n_nets] = n }
        floats[n] = $at["float_accuracy"]; images[n] = $at["images"]; split_of[n] = $at["split"]
        value[n, $at["weight_bits"]] = $at["accuracy"]
      }
      END {
        for (k = 1; k <= n_nets; k++) {
          n = nets[k]
          printf "| %s | %s | %s | %.2f | %.2f | %.2f |", n, split_of[n], images[n], 100 * floats[n], 100 * value[n, 8], 100 * (floats[n] - value[n, 8])
          for (b = 7; b >= 2; b--) printf " %.2f |", 100 * value[n, b]
          printf "\n"
        }
      }' "$file"
  done
}

tables() { # NAME of the marker
  case $1 in
    recovery) for file in results/studies/*_recovery/recovery.csv; do recovery_table "$file"; done ;;
    bits) bits_table results/studies/*_bits/bits.csv ;;
    *)
      echo "recovery_tables: docs/RECOVERY.md: unknown marker $1" >&2
      return 2
      ;;
  esac
  echo
}

generated_fill docs/RECOVERY.md 2 tables "${1:-}"
