# How fast the searches find it: the largest compression within the search's loss limit over what the
# search has cost, mean over the seeds and 95 % interval.
home = ARG0
figure = "convergence"
file = "convergence.csv"
who = "method"
plots = system("dirname '" . home . "'")
load plots . "/grid.gp"
figure_width(n) = n == 1 ? 860 : 110 + 450 * across(n)
figure_height(n, m) = 92 + down(n) * 350
load plots . "/common.gp"
if (empty) { exit }
of(n, m) = strcol("network") eq n && strcol("method") eq m
x(n, m) = of(n, m) ? column("image_forwards") / 1000 : NaN
y(n, m, c) = of(n, m) ? column(c) : NaN
most_seeds = 0
see_count(k) = (most_seeds = k > most_seeds ? k : most_seeds, 0)
stats path using (see_count(column("n"))) nooutput
dash(m) = m eq "random" ? 3 : m eq "knapsack" ? 2 : m eq "evolution" ? 4 : 1

left_share = 84.0 / width
panel_share = (1 - left_share - 10.0 / width) / across(n_networks)
set label 1 "{/:Bold=14 What a search has found, over what it has cost}" at screen 0.5, \
    screen 1 - 22.0 / height center textcolor rgb ink
set label 2 "largest compression of crossbars within the search's limit, one shot, search split" . \
    (most_seeds > 1 ? sprintf("; mean of %d seeds, band: 95 %% interval", most_seeds) : "") \
    at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" \
    textcolor rgb 0x808080
set grid xtics ytics lc rgb 0xE4E4E4 lw 1 lt 1
set style fill transparent solid 0.15 noborder
set multiplot
# The key, over the whole width.
set lmargin at screen 0.06
set rmargin at screen 0.97
set tmargin at screen 1 - 52.0 / height
set bmargin at screen 1 - 84.0 / height
unset border
unset tics
unset grid
set xrange [0 : 1]
set yrange [0 : 1]
set key inside center top horizontal samplen 3 width 1 textcolor rgb ink
plot for [m in methods] NaN with lines lw 2.4 dt dash(m) lc rgb color(m) title display(m)
unset key
unset label 1
unset label 2
unset label 3
set border 3 lw 1 lc rgb ink
set grid xtics ytics lc rgb 0xE4E4E4 lw 1 lt 1
do for [i = 1 : n_networks] {
  n = word(networks, i)
  top = 112.0 + block_of(i) * 350
  set lmargin at screen left_share + column_of(i) * panel_share
  set rmargin at screen left_share + (column_of(i) + 1) * panel_share - 64.0 / width
  set tmargin at screen 1 - top / height
  set bmargin at screen 1 - (top + 250) / height
  set title "{/:Bold " . plain(n) . "}" offset 0, -0.6 textcolor rgb ink
  set xrange [*:*]
  set yrange [*:*]
  most = 1
  do for [m in methods] {
    stats path using (y(n, m, "compression")) nooutput
    if (exists("STATS_max") && STATS_max > most) { most = STATS_max }
  }
  set xrange [0 : *]
  set yrange [0 : 1.35 * most]
  set xtics auto nomirror textcolor rgb ink
  set ytics auto nomirror textcolor rgb ink
  set format x "%g k"
  set format y "%g×"
  set xlabel "image-forwards, dense-equivalent" offset 0, 0.3 textcolor rgb ink
  if (column_of(i) == 0) { set ylabel "compression of crossbars" textcolor rgb ink } else { unset ylabel }
  plot for [m in methods] path using (x(n, m)):(y(n, m, "compression_low")): \
           (y(n, m, "compression_high")) with filledcurves lc rgb color(m) notitle, \
       for [m in methods] path using (x(n, m)):(y(n, m, "compression")) \
           with lines lw 2.4 dt dash(m) lc rgb color(m) notitle
}
unset multiplot
unset output
