# Efficiencies under every converter law: what holds under one alone is a statement about that law.
home = ARG0
figure = "laws"
file = "laws.csv"
who = "method"
figure_width(n) = n == 1 ? 860 : 130 + 440 * n
figure_height(n, m) = 700
load system("dirname '" . home . "'") . "/common.gp"
if (empty) { exit }
drawn = ""
do for [m in methods] { if (m ne "dense") { drawn = drawn . " " . m } }
n_drawn = words(drawn)
laws = ""
see_law(s) = (laws = holds(laws, s) ? laws : laws . " " . s, 0)
stats path using (see_law(strcol("law"))) nooutput
n_laws = words(laws)
spread(m) = n_drawn > 1 ? 0.6 * ((place(drawn, m) - 1.0) / (n_drawn - 1) - 0.5) : 0
here(n, m) = strcol("network") eq n && strcol("method") eq m && mine(0) ? \
             place(laws, strcol("law")) + spread(m) : NaN
amount(n, m, c) = strcol("network") eq n && strcol("method") eq m && mine(0) ? column(c) : NaN

left_share = 84.0 / width
panel_share = (1 - left_share - 10.0 / width) / n_networks
set label 1 "{/:Bold=14 Efficiency over the dense network, by the law of the converter}" \
    at screen 0.5, screen 1 - 22.0 / height center textcolor rgb ink
set label 2 "one converter width; the laws differ in what a converter of that width costs beside its reference" \
    at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" textcolor rgb 0x808080
set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
set xrange [0.5 : n_laws + 0.5]
set format y "%g×"
set multiplot
# The key, over the whole width.
set lmargin at screen 0.06
set rmargin at screen 0.97
set tmargin at screen 1 - 52.0 / height
set bmargin at screen 1 - 92.0 / height
unset border
unset tics
unset grid
set yrange [0 : 1]
set key inside center top horizontal samplen 1 width 1 font ",9.5" textcolor rgb ink
plot for [m in drawn] NaN with points pt mark(m) ps 1.3 lw 2 lc rgb color(m) title display(m)
unset key
unset label 1
unset label 2
unset label 3
set border 3 lw 1 lc rgb ink
set grid ytics lc rgb 0xE4E4E4 lw 1 lt 1
set offsets 0, 0, graph 0.06, 0
do for [r = 1 : 2] {
  c = r == 1 ? "area_efficiency" : "energy_efficiency"
  do for [i = 1 : n_networks] {
    n = word(networks, i)
    set lmargin at screen left_share + (i - 1) * panel_share
    set rmargin at screen left_share + i * panel_share - 44.0 / width
    set tmargin at screen (r == 1 ? 1 - 126.0 / height : 0.5 - 36.0 / height)
    set bmargin at screen (r == 1 ? 0.5 - 4.0 / height : 56.0 / height)
    set yrange [0 : *]
    set xtics scale 0 nomirror ("" -1) textcolor rgb ink
    do for [k = 1 : n_laws] { set xtics add (word(laws, k) k) }
    set ytics auto nomirror textcolor rgb ink
    if (r == 1) { set title "{/:Bold " . plain(n) . "}" offset 0, -0.6 textcolor rgb ink } else { unset title }
    if (i == 1) {
      set ylabel (r == 1 ? "area efficiency" : "energy efficiency") textcolor rgb ink
    } else {
      unset ylabel
    }
    unset arrow
    do for [k = 1 : n_laws - 1] {
      set arrow from k + 0.5, graph 0 to k + 0.5, graph 1 nohead lw 1 lc rgb 0xE4E4E4 back
    }
    set arrow from graph 0, first 1 to graph 1, first 1 nohead lw 1.5 lc rgb pale back
    plot for [m in drawn] path using (here(n, m)):(amount(n, m, c)) with points pt mark(m) ps 1.3 \
        lw 2 lc rgb color(m) notitle
  }
}
unset multiplot
unset output
