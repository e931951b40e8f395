/* tests/kernels/groups.h - the groups of tests of the backends; each returns CMocka's failures. */
#ifndef AP_TESTS_KERNELS_GROUPS_H
#define AP_TESTS_KERNELS_GROUPS_H

int run_compare_conv(void);
int run_compare_rest(void);
int run_compare_gate(void);
int run_compare_norm(void);
int run_gradients(void);
int run_arguments(void);

#endif
