# Accuracy over the share of removed vectors, after each way of getting it back.
home = ARG0
figure = "recovery"
file = "recovery.csv"
who = "recovery"
figure_width(n) = n == 1 ? 860 : 130 + 480 * n
figure_height(n, m) = 520
load system("dirname '" . home . "'") . "/common.gp"
if (empty) { exit }

ways = ""
do for [w in "one-shot recalibrated repaired repaired+recalibrated repaired-in-sequence fine-tuned"] {
  if (holds(methods, w)) { ways = ways . " " . w }
}
hue(w) = w eq "one-shot" ? 0xD55E00 : w eq "recalibrated" ? 0xE69F00 : w eq "repaired" ? 0x56B4E9 : \
         w eq "repaired+recalibrated" ? 0x0072B2 : w eq "repaired-in-sequence" ? 0xCC79A7 : 0x009E73
spot(w) = w eq "one-shot" ? 6 : w eq "recalibrated" ? 9 : w eq "repaired" ? 11 : \
          w eq "repaired+recalibrated" ? 5 : w eq "repaired-in-sequence" ? 13 : 7
here(n, w) = strcol("network") eq n && strcol("recovery") eq w ? 100 * column("sparsity") : NaN
amount(n, w, c) = strcol("network") eq n && strcol("recovery") eq w ? 100 * column(c) : NaN
dense = NaN
see_dense(n) = (dense = strcol("network") eq n && strcol("recovery") eq "dense" ? \
                        100 * column("accuracy") : dense, 0)
images = 0
least = 100
most = 0
see_images(k) = (images = k > images ? k : images, 0)
see_share(s) = (least = s > 0 && s < least ? s : least, most = s > most ? s : most, 0)
stats path using (see_images(column("images")) + see_share(100 * column("sparsity"))) nooutput
width_of_range = most > least ? most - least : 1
left_share = 84.0 / width
panel_share = (1 - left_share - 10.0 / width) / n_networks
set label 1 "{/:Bold=14 Accuracy after pruning, and what brings it back}" \
    at screen 0.5, screen 1 - 22.0 / height center textcolor rgb ink
set label 2 sprintf("%d images of the ", images) . note("split") . " split; solid: in floats, dashed: " . \
    "quantised to the array's bits; grey: not pruned" \
    at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" textcolor rgb 0x808080
set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
set xrange [least - 0.08 * width_of_range : most + 0.08 * width_of_range]
set yrange [0 : 100]
set format x "%g %%"
set format y "%g %%"
set multiplot
# The key alone, as wide as the figure: beside one panel its names would not fit in a line.
set lmargin at screen 0
set rmargin at screen 1
set tmargin at screen 1 - 57.0 / height
set bmargin at screen 66.0 / height
set border 0
unset tics
set key at screen 0.5, screen 1 - 57.0 / height center top horizontal samplen 2 width 1 \
    textcolor rgb ink
plot for [w in ways] NaN with linespoints pt spot(w) ps 1.1 lw 2 lc rgb hue(w) title w
unset key
unset label 1
unset label 2
unset label 3
set border 3 lw 1 lc rgb ink
set tics nomirror
set xtics nomirror auto textcolor rgb ink
set ytics nomirror 20 textcolor rgb ink
do for [i = 1 : n_networks] {
  n = word(networks, i)
  dense = NaN
  stats path using (see_dense(n)) nooutput
  set lmargin at screen left_share + (i - 1) * panel_share
  set rmargin at screen left_share + i * panel_share - 44.0 / width
  set tmargin at screen 1 - 122.0 / height
  set bmargin at screen 66.0 / height
  set title "{/:Bold " . plain(n) . "}" offset 0, -0.6 textcolor rgb ink
  set xlabel "removed vectors of every pruned layer" offset 0, 0.2 textcolor rgb ink
  if (i == 1) { set ylabel "accuracy" textcolor rgb ink } else { unset ylabel }
  plot dense with lines lw 1.5 lc rgb 0x8A8A8A notitle, \
       for [w in ways] path using (here(n, w)):(amount(n, w, "quantised_accuracy")) \
           with lines dt 2 lw 1.5 lc rgb hue(w) notitle, \
       for [w in ways] path using (here(n, w)):(amount(n, w, "accuracy")) \
           with linespoints pt spot(w) ps 1.1 lw 2 lc rgb hue(w) notitle
}
unset multiplot
unset output
