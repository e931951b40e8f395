# Test accuracy of the dense and the pruned networks. Points, not bars: the axis does not begin at 0.
home = ARG0
figure = "accuracy"
if (!exists("results")) results = "."
who = "method"
plots = system("dirname '" . home . "'")
load plots . "/grid.gp"
load plots . "/seeds.gp"
figure_width(n) = n == 1 ? 980 : 330 + 420 * across(n)
block_height(m) = 36.0 * m + 96
figure_height(n, m) = 94 + down(n) * block_height(m)
load plots . "/common.gp"
if (empty) { exit }
if (has_summary) { stats path using (see_n(column("n"))) nooutput }

data_of = ""
see_data(w) = (data_of = holds(data_of, w) ? data_of : data_of . " " . w, 0)
stats path using (see_data(strcol("network") . "@" . strcol("data") . ",~" . \
                           strcol("crossbar"))) nooutput
pair(n) = word(data_of, place(networks, n))
behind(w, i) = substr(w, i, strlen(w))
tail(n) = behind(pair(n), strlen(n) + 2)
data(n) = tail(n)[1 : strstrt(tail(n), "~") - 1] . " " . behind(tail(n), strstrt(tail(n), "~") + 1)

percent(n, c) = strcol("network") eq n && shown(0) ? 100 * column(c) : NaN
least(n) = strcol("network") eq n ? 100 * low_of("accuracy_test") : NaN
most(n) = strcol("network") eq n ? 100 * high_of("accuracy_test") : NaN
# Behind the interval, or where the panel cuts it off.
label_at(n) = most(n) > high ? high : (most(n) > percent(n, "accuracy_test") ? most(n) : \
              percent(n, "accuracy_test"))
row(n) = n_methods - place(methods, strcol("method"))
hollow(n) = !within(0)

left_share = 200.0 / width
panel_share = (1 - left_share - 16.0 / width) / across(n_networks)
set label 1 "{/:Bold=14 Test accuracy of the dense and the pruned networks}" at screen 0.5, \
    screen 1 - 22.0 / height center textcolor rgb ink
set label 2 "every method at its heaviest pruning that loses at most " . limit_text . \
    " on the selection split; hollow: limit not met; the axis does not begin at 0" . \
    (n_of_seeds > 1 ? sprintf("\nmean of %d seeds, line: 95 %% interval of the mean", n_of_seeds) : "") \
    at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" \
    textcolor rgb 0x808080
unset key
set multiplot
do for [i = 1 : n_networks] {
  n = word(networks, i)
  set xrange [*:*]
  set yrange [*:*]
  stats path using (percent(n, "accuracy_test")) nooutput
  low = exists("STATS_max") ? STATS_min : 0
  high = exists("STATS_max") ? STATS_max : 1
  stats path using (percent(n, "dense_accuracy_test")) nooutput
  dense = exists("STATS_max") ? STATS_max : high
  if (dense - 100 * limit < low) { low = dense - 100 * limit }
  if (dense > high) { high = dense }
  span = high - low
  if (span < 0.5) { span = 0.5 }
  if (n_of_seeds > 1) { # intervals as far as the span once more on either side
    floor_of = low - span
    top_of = high + span
    stats path using (least(n) < floor_of ? floor_of : least(n)) nooutput
    if (exists("STATS_min") && STATS_min < low) { low = STATS_min }
    stats path using (most(n) > top_of ? top_of : most(n)) nooutput
    if (exists("STATS_max") && STATS_max > high) { high = STATS_max }
    span = high - low
  }
  top = 96.0 + block_of(i) * block_height(n_methods)
  set lmargin at screen left_share + column_of(i) * panel_share + 0.006
  set rmargin at screen left_share + (column_of(i) + 1) * panel_share - 34.0 / width
  set tmargin at screen 1 - top / height
  set bmargin at screen 1 - (top + 36 * n_methods) / height
  set title "{/:Bold " . plain(n) . "}, " . data(n) . " crossbars" offset 0, -0.6 textcolor rgb ink
  set xrange [low - 0.12 * span : high + 0.3 * span]
  set yrange [-0.6 : n_methods - 0.4]
  set format x "%g"
  set xtics auto font ",8.5" textcolor rgb ink
  set xlabel "test accuracy, %" textcolor rgb ink
  set grid xtics ytics lc rgb 0xE4E4E4 lw 1 lt 1
  set ytics scale 0 ("" -1)
  do for [k = 1 : n_methods] {
    m = word(methods, k)
    set ytics add ((column_of(i) > 0 ? "" : m eq "auto-prune" ? "{/:Bold " . display(m) . "}" : display(m)) \
        n_methods - k)
  }
  set object 1 rectangle from dense - 100 * limit, graph 0 to dense, graph 1 \
      fc rgb 0xF0F0F0 fs solid noborder behind
  set arrow 1 from dense, graph 0 to dense, graph 1 nohead lw 1.5 lc rgb 0x8A8A8A back
  set label 4 "grey band: within " . limit_text . " of dense" at screen left_share, \
      screen 9.0 / height left font ",8.5" textcolor rgb 0x606060
  plot path using (percent(n, "accuracy_test")):(row(n)):(least(n)):(most(n) > high ? high : most(n)): \
           (color(strcol("method"))) with xerrorbars pt 0 lw 1.6 lc rgb variable notitle, \
       path using (hollow(n) ? NaN : percent(n, "accuracy_test")):(row(n)): \
           (color(strcol("method"))) with points pt 7 ps 1.9 lc rgb variable notitle, \
       path using (hollow(n) ? percent(n, "accuracy_test") : NaN):(row(n)): \
           (color(strcol("method"))) with points pt 6 ps 1.7 lw 2.5 lc rgb variable notitle, \
       path using (label_at(n)): \
           (row(n)):(sprintf("   %.2f %%", percent(n, "accuracy_test"))) \
           with labels left font ",9.5" textcolor rgb ink notitle
  unset label 1
  unset label 2
  unset label 3
}
unset multiplot
unset output
