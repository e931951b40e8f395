# ONNX in and out: reading needs the schema of libonnx-dev, the compiler protoc-c and the library of
# protobuf-c. Without them everything else is built, and .onnx files are refused with a word on how to get it.
list(APPEND NN_SOURCES
  onnx/fold.c onnx/fold_arith.c onnx/fold_move.c onnx/fold_reduce.c onnx/graph.c onnx/import.c
  onnx/lower.c onnx/lower_affine.c onnx/lower_channels.c onnx/lower_curve.c onnx/lower_gate.c onnx/lower_linear.c onnx/lower_lrn.c onnx/lower_norm.c onnx/lower_soft.c
  onnx/lower_move.c onnx/lower_point.c
  onnx/lower_tools.c onnx/lower_unused.c onnx/lower_window.c onnx/node.c onnx/shapes.c onnx/tensor.c onnx/view.c)

# The schema: include/onnx of libonnx-dev; the Python package has it too, and other builds of ONNX call it
# onnx-ml.proto.
find_file(AP_ONNX_SCHEMA NAMES onnx.proto onnx-ml.proto PATH_SUFFIXES onnx
          PATHS /usr/lib/python3/dist-packages DOC "Schema of ONNX files (libonnx-dev)")
find_program(AP_PROTOC_C NAMES protoc-c DOC "Compiler of protobuf-c (protobuf-c-compiler)")
pkg_check_modules(PROTOBUF_C IMPORTED_TARGET libprotobuf-c)
set(AP_ONNX_FOUND FALSE)
if(AP_ONNX AND AP_ONNX_SCHEMA AND AP_PROTOC_C AND PROTOBUF_C_FOUND)
  # The output is named as its input: the schema is copied under one name first.
  set(AP_ONNX_DIR "${CMAKE_CURRENT_BINARY_DIR}/onnx_schema")
  file(MAKE_DIRECTORY "${AP_ONNX_DIR}")
  add_custom_command(
    OUTPUT "${AP_ONNX_DIR}/onnx.pb-c.c" "${AP_ONNX_DIR}/onnx.pb-c.h"
    COMMAND "${CMAKE_COMMAND}" -E copy "${AP_ONNX_SCHEMA}" onnx.proto
    COMMAND "${AP_PROTOC_C}" --proto_path=. --c_out=. onnx.proto
    WORKING_DIRECTORY "${AP_ONNX_DIR}"
    DEPENDS "${AP_ONNX_SCHEMA}"
    COMMENT "ONNX schema as C"
    VERBATIM)
  add_library(ap_onnx_schema STATIC "${AP_ONNX_DIR}/onnx.pb-c.c" "${AP_ONNX_DIR}/onnx.pb-c.h")
  set_target_properties(ap_onnx_schema PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_include_directories(ap_onnx_schema SYSTEM PUBLIC "${AP_ONNX_DIR}")
  target_link_libraries(ap_onnx_schema PUBLIC PkgConfig::PROTOBUF_C)
  list(APPEND NN_SOURCES onnx/export.c onnx/external.c onnx/proto_build.c onnx/proto_tensor.c
       onnx/read.c onnx/wire.c)
  list(APPEND NN_LIBS ap_onnx_schema)
  set(AP_ONNX_FOUND TRUE)
else()
  message(STATUS "ONNX files are not read or written: "
                 "apt-get install libonnx-dev protobuf-c-compiler libprotobuf-c-dev "
                 "(AP_ONNX=${AP_ONNX}, schema ${AP_ONNX_SCHEMA}, protoc-c ${AP_PROTOC_C}, "
                 "library ${PROTOBUF_C_VERSION})")
  list(APPEND NN_SOURCES onnx/absent.c)
endif()
