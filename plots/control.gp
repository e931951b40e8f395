# The negative control: which zeros the hardware can use.
home = ARG0
figure = "control"
file = "control.csv"
who = "case"
figure_width(n) = 1060
figure_height(n, m) = 120 + 270 * n
load system("dirname '" . home . "'") . "/common.gp"
if (empty) { exit }
shade(m) = m eq "array:scattered" ? 0xD55E00 : m eq "array:rows+columns" ? 0xE69F00 : \
           m eq "ou:scattered" ? 0x56B4E9 : 0x0072B2
form(m) = m eq "array:scattered" ? 4 : m eq "array:rows+columns" ? 5 : m eq "ou:scattered" ? 6 : 7
text_of(m) = m eq "array:scattered" ? "whole-array reads, scattered zeros" : \
             m eq "array:rows+columns" ? "whole-array reads, rows and columns" : \
             m eq "ou:scattered" ? "OU reads, scattered zeros" : \
             m eq "ou:column-vectors" ? "OU reads, column-vectors" : m
here(n, m) = strcol("network") eq n && strcol("case") eq m ? 100 * column("zeros") : NaN
amount(n, m, c) = strcol("network") eq n && strcol("case") eq m ? 100 * column(c) : NaN
set label 1 "{/:Bold=14 Negative control: which zeros the hardware can use}" \
    at screen 0.5, screen 1 - 22.0 / height center textcolor rgb ink
set label 2 "layers of the network's shapes, zeros drawn at random; everything relative to no zeros at all; for latency, layers use freed crossbars for copies of themselves" \
    at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" textcolor rgb 0x808080
set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
set format y "%g %%"
set format x "%g"
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
plot for [m in methods] NaN with linespoints pt form(m) ps 1.1 lw 2 lc rgb shade(m) title text_of(m)
unset key
unset label 1
unset label 2
unset label 3
set border 3 lw 1 lc rgb ink
set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
set tics nomirror textcolor rgb ink
set xrange [0 : 100]
set yrange [0 : 125]
set xtics 25 nomirror textcolor rgb ink
set ytics 25 nomirror textcolor rgb ink
do for [i = 1 : n_networks] {
  n = word(networks, i)
  do for [q = 1 : 3] {
    c = word("relative_area relative_latency_with_copies relative_energy", q)
    set lmargin at screen (84.0 + 326 * (q - 1)) / width
    set rmargin at screen (84.0 + 326 * (q - 1) + 290) / width
    set tmargin at screen 1 - (124.0 + 270 * (i - 1)) / height
    set bmargin at screen 1 - (124.0 + 270 * (i - 1) + 190) / height
    set title "{/:Bold " . plain(n) . "}: " . word("area latency energy", q) offset 0, -0.6 textcolor rgb ink
    if (q == 1) { set ylabel "left of the dense network" textcolor rgb ink } else { unset ylabel }
    set format y (q == 1 ? "%g %%" : "")
    set xlabel "weights that are zero, %" offset 0, 0.4 textcolor rgb ink
    plot for [m in methods] path using (here(n, m)):(amount(n, m, c)) with linespoints pt form(m) \
        ps 1.1 lw 2 lc rgb shade(m) notitle
  }
}
unset multiplot
unset output
