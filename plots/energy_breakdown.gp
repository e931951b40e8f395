# Energy of one inference by component.
home = ARG0
figure = "energy_breakdown"
quantity = "Where the energy goes"
share = "energy_of_dense"
load system("dirname '" . home . "'") . "/breakdown.gp"
