# Accuracy of the hardware over the variation of its cells, with the 95 % interval of the mean.
home = ARG0
figure = "devices"
file = "devices.csv"
title_text = "Accuracy over conductance variation"
x_label = "sigma of the log-normal variation of a cell's conductance"
x_of = "sigma"
load system("dirname '" . home . "'") . "/accuracy_curve.gp"
if (empty) { exit }
set xrange [-0.01 : 0.51]
plot for [i = 1 : n_networks] path using (here(word(networks, i))): \
         (amount(word(networks, i), "quantised_accuracy")) with lines dt 2 lw 1.5 lc rgb hue(i) notitle, \
     for [i = 1 : n_networks] path using (here(word(networks, i))): \
         (amount(word(networks, i), "accuracy")):(amount(word(networks, i), "accuracy_low")): \
         (amount(word(networks, i), "accuracy_high")) with yerrorbars pt spot(i) ps 0.1 lw 1.5 \
         lc rgb hue(i) notitle, \
     for [i = 1 : n_networks] path using (here(word(networks, i))): \
         (amount(word(networks, i), "accuracy")) with linespoints pt spot(i) ps 1.2 lw 2 lc rgb hue(i) \
         title word(networks, i) noenhanced
unset output
