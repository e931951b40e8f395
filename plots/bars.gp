# One quantity of a comparison as bars: against the dense network above, against PIM-Prune-like below,
# where the paper's published "up to" ratio over the state of the art is drawn for comparison.
# Set by the figure: figure, quantity, over_dense and over_pim (columns), published (ratio).
if (!exists("results")) results = "."
who = "method"
plots = system("dirname '" . home . "'")
load plots . "/grid.gp"
load plots . "/seeds.gp"
figure_width(n) = n == 1 ? 980 : 330 + 420 * across(n)
block_height(m) = 2 * (34.0 * m + 86)
figure_height(n, m) = 62 + down(n) * block_height(m)
load plots . "/common.gp"
if (empty) { exit }
if (has_summary) { stats path using (see_n(column("n"))) nooutput }

data_of = ""
see_data(w) = (data_of = holds(data_of, w) ? data_of : data_of . " " . w, 0)
stats path using (see_data(strcol("network") . "@" . strcol("data") . ",~" . \
                           strcol("crossbar"))) nooutput
pair(n) = word(data_of, place(networks, n))
behind(w, i) = substr(w, i, strlen(w))
tail(n) = behind(pair(n), strlen(n) + 2)
data(n) = tail(n)[1 : strstrt(tail(n), "~") - 1] . " " . behind(tail(n), strstrt(tail(n), "~") + 1)

amount(n, c) = strcol("network") eq n && shown(0) ? column(c) : NaN
low(n, c) = strcol("network") eq n ? (low_of(c) < 0 ? 0 : low_of(c)) : NaN
high(n, c) = strcol("network") eq n ? high_of(c) : NaN
cut(x, most) = x > most ? most : x
row(n) = n_methods - place(methods, strcol("method"))
hollow(n) = !within(0)

set multiplot
left_share = 200.0 / width
panel_share = (1 - left_share - 16.0 / width) / across(n_networks)
top_of(r, b) = 1 - (96.0 + b * block_height(n_methods) + (r - 1) * 0.5 * block_height(n_methods)) / height
tall = 34.0 * n_methods / height

set label 1 "{/:Bold=14 " . quantity . "}" at screen 0.5, screen 1 - 22.0 / height center \
    textcolor rgb ink
set label 2 "every method at its heaviest pruning that loses at most " . limit_text . \
    " of accuracy on the selection split; hollow: limit not met" . \
    (n_of_seeds > 1 ? sprintf("\nmean of %d seeds, line: 95 %% interval of the mean", n_of_seeds) : "") \
    at screen 0.5, screen 1 - 44.0 / height center font ",9.5" textcolor rgb 0x606060
set label 3 small_print at screen 0.995, screen 9.0 / height right font ",7.5" \
    textcolor rgb 0x808080
unset key
set style fill solid 1.0 border
set boxwidth 0.72

do for [r = 1 : 2] {
  c = r == 1 ? over_dense : over_pim
  do for [i = 1 : n_networks] {
    n = word(networks, i)
    set xrange [*:*]
    set yrange [*:*]
      stats path using (amount(n, c)) nooutput
    far = exists("STATS_max") && STATS_max > 0 ? STATS_max : 1
    any = exists("STATS_max")
    # Intervals are drawn as far as twice the longest bar; one that goes further has its end in words.
    most = 2.0 * far
    longest = far
    if (n_of_seeds > 1 && any) {
      stats path using (cut(high(n, c), most)) nooutput
      if (exists("STATS_max") && STATS_max > longest) { longest = STATS_max }
    }
    if (r == 2 && longest < published) { longest = published }
    set lmargin at screen left_share + column_of(i) * panel_share + 0.006
    set rmargin at screen left_share + (column_of(i) + 1) * panel_share - 26.0 / width
    set tmargin at screen top_of(r, block_of(i))
    set bmargin at screen top_of(r, block_of(i)) - tall
    set title (r == 1 ? "{/:Bold " . plain(n) . "}, " . data(n) . ": over the dense network" : \
        plain(n) . ": over PIM-Prune-like") offset 0, -0.6 textcolor rgb ink
    set xrange [0 : longest * 1.22]
    set yrange [-0.6 : n_methods - 0.4]
    set format x "%g×"
    set xtics auto textcolor rgb ink
    set grid xtics lc rgb 0xE4E4E4 lw 1 lt 1
    unset ytics
    unset arrow
    unset label 4
    unset label 5
    if (!any) {
      set label 5 "no value" at graph 0.5, graph 0.5 center textcolor rgb 0x808080
    }
    if (column_of(i) == 0) {
      set ytics scale 0 ("" -1)
      do for [k = 1 : n_methods] {
        m = word(methods, k)
        set ytics add ((m eq "auto-prune" ? "{/:Bold " . display(m) . "}" : display(m)) \
            n_methods - k)
      }
    }
    set arrow 1 from 1, graph 0 to 1, graph 1 nohead lw 1.5 lc rgb pale back
    if (r == 2) {
      set label 4 sprintf("paper: up to %.1f× ", published) at published, graph 1.0 right \
          offset 0, -0.5 font ",8.5" textcolor rgb ink front
    }
    set style textbox opaque noborder margins 0.2, 0.2 fillcolor rgb 0xFFFFFF # labels cover the mark
    plot path using (0):(row(n)):(0):(amount(n, c)):(row(n) - 0.36):(row(n) + 0.36): \
             (color(strcol("method"))) with boxxyerror lc rgb variable notitle, \
         path using (0):(row(n)):(0):(hollow(n) ? amount(n, c) - 0.005 * longest : NaN): \
             (row(n) - 0.29):(row(n) + 0.29) \
             with boxxyerror fs solid noborder lc rgb 0xFFFFFF notitle, \
         path using (amount(n, c)):(row(n)):(low(n, c)):(cut(high(n, c), most)) \
             with xerrorbars pt 0 lw 1.6 lc rgb 0x606060 notitle, \
         path every ::0::0 using (r == 2 ? published : NaN):(-0.6):(0):(n_methods + 0.2) \
             with vectors nohead dt 2 lw 1.6 lc rgb ink notitle, \
         path using (high(n, c) > amount(n, c) ? cut(high(n, c), most) : amount(n, c)):(row(n)): \
             (high(n, c) > most ? sprintf("%.2f× (to %.1f)", amount(n, c), high(n, c)) : \
              sprintf("%.2f×", amount(n, c))) \
             with labels left boxed offset 0.5, 0 font ",9.5" textcolor rgb ink notitle
    unset label 1
    unset label 2
    unset label 3
  }
}
unset multiplot
unset output
