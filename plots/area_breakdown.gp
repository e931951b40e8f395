# Area by component.
home = ARG0
figure = "area_breakdown"
quantity = "Where the area goes"
share = "area_of_dense"
load system("dirname '" . home . "'") . "/breakdown.gp"
