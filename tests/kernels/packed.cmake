ap_test(kernels.packed SOURCES packed_test.c ROOMS kernels TIMEOUT 600)
ap_test(kernels.packed_gather SOURCES packed_gather_test.c ROOMS kernels)
ap_test(kernels.packed_ops SOURCES packed_ops_test.c ROOMS kernels)
ap_test(kernels.packed8 SOURCES packed8_test.c ROOMS kernels TIMEOUT 600)
