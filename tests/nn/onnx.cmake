foreach(name onnx onnx_broken onnx_constants onnx_curves onnx_forms onnx_gates onnx_imagenet onnx_lrn onnx_norms onnx_refusal)
  ap_test(nn.${name} SOURCES ${name}_test.c ROOMS nn)
endforeach()
ap_test(nn.onnx_real SOURCES onnx_real.c ROOMS nn)
ap_test(nn.onnx_fuzz SOURCES onnx_fuzz.c ROOMS nn TIMEOUT 300)

# Agreement with ONNX Runtime, where a Python has it (skipped elsewhere). To point at one:
# cmake --preset dev -DAP_PYTHON=/path/to/venv/bin/python
find_program(AP_PYTHON NAMES python3 DOC "Python for tests; with onnx, onnxruntime and numpy for nn.onnx_runtime")
if(AP_PYTHON AND TARGET autoprune)
  add_test(NAME nn.onnx_runtime
           COMMAND "${AP_PYTHON}" -B "${CMAKE_CURRENT_SOURCE_DIR}/onnx_runtime.py"
                   $<TARGET_FILE:autoprune> $<TARGET_FILE:test_nn_onnx_fuzz>)
  set_tests_properties(nn.onnx_runtime PROPERTIES LABELS unit SKIP_RETURN_CODE 77 TIMEOUT 600)
endif()
