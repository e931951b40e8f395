# Where a quantity of breakdown.csv comes from: one stacked bar a method, the dense network's total is
# 100 %. Set by the figure: figure, quantity, share (column: of the dense network's total).
file = "breakdown.csv"
who = "method"
figure_width(n) = n == 1 ? 980 : 330 + 420 * n
figure_height(n, m) = 138 + 34 * m + 62
plots = system("dirname '" . home . "'")
load plots . "/common.gp"
if (empty) { exit }

# Components in groups that can be told apart; whatever is not named here is "other".
groups = "array dac adc sample shift registers edram wires index sums other"
group(c) = c eq "array" ? "array" : c eq "dac" ? "dac" : c eq "adc" ? "adc" : \
           c eq "sample_hold" ? "sample" : c eq "shift_add" || c eq "tile_shift_add" ? "shift" : \
           c eq "input_register" || c eq "output_register" || c eq "tile_output_register" ? "registers" : \
           c eq "edram" ? "edram" : c eq "bus" || c eq "router" ? "wires" : \
           c eq "index_buffer" || c eq "index_decoder" ? "index" : c eq "input_sum" ? "sums" : "other"
group_name(g) = g eq "array" ? "cells" : g eq "dac" ? "wordline drivers" : g eq "adc" ? "converters" : \
                g eq "sample" ? "sample and hold" : g eq "shift" ? "shift and add" : \
                g eq "edram" ? "eDRAM" : g eq "wires" ? "bus and router" : \
                g eq "index" ? "index tables" : g eq "sums" ? "input sums" : g
group_color(g) = g eq "array" ? 0x009E73 : g eq "dac" ? 0x56B4E9 : g eq "adc" ? 0x0072B2 : \
                 g eq "sample" ? 0x8A8A8A : g eq "shift" ? 0xCC79A7 : g eq "registers" ? 0xF0E442 : \
                 g eq "edram" ? 0xE69F00 : g eq "wires" ? 0xB58900 : g eq "index" ? 0xD55E00 : \
                 g eq "sums" ? 0x303030 : 0xD0D0D0

part(n, m, g) = strcol("network") eq n && strcol("method") eq m && group(strcol("component")) eq g && mine(0) \
                ? 100 * column(share) : 0
# Bars as "network row from to color total-or-empty".
far = 0
seen = ""
set print $bars
do for [i = 1 : n_networks] {
  do for [k = 1 : n_methods] {
    from = 0.0
    do for [g in groups] {
      stats path using (part(word(networks, i), word(methods, k), g)) nooutput
      if (STATS_sum > 0) {
        print sprintf("%d,%d,%.6f,%.6f,%d", i, n_methods - k, from, from + STATS_sum, \
                      group_color(g) + 0)
        from = from + STATS_sum
        seen = holds(seen, g) ? seen : seen . " " . g
      }
    }
    print sprintf("%d,%d,%.6f,,", -i, n_methods - k, from)
    far = from > far ? from : far
  }
}
unset print
unset datafile columnheaders

left_share = 200.0 / width
panel_share = (1 - left_share - 16.0 / width) / n_networks
set label 1 "{/:Bold=14 " . quantity . "}" at screen 0.5, screen 1 - 22.0 / height center \
    textcolor rgb ink
set label 2 "dense network = 100 %; every method at its heaviest pruning that loses at most " . \
    limit_text at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" \
    textcolor rgb 0x808080
set style fill solid 1.0 noborder
set multiplot
# The key, over the whole width.
set lmargin at screen 0.06
set rmargin at screen 0.97
set tmargin at screen 1 - 52.0 / height
set bmargin at screen 1 - 92.0 / height
unset border
unset tics
set xrange [0 : 1]
set yrange [0 : 1]
set key inside center top horizontal samplen 1 width 1 font ",9.5" textcolor rgb ink
plot for [g in seen] NaN with boxes lc rgb group_color(g) title group_name(g)
unset key
unset label 1
unset label 2
unset label 3
set border 3 lw 1 lc rgb ink
set yrange [-0.6 : n_methods - 0.4]
set xrange [0 : far * 1.16]
set format x "%g %%"
set xtics auto nomirror textcolor rgb ink
set grid xtics lc rgb 0xE4E4E4 lw 1 lt 1
set tmargin at screen 1 - 138.0 / height
set bmargin at screen 1 - (138.0 + 34.0 * n_methods) / height
do for [i = 1 : n_networks] {
  set lmargin at screen left_share + (i - 1) * panel_share + 0.006
  set rmargin at screen left_share + i * panel_share - 26.0 / width
  set title "{/:Bold " . plain(word(networks, i)) . "}" offset 0, -0.6 textcolor rgb ink
  unset ytics
  if (i == 1) {
    set ytics scale 0 nomirror ("" -1)
    do for [k = 1 : n_methods] {
      m = word(methods, k)
      set ytics add ((m eq "auto-prune" ? "{/:Bold " . display(m) . "}" : display(m)) n_methods - k)
    }
  }
  plot $bars using (0):($1 == i ? $2 : NaN):3:4:($2 - 0.36):($2 + 0.36):($1 == i ? $5 : 0) \
           with boxxyerror lc rgb variable notitle, \
       $bars using ($1 == -i ? $3 : NaN):2:(sprintf(" %.1f %%", $3)) with labels left font ",9.5" \
           textcolor rgb ink notitle
}
unset multiplot
unset output
