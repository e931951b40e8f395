# Accuracy over the bits of the weights: all layers at one width, and each layer alone.
home = ARG0
figure = "bits"
file = "bits.csv"
who = "network"
layers_most = 0
figure_width(n) = n == 1 ? 860 : 130 + 480 * n
figure_height(n, m) = 480 + 22 * layers_most
see_layers(k) = (layers_most = k > layers_most ? k : layers_most, 0)
set datafile separator comma
set datafile columnheaders
if (!exists("results")) results = "."
stats results . "/" . file using (see_layers(column("layer_index"))) nooutput
load system("dirname '" . home . "'") . "/common.gp"
if (empty) { exit }

of(n) = strcol("network") eq n
uniform(n) = of(n) && strcol("layer") eq "all"
bits_of(n) = uniform(n) ? column("weight_bits") : NaN
amount(n, c) = uniform(n) ? 100 * column(c) : NaN
alone(n) = of(n) && strcol("layer") ne "all"
lost(n) = 100 * (column("float_accuracy") - column("accuracy"))
shade(v) = v < 0 ? 0 : v > 30 ? 30 : v
images = 0
see_images(k) = (images = k > images ? k : images, 0)
stats path using (see_images(column("images"))) nooutput
names = ""
see_name(n) = (names = alone(n) && column("weight_bits") == 8 ? names . " " . strcol("layer") : names, 0)

left_share = 150.0 / width
panel_share = (1 - left_share - 10.0 / width) / n_networks
top_of_map = 22.0 * layers_most + 96
set label 1 "{/:Bold=14 Accuracy over the bits of the weights}" \
    at screen 0.5, screen 1 - 22.0 / height center textcolor rgb ink
set label 2 sprintf("%d images of the ", images) . note("split") . " split; above: all layers; below: " . \
    "points lost with one layer at fewer bits, the others at 8" \
    at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" textcolor rgb 0x808080
set palette defined (0 "#ffffff", 6 "#fbd9a5", 30 "#d55e00")
set cbrange [0 : 30]
unset colorbox
set xrange [1.4 : 8.6]
set multiplot
do for [r = 1 : 2] {
  do for [i = 1 : n_networks] {
    n = word(networks, i)
    set lmargin at screen left_share + (i - 1) * panel_share
    set rmargin at screen left_share + i * panel_share - (i < n_networks ? 150.0 : 20.0) / width
    set tmargin at screen (r == 1 ? 1 - 100.0 / height : (top_of_map - 30) / height)
    set bmargin at screen (r == 1 ? (top_of_map + 12) / height : 66.0 / height)
    set xtics nomirror 2, 1, 8 textcolor rgb ink
    if (r == 1) {
      set title "{/:Bold " . plain(n) . "}" offset 0, -0.6 textcolor rgb ink
      set yrange [0 : 100]
      set format y "%g %%"
      set ytics nomirror 20 textcolor rgb ink
      set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
      if (i == 1) { set ylabel "accuracy" textcolor rgb ink } else { unset ylabel }
      unset xlabel
      if (i == n_networks) { set key inside right bottom samplen 2 textcolor rgb ink } else { unset key }
      plot path using (bits_of(n)):(amount(n, "float_accuracy")) with lines dt 2 lw 1.5 \
               lc rgb 0x8A8A8A title "in floats", \
           path using (bits_of(n)):(amount(n, "accuracy")) with linespoints pt 7 ps 1.1 lw 2 \
               lc rgb 0x0072B2 title "all layers"
    } else {
      names = ""
      stats path using (see_name(n)) nooutput
      unset title
      unset key
      unset grid
      unset ylabel
      set format y "%s"
      set yrange [words(names) + 0.5 : 0.5]
      set ytics nomirror scale 0 textcolor rgb ink
      set ytics () font ",8"
      do for [l = 1 : words(names)] { set ytics add (plain(word(names, l)) l) }
      set xlabel "bits of the weights" offset 0, 0.2 textcolor rgb ink
      plot path using (alone(n) ? column("weight_bits") : NaN):(column("layer_index")): \
               (column("weight_bits") - 0.5):(column("weight_bits") + 0.5): \
               (column("layer_index") - 0.5):(column("layer_index") + 0.5):(shade(lost(n))) \
               with boxxyerror fs solid 1 noborder lc palette notitle, \
           path using (alone(n) ? column("weight_bits") : NaN):(column("layer_index")): \
               (sprintf("%.1f", lost(n))) with labels font ",7.5" textcolor rgb ink notitle
    }
    unset label 1
    unset label 2
    unset label 3
  }
}
unset multiplot
unset output
