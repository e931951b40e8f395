foreach(name onnx onnx_refusal)
  ap_test(nn.${name} SOURCES ${name}_test.c ROOMS nn)
endforeach()
