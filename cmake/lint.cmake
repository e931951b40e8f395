# `cmake --build DIR -t lint`: formatting, clang-tidy, cppcheck (tools/lint.sh)
add_custom_target(lint
  COMMAND "${PROJECT_SOURCE_DIR}/tools/lint.sh" "${CMAKE_BINARY_DIR}"
  WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}" USES_TERMINAL)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON CACHE BOOL "" FORCE)
