# Panels of several networks: at most three side by side, the others below. Loaded after common.gp by the
# figures that use it; across(n) and down(n) may be used by figure_width and figure_height before.
across(n) = n > 3 ? 3 : (n < 1 ? 1 : n)
down(n) = n < 1 ? 1 : int((n + across(n) - 1) / across(n))
column_of(i) = (i - 1) % across(n_networks)
block_of(i) = int((i - 1) / across(n_networks))
