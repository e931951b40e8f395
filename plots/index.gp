# What index tables cost over the length of the vector.
home = ARG0
figure = "index"
file = "index.csv"
who = "shape"
figure_width(n) = n == 1 ? 860 : 130 + 440 * n
figure_height(n, m) = 700
load system("dirname '" . home . "'") . "/common.gp"
if (empty) { exit }
here(n, m) = strcol("network") eq n && strcol("shape") eq m ? column("length") : NaN
amount(n, m, c) = strcol("network") eq n && strcol("shape") eq m ? 100 * column(c) : NaN
side(m) = m eq "row-vector" ? "row-vectors, 1 × length" : "column-vectors, length × 1"
left_share = 84.0 / width
panel_share = (1 - left_share - 10.0 / width) / n_networks
set label 1 "{/:Bold=14 Index tables over the length of the vector}" \
    at screen 0.5, screen 1 - 22.0 / height center textcolor rgb ink
set label 2 "each layer keeps " . sprintf("%.3g", 100 * real("0" . note("keep"))) . \
    " % of its weights; the cheapest of absolute, delta and bitmap for each layer" \
    at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" textcolor rgb 0x808080
set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
set logscale x 2
set xrange [0.8 : 80]
set format y "%g %%"
set multiplot
do for [r = 1 : 2] {
  do for [i = 1 : n_networks] {
    n = word(networks, i)
    set lmargin at screen left_share + (i - 1) * panel_share
    set rmargin at screen left_share + i * panel_share - 44.0 / width
    set tmargin at screen (r == 1 ? 1 - 112.0 / height : 0.5 - 26.0 / height)
    set bmargin at screen (r == 1 ? 0.5 + 4.0 / height : 70.0 / height)
    set yrange [0 : *]
    set xtics (1, 2, 4, 8, 16, 32, 64) textcolor rgb ink
    set ytics auto textcolor rgb ink
    if (r == 1) {
      set title "{/:Bold " . plain(n) . "}" offset 0, -0.6 textcolor rgb ink
      unset xlabel
    } else {
      unset title
      set xlabel "length of the vector, weights" offset 0, 0.3 textcolor rgb ink
    }
    if (i == 1) {
      set ylabel (r == 1 ? "index bits / stored weight bits" : "share of index tables") textcolor rgb ink
    } else {
      unset ylabel
    }
    if (r == 1 && i == n_networks || r == 2 && i == 1) {
      if (r == 1) {
        set key at screen 0.5, screen 1 - 57.0 / height center top horizontal samplen 2 width 2 textcolor rgb ink
      } else {
        set key inside right top samplen 2 textcolor rgb ink
      }
    } else {
      unset key
    }
    if (r == 1) {
      plot for [m in methods] path using (here(n, m)):(amount(n, m, "index_of_stored_bits")) \
          with linespoints pt mark(m) ps 1.1 lw 2 lc rgb color(m) title side(m)
    } else {
      plot for [m in methods] path using (here(n, m)):(amount(n, m, "index_of_area")) \
               with linespoints pt mark(m) ps 1.1 lw 2 lc rgb color(m) \
               title (m eq word(methods, 1) ? "of area" : ""), \
           for [m in methods] path using (here(n, m)):(amount(n, m, "index_of_energy")) \
               with linespoints pt mark(m) ps 1.1 lw 2 dt 2 lc rgb color(m) \
               title (m eq word(methods, 1) ? "of energy" : "")
    }
    unset label 1
    unset label 2
    unset label 3
  }
}
unset multiplot
unset output
