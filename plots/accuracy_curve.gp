# What the two figures of accuracies share: one curve a network, its quantised accuracy as a dashed line.
# Set by the figure: figure, file, title_text, x_label, x_of (column).
who = "network"
figure_width(n) = 860
figure_height(n, m) = 480
plots = system("dirname '" . home . "'")
load plots . "/common.gp"
if (!empty) {
  hue(i) = word("0x0072B2 0xD55E00 0x009E73 0xCC79A7 0xE69F00 0x56B4E9 0x404040", (i - 1) % 7 + 1) + 0
  spot(i) = int(word("7 5 9 13 11 6 4", (i - 1) % 7 + 1))
  here(n) = strcol("network") eq n ? column(x_of) : NaN
  amount(n, c) = strcol("network") eq n ? 100 * column(c) : NaN
  images = 0
  see_images(k) = (images = k > images ? k : images, 0)
  stats path using (see_images(column("images"))) nooutput
  set label 1 "{/:Bold=14 " . title_text . "}" at screen 0.5, screen 1 - 22.0 / height center \
      textcolor rgb ink
  set label 2 sprintf("%d images of the ", images) . note("split") . \
      " split through the bit-exact data path; dashed: the quantised network" \
      at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
  set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" \
      textcolor rgb 0x808080
  set lmargin at screen 84.0 / width
  set rmargin at screen 1 - 30.0 / width
  set tmargin at screen 1 - 104.0 / height
  set bmargin at screen 66.0 / height
  set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
  set format y "%g %%"
  set yrange [0 : 100]
  set ytics 20 textcolor rgb ink
  set ylabel "accuracy" textcolor rgb ink
  set xlabel x_label offset 0, 0.2 textcolor rgb ink
  set xtics auto textcolor rgb ink
  set key at screen 0.5, screen 1 - 57.0 / height center top horizontal samplen 2 width 1 \
      textcolor rgb ink
}
