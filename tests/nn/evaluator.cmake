# The double-precision backend that it compares with is slow under sanitizers.
ap_test(nn.evaluator SOURCES evaluator_test.c ROOMS nn TIMEOUT 600)
