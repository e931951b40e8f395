ap_test(nn.evaluator SOURCES evaluator_test.c ROOMS nn)
