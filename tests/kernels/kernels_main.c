/* Usage: kernels_main BACKEND. Exit 77 when the backend is not available here. */
#include <stdio.h>
#include <string.h>

#include "tests/kernels/groups.h"
#include "tests/kernels/support.h"

#define SEED 20210614u

int main(int argc, char **argv) {
  ap_error err = {0};
  int failed = 0;
  ap_status st;
  if (argc != 2) {
    (void)fprintf(stderr, "usage: %s cpu|cpu-ref|cuda|cuda-tf32\n", argv[0]);
    return 2;
  }
  tested_name = argv[1];
  /* TF32 rounds inputs to 2^-11, float32 to 2^-24. */
  if (strcmp(tested_name, "cuda-tf32") == 0) product_rounding = 1000;
  st = ap_backend_open(tested_name, 2, &tested, &err);
  if (st == AP_ERR_UNSUPPORTED) {
    (void)printf("skipped: %s\n", err.text);
    return 77;
  }
  if (!st) st = ap_backend_open("cpu-ref", 1, &oracle, &err);
  if (st) {
    (void)fprintf(stderr, "%s\n", err.text);
    ap_backend_close(tested);
    return 1;
  }
  (void)printf("%s; seed %u\n", ap_backend_describe(tested), SEED);
  ap_rng_seed(&rng, SEED, 0);
  failed += run_compare_conv();
  failed += run_compare_rest();
  failed += run_compare_gate();
  failed += run_compare_norm();
  failed += run_gradients();
  failed += run_arguments();
  ap_backend_close(tested);
  ap_backend_close(oracle);
  return failed ? 1 : 0;
}
