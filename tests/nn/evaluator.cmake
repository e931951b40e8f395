# The double-precision backend that it compares with is slow under sanitizers.
ap_test(nn.evaluator SOURCES evaluator_test.c ROOMS nn TIMEOUT 600)
ap_test(nn.evaluator_random SOURCES evaluator_random_test.c ROOMS nn TIMEOUT 600)
ap_test(nn.paired SOURCES paired_test.c ROOMS nn)
ap_test(nn.evaluator_race SOURCES evaluator_race_test.c ROOMS nn TIMEOUT 600)
# The same promises of the engines: on a GPU, and its kernels emulated on the processor.
# Once under sanitizers: the kernels of the other precision run there by kernels.grouped.
foreach(precision fp32 bf16)
  set(label unit)
  if(precision STREQUAL bf16)
    set(label slow)
  endif()
  ap_test(nn.evaluator.emulated.${precision} SOURCES evaluator_test.c ROOMS nn TIMEOUT 900
          LABELS ${label} ARGS cuda-emulated ${precision})
  ap_test(nn.evaluator.cuda.${precision} SOURCES evaluator_test.c ROOMS nn TIMEOUT 600
          LABELS gpu ARGS cuda ${precision})
  ap_test(nn.evaluator_random.emulated.${precision} SOURCES evaluator_random_test.c ROOMS nn TIMEOUT 600
          LABELS ${label} ARGS cuda-emulated ${precision})
  ap_test(nn.evaluator_random.cuda.${precision} SOURCES evaluator_random_test.c ROOMS nn TIMEOUT 600
          LABELS gpu ARGS cuda ${precision})
endforeach()
