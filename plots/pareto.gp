# Accuracy over occupied crossbars: every recovered point of the bisections above (selection split),
# one-shot policies below (search split); lines join a method's points that none of its own beats.
home = ARG0
figure = "pareto"
file = "points.csv"
who = "method"
plots = system("dirname '" . home . "'")
load plots . "/grid.gp"
figure_width(n) = n == 1 ? 860 : 110 + 450 * across(n)
# The key takes as many rows as its names need; two of them fit anyway.
per_row(n) = int(figure_width(n) / 250)
key_extra(n, m) = m > 2 * per_row(n) ? 18 * (int((m + per_row(n) - 1) / per_row(n)) - 2) : 0
figure_height(n, m) = 112 + key_extra(n, m) + down(n) * 660
load plots . "/common.gp"
if (empty) { exit }
drawn = ""
do for [m in methods] { if (m ne "dense") { drawn = drawn . " " . m } }
of(n, m, k) = strcol("network") eq n && strcol("method") eq m && strcol("kind") eq k
x(n, m, k) = of(n, m, k) ? column("crossbars") : NaN
y(n, m, k) = of(n, m, k) ? 100 * column("accuracy") : NaN
front_x(n, m, k) = of(n, m, k) && !is_no(strcol("front")) ? column("crossbars") : NaN
front_y(n, m, k) = of(n, m, k) && !is_no(strcol("front")) ? 100 * column("accuracy") : NaN
dense_of(n, k) = strcol("network") eq n && strcol("kind") eq k ? 100 * column("dense_accuracy") : NaN
crossbars_of(n, k) = strcol("network") eq n && strcol("kind") eq k ? column("crossbars") : NaN

left_share = 84.0 / width
panel_share = (1 - left_share - 10.0 / width) / across(n_networks)
set label 1 "{/:Bold=14 Accuracy over occupied crossbars}" at screen 0.5, screen 1 - 22.0 / height \
    center textcolor rgb ink
set label 2 "lines: a method's points that none of its own beats; grey: dense, and dense less " . \
    limit_text at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 (n_seeds > 1 ? "drawn from points.csv, commit " . commit[1:12] . ", all seeds" : small_print) \
    at screen 0.995, screen 9.0 / height right font ",7.5" textcolor rgb 0x808080
set datafile missing NaN # rows of others do not cut a line
set multiplot
# The key, over the whole width.
set lmargin at screen 0.04
set rmargin at screen 0.98
set tmargin at screen 1 - 52.0 / height
extra = key_extra(n_networks, n_methods)
set bmargin at screen 1 - (96.0 + extra) / height
unset border
unset tics
set xrange [0 : 1]
set yrange [0 : 1]
set key inside center top horizontal samplen 1.5 width 1 font ",9.5" textcolor rgb ink
plot for [m in drawn] NaN with linespoints pt mark(m) ps 1.1 lw 2 lc rgb color(m) title display(m)
unset key
unset label 1
unset label 2
unset label 3
set border 3 lw 1 lc rgb ink
set tics nomirror textcolor rgb ink
set grid xtics ytics lc rgb 0xE4E4E4 lw 1 lt 1
do for [r = 1 : 2] {
  k = r == 1 ? "recovered" : "one-shot"
  do for [i = 1 : n_networks] {
    n = word(networks, i)
    unset logscale x
    set xrange [*:*]
    set yrange [*:*]
    stats path using (dense_of(n, k)) nooutput
    any = exists("STATS_max")
    dense = any ? STATS_max : 100
    stats path using (crossbars_of(n, k)) nooutput
    low_x = any ? 0.8 * (STATS_min < 1 ? 1 : STATS_min) : 1
    high_x = any ? 1.25 * STATS_max : 10
    top = 132.0 + extra + block_of(i) * 660 + (r - 1) * 330
    set lmargin at screen left_share + column_of(i) * panel_share
    set rmargin at screen left_share + (column_of(i) + 1) * panel_share - 64.0 / width
    set tmargin at screen 1 - top / height
    set bmargin at screen 1 - (top + 236) / height
    set title "{/:Bold " . plain(n) . "}, " . (r == 1 ? "recovered, selection split" : \
        "one shot, search split") offset 0, -0.6 textcolor rgb ink
    set logscale x
    set xrange [low_x : high_x]
    # One-shot fronts go down to chance: what matters is near the dense network.
    set yrange [dense - (r == 1 ? 6 : 12) * (limit > 0.01 ? 100 * limit : 1) : dense + 1.5]
    set xtics nomirror (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000) textcolor rgb ink
    unset mxtics
    set format x "%g"
    set format y "%g %%"
    set ytics auto nomirror textcolor rgb ink
    set xlabel "occupied crossbars" offset 0, 0.4 textcolor rgb ink
    if (column_of(i) == 0) { set ylabel "accuracy" textcolor rgb ink } else { unset ylabel }
    unset arrow
    set arrow 1 from graph 0, first dense to graph 1, first dense nohead lw 1.5 lc rgb pale back
    set arrow 2 from graph 0, first (dense - 100 * limit) to graph 1, first (dense - 100 * limit) \
        nohead dt 2 lw 1.5 lc rgb pale back
    unset label 5
    if (!any) { set label 5 "no value" at graph 0.5, graph 0.5 center textcolor rgb 0x808080 }
    plot for [m in drawn] path using (front_x(n, m, k)):(front_y(n, m, k)) smooth unique \
             with lines lw 1.8 lc rgb color(m) notitle, \
         for [m in drawn] path using (r == 1 ? x(n, m, k) : front_x(n, m, k)): \
             (r == 1 ? y(n, m, k) : front_y(n, m, k)) \
             with points pt mark(m) ps (r == 1 ? 1.2 : 0.7) lw 1.6 lc rgb color(m) notitle, \
         NaN notitle
  }
}
unset multiplot
unset output
