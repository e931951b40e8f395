/* autoprune-bench: every case of this folder under Google Benchmark's options. */
#include <stdio.h>

#include "bench/benchmark.h"
#include "bench/micro/micro_impl.h"

int main(int argc, char **argv) {
  ap_error err = {0};
  ap_status st = ap_micro_evaluator(&err);
  if (!st) st = ap_micro_conv(&err);
  if (!st) st = ap_micro_forms(&err);
  if (!st) st = ap_micro_mapper(&err);
  if (!st) st = ap_micro_agent(&err);
  if (!st) st = ap_micro_levels(&err);
  if (!st) st = ap_micro_lists(&err);
  if (!st) st = ap_micro_repair(&err);
  if (!st) st = ap_micro_gpu(&err);
  if (st) {
    (void)fprintf(stderr, "autoprune-bench: %s\n", err.text);
    return 1;
  }
  return ap_bench_main(argc, argv);
}
