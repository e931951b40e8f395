# Means over seeds with their 95 % intervals (summary.csv), or the rows of one seed (table.csv of a folder that
# has no summary). Loaded before common.gp by the figures that draw either.
has_summary = system("test -f '" . results . "/summary.csv' && echo 1") eq "1"
file = has_summary ? "summary.csv" : "table.csv"
within(unused) = has_summary ? column("within_limit") >= 1 : !is_no(strcol("feasible"))
low_of(c) = has_summary ? column(c . "_low") : NaN
high_of(c) = has_summary ? column(c . "_high") : NaN
shown(unused) = has_summary ? 1 : mine(0)
n_of_seeds = 0
see_n(k) = (n_of_seeds = k > n_of_seeds ? k : n_of_seeds, 0)
