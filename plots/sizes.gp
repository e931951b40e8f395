# Compression and energy over the size of crossbars (left) and of operation units (right).
home = ARG0
figure = "sizes"
file = "sizes.csv"
who = "method"
figure_width(n) = 1060
figure_height(n, m) = 118 + 2 * 250 * n
load system("dirname '" . home . "'") . "/common.gp"
if (empty) { exit }
set datafile missing NaN # rows of other methods lie between: the lines go on
shade(m) = m eq "unstructured" ? 0xCC79A7 : color(m)
form(m) = m eq "unstructured" ? 6 : m eq "dense" ? 2 : mark(m)
label_of(m) = m eq "unstructured" ? "single weights" : m eq "row-vector" ? "row-vectors" : \
              m eq "column-vector" ? "column-vectors" : display(m)
# Sizes of each axis in the order of the file.
crossbars = ""
units = ""
grow(list, item) = holds(list, item) ? list : list . " " . item
see_size(a, c, u) = (crossbars = a eq "crossbar" ? grow(crossbars, c) : crossbars, \
                     units = a eq "ou" ? grow(units, u) : units, 0)
stats path using (see_size(strcol("axis"), strcol("crossbar"), strcol("ou"))) nooutput
sizes(a) = a eq "crossbar" ? crossbars : units
here(n, m, a) = strcol("network") eq n && strcol("method") eq m && strcol("axis") eq a ? \
                place(sizes(a), strcol(a)) : NaN
amount(n, m, a, c) = strcol("network") eq n && strcol("method") eq m && strcol("axis") eq a ? \
                    column(c) : NaN
set label 1 "{/:Bold=14 The size of crossbars and of operation units}" \
    at screen 0.5, screen 1 - 22.0 / height center textcolor rgb ink
set label 2 "every method keeps " . sprintf("%.3g", 100 * real("0" . note("keep"))) . \
    " % of each layer's weights, chosen by magnitude; exact converters, which widen with the OU" \
    at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" textcolor rgb 0x808080
set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
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
set key inside center top horizontal samplen 2 width 1 font ",9.5" textcolor rgb ink
plot for [m in methods] NaN with linespoints pt form(m) ps 1.1 lw 2 lc rgb shade(m) title label_of(m)
unset key
unset label 1
unset label 2
unset label 3
set border 3 lw 1 lc rgb ink
set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
set tics nomirror textcolor rgb ink
set offsets 0, 0, graph 0.06, 0
do for [i = 1 : n_networks] {
  n = word(networks, i)
  do for [q = 1 : 2] {
    c = q == 1 ? "crossbars_compression" : "energy_uj"
    top = 116.0 + 500 * (i - 1) + 250 * (q - 1)
    do for [s = 1 : 2] {
      a = s == 1 ? "crossbar" : "ou"
      count = words(sizes(a))
      if (count == 0) { continue }
      set lmargin at screen (s == 1 ? 84.0 : 84.0 + 494) / width
      set rmargin at screen (s == 1 ? 84.0 + 420 : 1040.0) / width
      set tmargin at screen 1 - top / height
      set bmargin at screen 1 - (top + 180) / height
      set xrange [0.6 : count + 0.4]
      set yrange [0 : *]
      set xtics scale 0 nomirror ("" -1) textcolor rgb ink
      do for [k = 1 : count] { set xtics add (word(sizes(a), k) k) }
      set xlabel (q == 2 ? (a eq "ou" ? "operation unit" : "crossbar") : "") offset 0, 0.4 \
          textcolor rgb ink
      set title (q == 1 ? "{/:Bold " . plain(n) . "}: " . (a eq "ou" ? "operation unit" : "crossbar") : "") \
          offset 0, -0.6 textcolor rgb ink
      set format y (q == 1 ? "%g×" : "%g")
      set ytics auto nomirror textcolor rgb ink
      if (s == 1) {
        set ylabel (q == 1 ? "compression of crossbars" : "energy, µJ an inference") textcolor rgb ink
      } else {
        unset ylabel
      }
      plot for [m in methods] path using (here(n, m, a)):(amount(n, m, a, c)) with linespoints \
          pt form(m) ps 1.1 lw 2 lc rgb shade(m) notitle
    }
  }
}
unset multiplot
unset output
