# `cmake --build DIR -t lint`: formatting, clang-tidy, cppcheck (tools/lint.sh). The checks that need
# nothing but a compiler are tests: layers, and headers that stand alone.
add_custom_target(lint
  COMMAND "${PROJECT_SOURCE_DIR}/tools/lint.sh" "${CMAKE_BINARY_DIR}"
  WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}" USES_TERMINAL)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON CACHE BOOL "" FORCE)

if(BUILD_TESTING)
  find_program(AP_CXX NAMES "${CMAKE_CXX_COMPILER}" c++ g++ clang++)
  if(NOT AP_CXX)
    set(AP_CXX c++)
  endif()
  add_test(NAME lint.layers COMMAND "${PROJECT_SOURCE_DIR}/tools/check_layers.sh")
  add_test(NAME lint.layers_test COMMAND "${PROJECT_SOURCE_DIR}/tools/check_layers_test.sh")
  add_test(NAME lint.headers
           COMMAND "${PROJECT_SOURCE_DIR}/tools/check_headers.sh" "${CMAKE_C_COMPILER}" "${AP_CXX}")
  add_test(NAME lint.readme COMMAND "${PROJECT_SOURCE_DIR}/tools/readme_results.sh" --check)
  add_test(NAME lint.recovery COMMAND "${PROJECT_SOURCE_DIR}/tools/recovery_tables.sh" --check)
  set_tests_properties(lint.layers lint.layers_test lint.headers lint.readme lint.recovery PROPERTIES
                       LABELS "unit;lint" TIMEOUT 120)
endif()
