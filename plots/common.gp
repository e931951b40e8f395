# Loaded first by every figure: terminal, palette, names of methods, what a table holds.
# Given by the caller (gnuplot -e): results, the folder of the CSV files; out, the folder of the
# figures; term, "png" or "svg". Set by the figure: figure, its name; file, its CSV file; who, the
# column that tells the series; figure_width(n), figure_height(n, m) for n networks and m series.
if (!exists("results")) results = "."
if (!exists("out")) out = results . "/figures"
if (!exists("term")) term = "png"
path = results . "/" . file

set encoding utf8
set datafile separator comma
set datafile columnheaders
set datafile missing ""

# Okabe and Ito's palette, told apart with any colour vision.
color(m) = m eq "dense" ? 0x8A8A8A : \
           m eq "filter" ? 0xE69F00 : \
           m eq "pim-prune" ? 0xD55E00 : \
           m eq "row-vector" ? 0x56B4E9 : \
           m eq "column-vector" ? 0x0072B2 : \
           m eq "random" ? 0xCC79A7 : \
           m eq "auto-prune" || m eq "ddpg" ? 0x009E73 : \
           m eq "evolution" ? 0x6A3D9A : \
           m eq "knapsack" ? 0x000000 : 0x404040
display(m) = m eq "dense" ? "dense" : \
             m eq "filter" ? "filter L2" : \
             m eq "pim-prune" ? "PIM-Prune-like" : \
             m eq "row-vector" ? "row-vector uniform" : \
             m eq "column-vector" ? "column-vector uniform" : \
             m eq "random" ? "random search" : \
             m eq "auto-prune" ? "AUTO-PRUNE (DDPG)" : \
             m eq "knapsack" ? "knapsack search" : \
             m eq "evolution" ? "evolution" : \
             m eq "ddpg" ? "DDPG" : m
# A mark of its own for everyone, so that colour is never the only difference.
mark(m) = m eq "filter" ? 9 : m eq "pim-prune" ? 5 : m eq "row-vector" ? 11 : \
          m eq "column-vector" ? 13 : m eq "random" ? 6 : m eq "auto-prune" ? 7 : m eq "knapsack" ? 3 : m eq "evolution" ? 4 : 2
is_no(text) = text eq "0" || text eq "false"
# A name as it is, where gnuplot would read an underscore as a subscript.
plain(s) = strstrt(s, "_") > 0 ? substr(s, 1, strstrt(s, "_") - 1) . "\\_" . \
           plain(substr(s, strstrt(s, "_") + 1, strlen(s))) : s
ink = 0x303030
pale = 0xB8B8B8

# Lists are words in one string, in the order of the file.
holds(list, item) = strstrt(" " . list . " ", " " . item . " ") > 0
networks = ""
methods = ""
see_network(s) = (networks = holds(networks, s) || s eq "" ? networks : networks . " " . s, 0)
see_method(s) = (methods = holds(methods, s) || s eq "" ? methods : methods . " " . s, 0)
place(list, item) = sum [i = 1 : words(list)] (word(list, i) eq item ? i : 0)

# Columns that older files lack.
header = system("grep -m 1 -v '^#' '" . path . "'")
has(c) = strstrt("," . header . ",", "," . c . ",") > 0
# Of several seeds the first one is drawn, where a figure shows single rows: mine(0).
seed_first = ""
see_seed(s) = (seed_first = seed_first eq "" ? s : seed_first, n_seeds = s eq seed_first ? n_seeds : 2, 0)
n_seeds = 1
if (has("seed")) { stats path using (see_seed(strcol("seed"))) nooutput }
mine(unused) = has("seed") ? strcol("seed") eq seed_first : 1

stats path using (see_network(strcol("network")) + see_method(strcol(who))) nooutput
n_networks = words(networks)
# The usual order first, then whatever else the file has.
known = "dense filter pim-prune row-vector column-vector random auto-prune ddpg knapsack evolution"
ordered = ""
do for [m in known] { if (holds(methods, m)) { ordered = ordered . " " . m } }
do for [m in methods] { if (!holds(known, m)) { ordered = ordered . " " . m } }
methods = ordered
n_methods = words(methods)
empty = n_networks == 0 || n_methods == 0
width = empty ? 600 : figure_width(n_networks)
height = empty ? 200 : figure_height(n_networks, n_methods)

# Lines "# key: text" on top of the file.
note(key) = system("sed -n 's/^# " . key . ": //p' '" . path . "' | head -n 1")
limit = real("0" . note("max_loss"))
if (limit == 0) {
  limit = real("0" . system("sed -n 's/^# command:.*--max-loss[= ]\\([0-9.]*\\).*/\\1/p' '" . path . "'"))
}
if (limit == 0) { limit = 0.01 } # the command's default
limit_text = sprintf("%.3g", 100 * limit) . (limit == 0.01 ? " point" : " points")
commit = note("commit")
small_print = "drawn from " . file . (strlen(commit) ? ", commit " . commit[1:12] : "") . \
              (n_seeds > 1 ? ", seed " . seed_first : "")

system("mkdir -p '" . out . "'")
if (term eq "svg") {
  set terminal svg size width, height font "DejaVu Sans,Arial,sans-serif,13" background "#ffffff"
} else {
  if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
    set terminal pngcairo size width, height font "Sans,10.5" background "#ffffff"
  } else {
    set terminal png size width, height
  }
}
set output out . "/" . figure . "." . term
set border 3 lw 1 lc rgb ink
set tics nomirror textcolor rgb ink
if (empty) { # a comparison without a search has no episodes
  unset border
  unset tics
  unset key
  set title figure . ": " . file . " has no rows to draw"
  plot [0 : 1] [0 : 1] NaN
  unset output
  exit
}
