# Metrics over the commits of one machine, one small figure each: OUT/history-N.TERM, N = 1, 2, ...
#   gnuplot -e "results='DIR'; out='DIR'; term='svg'" plots/history.gp
# From DIR/history.csv (autoprune history export). Line: value or median; band: quartiles of the
# repetitions; marks where the verdict says that it moved (square), was explained (diamond), became
# slower (triangle down) or faster (triangle up), or may have (circle). Axes do not begin at 0.
if (!exists("results")) results = "."
if (!exists("out")) out = results
if (!exists("term")) term = "png"
path = results . "/history.csv"
set encoding utf8
set datafile separator comma
set datafile columnheaders
set datafile missing ""
system("mkdir -p '" . out . "'")

last = 0
see(n) = (last = n > last ? n : last, 0)
stats path using (see(column("panel"))) nooutput

ink = 0x303030    # the page of bench/nightly.sh gives these colours its own for dark screens
quiet = 0x707070
line_colour = 0x0072B2
band_colour = 0x56B4E9
bad_colour = 0xD55E00
good_colour = 0x009E73
doubt_colour = 0xE69F00

mine(p, value) = column("panel") == p ? value : NaN
marked(p, verdict) = column("panel") == p && strcol("verdict") eq verdict ? column("value") : NaN

do for [p = 1 : last] {
  set xrange [*:*] # stats looks only at what is inside
  set yrange [*:*]
  series = ""
  metric = ""
  unit = ""
  first = ""
  newest = ""
  look(s, m, u, c) = (series = s, metric = m, unit = u, first = first eq "" ? c : first, newest = c, 0)
  stats path using (column("panel") == p ? look(strcol("series"), strcol("metric"), \
      strcol("unit"), strcol("commit")) : NaN) nooutput
  stats path using (mine(p, column("low"))) nooutput
  low = STATS_min
  stats path using (mine(p, column("high"))) nooutput
  high = STATS_max
  stats path using (mine(p, column("place"))) nooutput
  left = STATS_min
  right = STATS_max
  span = high - low
  if (span <= 0) { span = abs(high) > 0 ? 0.1 * abs(high) : 1 }

  if (term eq "svg") {
    set terminal svg size 460, 190 font "DejaVu Sans,Arial,sans-serif,11"
  } else {
    set terminal png size 460, 190
  }
  set output sprintf("%s/history-%d.%s", out, p, term)
  set border 3 lw 1 lc rgb quiet
  set tics nomirror textcolor rgb quiet font ",9"
  set lmargin 10
  set rmargin 2
  set tmargin 3.4
  set bmargin 2
  unset key
  set label 1 series at screen 0.02, screen 0.93 left textcolor rgb ink font ",10" noenhanced
  set label 2 metric . (strlen(unit) ? ", " . unit : "") at screen 0.02, screen 0.84 left \
      textcolor rgb quiet font ",9" noenhanced
  set xrange [left - 0.5 : right + 0.5]
  set yrange [low - 0.25 * span : high + 0.25 * span]
  unset xtics
  set xtics scale 0 (first[1:7] left)
  if (right > left) { set xtics add (newest[1:7] right) }
  set ytics 10 ** floor(log10(span)) * (span / 10 ** floor(log10(span)) > 5 ? 4 : \
      span / 10 ** floor(log10(span)) > 2.5 ? 2 : span / 10 ** floor(log10(span)) > 1.2 ? 1 : 0.5)
  set format y "%.4g"
  set style fill solid 0.25 noborder
  plot path using (mine(p, column("place"))):(column("low")):(column("high")) \
         with filledcurves lc rgb band_colour notitle, \
       path using (mine(p, column("place"))):(column("value")) with steps lw 1.6 \
         lc rgb line_colour notitle, \
       path using (mine(p, column("place"))):(column("value")) with points pt 7 ps 0.4 \
         lc rgb line_colour notitle, \
       path using (column("place")):(marked(p, "moved")) with points pt 5 ps 1.1 \
         lc rgb bad_colour notitle, \
       path using (column("place")):(marked(p, "slower")) with points pt 11 ps 1.3 \
         lc rgb bad_colour notitle, \
       path using (column("place")):(marked(p, "faster")) with points pt 9 ps 1.3 \
         lc rgb good_colour notitle, \
       path using (column("place")):(marked(p, "explained")) with points pt 13 ps 1.3 \
         lc rgb good_colour notitle, \
       path using (column("place")):(marked(p, "ambiguous")) with points pt 6 ps 1.2 lw 1.6 \
         lc rgb doubt_colour notitle
  unset output
}
