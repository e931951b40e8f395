# Reward and compression of every candidate of the searches, and the best so far.
home = ARG0
figure = "episodes"
file = "episodes.csv"
who = "searcher"
figure_width(n) = n == 1 ? 860 : 130 + 480 * n
figure_height(n, m) = 680
load system("dirname '" . home . "'") . "/common.gp"
if (empty) { exit }

of(n, s) = strcol("network") eq n && strcol("searcher") eq s && mine(0)
when(n, s) = of(n, s) ? column("episode") : NaN
best = NaN
# Largest value so far of the series that is being drawn; begins anew with each series.
series = ""
rise_in(key, x) = (best = key eq series ? best : NaN, series = key, x)
rise(here, x) = (best = x == x && (best != best || x > best) ? x : best, here ? best : NaN)
reward(n, s) = of(n, s) ? column("reward") : NaN
rate(n, s) = of(n, s) ? column("compression") : NaN
good(n, s) = of(n, s) && !is_no(strcol("feasible")) ? column("compression") : NaN
shade(s) = s eq "random" ? 0xCC79A7 : s eq "knapsack" ? 0x000000 : s eq "evolution" ? 0x6A3D9A : 0x009E73
spot(s) = s eq "random" ? 6 : s eq "knapsack" ? 3 : s eq "evolution" ? 4 : 7
clear(s) = shade(s) + 0x80000000

left_share = 84.0 / width
panel_share = (1 - left_share - 10.0 / width) / n_networks
set label 1 "{/:Bold=14 The search: one policy an episode, judged without fine-tuning}" \
    at screen 0.5, screen 1 - 22.0 / height center textcolor rgb ink
set label 2 "points: candidates (search split); lines: best so far, for compression among those " . \
    "within the search's loss limit" at screen 0.5, screen 1 - 44.0 / height center \
    font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" \
    textcolor rgb 0x808080
set grid xtics ytics lc rgb 0xE4E4E4 lw 1 lt 1
set multiplot
do for [r = 1 : 2] {
  do for [i = 1 : n_networks] {
    n = word(networks, i)
    set lmargin at screen left_share + (i - 1) * panel_share
    set rmargin at screen left_share + i * panel_share - 44.0 / width
    set tmargin at screen (r == 1 ? 1 - 112.0 / height : 0.5 - 26.0 / height)
    set bmargin at screen (r == 1 ? 0.5 + 4.0 / height : 70.0 / height)
    set xrange [0 : *]
    if (r == 1) { set yrange [* : *] } else { set yrange [0 : *] }
    if (r == 1) { set offsets 0, 0, graph 0.05, graph 0.05 } else { set offsets 0, 0, graph 0.05, 0 }
    set xtics auto textcolor rgb ink
    set ytics auto textcolor rgb ink
    if (r == 1) {
      set title "{/:Bold " . plain(n) . "}" offset 0, -0.6 textcolor rgb ink
      unset xlabel
      set format x ""
      set format y "%g"
    } else {
      unset title
      set xlabel "episode" offset 0, 0.3 textcolor rgb ink
      set format x "%g"
      set format y "%g×"
    }
    if (i == 1) {
      set ylabel (r == 1 ? "reward" : "compression of crossbars") textcolor rgb ink
    } else {
      unset ylabel
    }
    if (r == 1 && i == n_networks) {
      set key at screen 0.5, screen 1 - 57.0 / height center top horizontal samplen 2 width 2 \
          textcolor rgb ink
    } else {
      unset key
    }
    if (r == 1) {
      plot for [s in methods] path using (when(n, s)):(reward(n, s)) \
               with points pt spot(s) ps 0.5 lc rgb clear(s) notitle, \
           for [s in methods] path using (rise_in(s . n . r, when(n, s))): \
               (rise(of(n, s), reward(n, s))) \
               with steps lw 2.4 lc rgb shade(s) title display(s)
    } else {
      plot for [s in methods] path using (when(n, s)):(rate(n, s)) \
               with points pt spot(s) ps 0.5 lc rgb clear(s) notitle, \
           for [s in methods] path using (rise_in(s . n . r, when(n, s))): \
               (rise(of(n, s), good(n, s))) \
               with steps lw 2.4 lc rgb shade(s) title display(s)
    }
    unset label 1
    unset label 2
    unset label 3
  }
}
unset multiplot
unset output
