# Ratios over the dense network when the loss limit, the crossbar or the OU is another one; every
# point is compared anew at equal accuracy loss.
home = ARG0
figure = "sensitivity"
file = "sensitivity.csv"
who = "method"
figure_width(n) = 1180
figure_height(n, m) = 96 + 620 * n
load system("dirname '" . home . "'") . "/common.gp"
if (empty) { exit }
drawn = ""
do for [m in methods] { if (m ne "dense") { drawn = drawn . " " . m } }
n_drawn = words(drawn)
axes = ""
see_axis(s) = (axes = holds(axes, s) ? axes : axes . " " . s, 0)
stats path using (see_axis(strcol("axis"))) nooutput
n_axes = words(axes)
axis_name(a) = a eq "max-loss" ? "accuracy loss allowed" : a eq "crossbar" ? "crossbar" : \
               a eq "ou" ? "operation unit" : a
value_name(a, v) = a eq "max-loss" ? sprintf("%g %%%%", 100 * real(v)) : v
most_seeds = 0
see_count(k) = (most_seeds = k > most_seeds ? k : most_seeds, 0)
stats path using (see_count(column("n"))) nooutput
spread(m) = n_drawn > 1 ? 0.3 * ((place(drawn, m) - 1.0) / (n_drawn - 1) - 0.5) : 0
of(n, a, m) = strcol("network") eq n && strcol("axis") eq a && strcol("method") eq m
x(n, a, m) = of(n, a, m) ? place(values, strcol("value")) + spread(m) : NaN
y(n, a, m, c) = of(n, a, m) ? column(c) : NaN

left_share = 84.0 / width
panel_share = (1 - left_share - 10.0 / width) / n_axes
set label 1 "{/:Bold=14 Over the dense network, at equal accuracy loss}" at screen 0.5, \
    screen 1 - 22.0 / height center textcolor rgb ink
set label 2 "one setting moved, the others the suite's; each point pruned, recovered and mapped anew" . \
    (most_seeds > 1 ? sprintf("; mean of %d seeds, 95 %% interval", most_seeds) : "") \
    at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" \
    textcolor rgb 0x808080
set datafile missing NaN # rows of others do not cut a line
set multiplot
# The key, over the whole width.
set lmargin at screen 0.06
set rmargin at screen 0.97
set tmargin at screen 1 - 52.0 / height
set bmargin at screen 1 - 84.0 / height
unset border
unset tics
set xrange [0 : 1]
set yrange [0 : 1]
set key inside center top horizontal samplen 2 width 1 textcolor rgb ink
plot for [m in drawn] NaN with linespoints pt mark(m) ps 1.2 lw 1.8 lc rgb color(m) title display(m)
unset key
unset label 1
unset label 2
unset label 3
set border 3 lw 1 lc rgb ink
do for [i = 1 : n_networks] {
  n = word(networks, i)
  do for [r = 1 : 3] {
    c = r == 1 ? "crossbars_compression" : r == 2 ? "area_efficiency" : "energy_efficiency"
    do for [k = 1 : n_axes] {
      a = word(axes, k)
      values = ""
      see_value(s) = (values = strcol("axis") ne a || holds(values, s) ? values : values . " " . s, 0)
      set xrange [*:*]
      set yrange [*:*]
      stats path using (see_value(strcol("value"))) nooutput
      top = 112.0 + (i - 1) * 620 + (r - 1) * 190
      set lmargin at screen left_share + (k - 1) * panel_share
      set rmargin at screen left_share + k * panel_share - 50.0 / width
      set tmargin at screen 1 - top / height
      set bmargin at screen 1 - (top + 150) / height
      if (r == 1) {
        set title "{/:Bold " . plain(n) . "}, by " . axis_name(a) offset 0, -0.6 textcolor rgb ink
      } else {
        unset title
      }
      highest = 1
      do for [m in drawn] {
        stats path using (y(n, a, m, c)) nooutput
        if (exists("STATS_max") && STATS_max > highest) { highest = STATS_max }
      }
      set xrange [0.5 : words(values) + 0.5]
      set yrange [0 : 1.3 * highest]
      set xtics scale 0 nomirror ("" -1) textcolor rgb ink
      if (r == 3) {
        do for [v = 1 : words(values)] { set xtics add (value_name(a, word(values, v)) v) }
      }
      set ytics auto nomirror textcolor rgb ink
      set format y "%g×"
      set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
      if (k == 1) {
        set ylabel (r == 1 ? "crossbars" : r == 2 ? "area efficiency" : "energy efficiency") \
            textcolor rgb ink
      } else {
        unset ylabel
      }
      set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead lw 1.5 lc rgb pale back
      plot for [m in drawn] path using (x(n, a, m)):(y(n, a, m, c)):(y(n, a, m, c . "_low")): \
               (y(n, a, m, c . "_high")) with yerrorbars pt 0 lw 1.4 lc rgb color(m) notitle, \
           for [m in drawn] path using (x(n, a, m)):(y(n, a, m, c)) smooth unique with lines lw 1.8 \
               lc rgb color(m) notitle, \
           for [m in drawn] path using (x(n, a, m)):(y(n, a, m, c)) with points pt mark(m) \
               ps 1.2 lw 1.8 lc rgb color(m) notitle
    }
  }
}
unset multiplot
unset output
