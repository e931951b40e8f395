ap_test(nn.gradient SOURCES gradient_test.c ROOMS nn)
ap_test(nn.infer SOURCES infer_test.c ROOMS nn)
ap_test(nn.train SOURCES train_test.c ROOMS nn)
