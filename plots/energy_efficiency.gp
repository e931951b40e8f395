# Energy efficiency. The published ratio: AUTO-PRUNE (ICS'21), abstract: up to 3.3 times over the
# state of the art.
home = ARG0
figure = "energy_efficiency"
quantity = "Energy efficiency: energy an inference of the baseline / of the method"
over_dense = "energy_efficiency"
over_pim = "energy_efficiency_vs_pim"
published = 3.3
load system("dirname '" . home . "'") . "/bars.gp"
