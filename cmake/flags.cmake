# The one place that holds compiler flags: every target links ap_flags.
add_library(ap_flags INTERFACE)
target_compile_features(ap_flags INTERFACE c_std_17)
target_compile_definitions(ap_flags INTERFACE _GNU_SOURCE)
target_include_directories(ap_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(ap_flags INTERFACE
  $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion
  -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wformat=2
  -ffp-contract=off -fno-math-errno>
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wcast-qual -Wformat=2>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wshadow,-Wconversion>)
if(AP_WERROR)
  target_compile_options(ap_flags INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:-Werror>)
endif()
if(AP_SANITIZE)
  target_compile_options(ap_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${AP_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all>)
  target_link_options(ap_flags INTERFACE -fsanitize=${AP_SANITIZE})
endif()
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_C_EXTENSIONS ON)
