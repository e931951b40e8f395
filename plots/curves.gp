# One layer pruned, the others whole: accuracy over what is left of it, one small figure a layer.
home = ARG0
figure = "curves"
file = "curves.csv"
who = "network"
per_row = 5
panel_h = 150
set datafile separator comma
set datafile columnheaders
if (!exists("results")) results = "."
seen = "" # "NETWORK|LAYER" of every panel, in the order of the file
see_panel(key) = (seen = strstrt(" " . seen . " ", " " . key . " ") > 0 ? seen : seen . " " . key, 0)
stats results . "/" . file using (see_panel(strcol("network") . "|" . strcol("layer"))) nooutput
network_of(key) = key[1 : strstrt(key, "|") - 1]
layer_of(key) = key[strstrt(key, "|") + 1 : strlen(key)]
# Every network begins a row of its own.
rows_of(k) = int((k + per_row - 1) / per_row)
panels_of(n) = sum [k = 1 : words(seen)] (network_of(word(seen, k)) eq n)
total_rows = 0
counted = ""
do for [key in seen] {
  if (strstrt(counted . " ", " " . network_of(key) . " ") == 0) {
    counted = counted . " " . network_of(key)
    total_rows = total_rows + rows_of(panels_of(network_of(key)))
  }
}
figure_width(n) = 960
figure_height(n, m) = 122 + 26 * n + panel_h * total_rows
load system("dirname '" . home . "'") . "/common.gp"
if (empty) { exit }

here(n, l, r) = strcol("network") eq n && strcol("layer") eq l && column("repaired") == r ? \
                100 * column("keep_vectors") : NaN
images = 0
see_images(k) = (images = k > images ? k : images, 0)
stats path using (see_images(column("images"))) nooutput
set label 1 "{/:Bold=14 What each layer can do without}" \
    at screen 0.5, screen 1 - 22.0 / height center textcolor rgb ink
set label 2 sprintf("accuracy on %d images of the ", images) . note("split") . \
    " split over the kept vectors of one layer, the others whole" \
    at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" textcolor rgb 0x808080
set multiplot
set lmargin at screen 0
set rmargin at screen 1
set tmargin at screen 1 - 57.0 / height
set bmargin at screen 66.0 / height
set border 0
unset tics
set key at screen 0.5, screen 1 - 57.0 / height center top horizontal samplen 2 width 1 \
    textcolor rgb ink
set xrange [0 : 100]
set yrange [0 : 100]
plot NaN with linespoints pt 6 ps 0.6 lw 1.6 lc rgb 0xD55E00 title "weights as they were", \
     NaN with linespoints pt 7 ps 0.6 lw 1.6 lc rgb 0x0072B2 title "repaired"
unset key
unset label 1
unset label 2
unset label 3
set border 3 lw 1 lc rgb ink
set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
set xtics nomirror 0, 50, 100 textcolor rgb ink font ",8"
set ytics nomirror 0, 50, 100 textcolor rgb ink font ",8"
set format x "%g %%"
set format y "%g %%"
top = 96
do for [n in networks] {
  set label 4 "{/:Bold " . plain(n) . "}" at screen 16.0 / width, screen 1 - (top + 8.0) / height \
      left textcolor rgb ink
  top = top + 26
  k = 0
  do for [key in seen] {
    if (network_of(key) eq n) {
      l = layer_of(key)
      at_left = 54.0 + (k % per_row) * (width - 60.0) / per_row
      at_top = top + int(k / per_row) * panel_h
      set lmargin at screen at_left / width
      set rmargin at screen (at_left + (width - 60.0) / per_row - 50.0) / width
      set tmargin at screen 1 - (at_top + 24.0) / height
      set bmargin at screen 1 - (at_top + panel_h - 32.0) / height
      set title plain(l) offset 0, -0.8 font ",8.5" textcolor rgb ink
      plot path using (here(n, l, 0)):(100 * column("accuracy")) with linespoints pt 6 ps 0.6 lw 1.6 \
               lc rgb 0xD55E00 notitle, \
           path using (here(n, l, 1)):(100 * column("accuracy")) with linespoints pt 7 ps 0.6 lw 1.6 \
               lc rgb 0x0072B2 notitle
      unset label 4
      k = k + 1
    }
  }
  top = top + panel_h * rows_of(k)
}
unset multiplot
unset output
