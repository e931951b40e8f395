# Compression rate of occupied crossbars. The published ratio: AUTO-PRUNE (ICS'21), abstract: up to
# 3.3 times over the state of the art.
home = ARG0
figure = "compression"
quantity = "Compression rate of occupied crossbars"
over_dense = "crossbars_compression"
over_pim = "compression_vs_pim"
published = 3.3
load system("dirname '" . home . "'") . "/bars.gp"
