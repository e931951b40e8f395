/* autoprune-bench: every case of this folder under Google Benchmark's options, and the evaluator's cases of model files. */
#include <stdio.h>
#include <string.h>

#include "bench/benchmark.h"
#include "bench/micro/micro_impl.h"

static const char option[] = "--model=";
static const char help[] =
    "autoprune-bench: docs/BENCHMARKS.md. Besides the options below:\n"
    "  --model=FILE   the evaluator's cases of a model (.onnx, .apm), too; may be repeated\n"
    "example: autoprune-bench --model=r50.onnx --benchmark_filter=^evaluator/r50/\n\n";

/* Takes --model=FILE (as often as there are) out of the arguments. */
static ap_status take_models(int *argc, char **argv, ap_error *err) {
  ap_status st = AP_OK;
  int kept = 1;
  for (int i = 1; i < *argc && !st; i++) {
    if (strcmp(argv[i], "--help") == 0) (void)fputs(help, stdout);
    if (strncmp(argv[i], option, sizeof option - 1) != 0)
      argv[kept++] = argv[i];
    else
      st = ap_micro_evaluator_model(argv[i] + sizeof option - 1, err);
  }
  argv[kept] = NULL;
  *argc = kept;
  return st;
}

int main(int argc, char **argv) {
  ap_error err = {0};
  ap_status st = ap_micro_evaluator(&err);
  if (!st) st = take_models(&argc, argv, &err);
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
