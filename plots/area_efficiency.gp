# Area efficiency. The published ratio: AUTO-PRUNE (ICS'21), abstract: up to 3.1 times over the
# state of the art.
home = ARG0
figure = "area_efficiency"
quantity = "Area efficiency: area of the baseline / area of the method"
over_dense = "area_efficiency"
over_pim = "area_efficiency_vs_pim"
published = 3.1
load system("dirname '" . home . "'") . "/bars.gp"
