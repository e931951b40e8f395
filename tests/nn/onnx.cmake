foreach(name onnx onnx_refusal)
  ap_test(nn.${name} SOURCES ${name}_test.c ROOMS nn)
endforeach()
ap_test(nn.onnx_fuzz SOURCES onnx_fuzz.c ROOMS nn TIMEOUT 300)
