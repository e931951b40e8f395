# Accuracy of the hardware over the width of its converters.
home = ARG0
figure = "converter"
file = "converter.csv"
title_text = "Accuracy over converter bits"
x_label = "converter bits (the last: exact, no sum is cut)"
x_of = "adc_bits"
load system("dirname '" . home . "'") . "/accuracy_curve.gp"
if (empty) { exit }
set xtics 1
set xrange [0.7 : *]
set offsets 0, 0.3, 0, 0
plot for [i = 1 : n_networks] path using (here(word(networks, i))): \
         (amount(word(networks, i), "quantised_accuracy")) with lines dt 2 lw 1.5 lc rgb hue(i) notitle, \
     for [i = 1 : n_networks] path using (here(word(networks, i))): \
         (amount(word(networks, i), "accuracy")) with linespoints pt spot(i) ps 1.2 lw 2 lc rgb hue(i) \
         title word(networks, i) noenhanced
unset output
