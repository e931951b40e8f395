# What every method keeps of each layer.
home = ARG0
figure = "layers"
file = "layers.csv"
who = "method"
figure_width(n) = 1100
figure_height(n, m) = 132 + 350 * n
load system("dirname '" . home . "'") . "/common.gp"
if (empty) { exit }

drawn = ""
do for [m in methods] { if (m ne "dense") { drawn = drawn . " " . m } }
n_drawn = words(drawn)
kept(n, m) = strcol("network") eq n && strcol("method") eq m && mine(0) ? 100 * column("keep_weights") : NaN
# Methods stand side by side within a layer, so that equal values do not hide each other.
spread(m) = n_drawn > 1 ? 0.56 * ((place(drawn, m) - 1.0) / (n_drawn - 1) - 0.5) : 0
index(n) = strcol("network") eq n ? column("layer_index") : NaN
at(n, m) = strcol("network") eq n && strcol("method") eq m && mine(0) ? column("layer_index") + spread(m) : NaN
names = ""
see_layer(n, i, s) = (names = strcol("network") ne n || holds(names, i . "@" . s) ? names : \
    names . " " . i . "@" . s, 0)
number_of(pair) = int(substr(pair, 1, strstrt(pair, "@") - 1))
name_of(pair) = substr(pair, strstrt(pair, "@") + 1, strlen(pair))

set label 1 "{/:Bold=14 Weights kept in each layer}" at screen 0.5, screen 1 - 22.0 / height \
    center textcolor rgb ink
set label 2 "every method at its heaviest pruning that loses at most " . limit_text . \
    " of accuracy on the selection split" at screen 0.5, screen 1 - 44.0 / height center \
    font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" \
    textcolor rgb 0x808080
set multiplot
do for [i = 1 : n_networks] {
  n = word(networks, i)
  names = ""
  set xrange [*:*]
  set yrange [*:*]
  stats path using (see_layer(n, strcol("layer_index"), strcol("layer"))) nooutput
  stats path using (index(n)) nooutput
  first = STATS_min
  last = STATS_max
  set lmargin at screen 92.0 / width
  set rmargin at screen 1 - 20.0 / width
  set tmargin at screen 1 - (134.0 + 350 * (i - 1)) / height
  set bmargin at screen 1 - (134.0 + 350 * (i - 1) + 236) / height
  set title "{/:Bold " . plain(n) . "}" offset 0, -0.6 textcolor rgb ink
  set xrange [first - 0.6 : last + 0.6]
  set yrange [0 : 105]
  set format y "%g %%"
  set ytics 20 textcolor rgb ink
  set ylabel "weights kept" textcolor rgb ink
  unset xtics
  every = int((last - first) / 24) + 1 # of many layers only some are named
  size = last - first > 16 ? 0.7 : 1.4
  longest = 0
  do for [pair in names] { longest = strlen(name_of(pair)) > longest ? strlen(name_of(pair)) : longest }
  if (longest * (last - first + 1) > 110) { # names that would touch each other are slanted
    set xtics scale 0 rotate by 40 right font ",8" ("" -1000) textcolor rgb ink
  } else {
    set xtics scale 0 norotate center font ",9.5" ("" -1000) textcolor rgb ink
  }
  do for [pair in names] {
    if ((number_of(pair) - int(first)) % every == 0) {
      set xtics add (name_of(pair) number_of(pair))
    }
  }
  set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
  unset arrow
  do for [k = int(first) : int(last) - 1 : every] {
    set arrow from k + 0.5, graph 0 to k + 0.5, graph 1 nohead lw 1 lc rgb 0xE4E4E4 back
  }
  if (i == 1) {
    set key at screen 0.5, screen 1 - 57.0 / height center top horizontal samplen 1 width 1 \
        textcolor rgb ink
  } else {
    unset key
  }
  plot for [m in drawn] path using (at(n, m)):(kept(n, m)) with impulses lw 1.5 \
           lc rgb (color(m) + 0xA0000000) notitle, \
       for [m in drawn] path using (at(n, m)):(kept(n, m)) with points pt mark(m) ps size lw 2 \
           lc rgb color(m) title display(m)
  unset label 1
  unset label 2
  unset label 3
}
unset multiplot
unset output
