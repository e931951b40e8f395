# Included by the root CMakeLists.txt, with AP_CUDA only: a language must be enabled above every
# target that links its objects. Finds nvcc where the toolkit's installer puts it, too.
if(NOT DEFINED CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(AP_NVCC nvcc HINTS "$ENV{CUDA_HOME}/bin" "$ENV{CUDA_PATH}/bin" /usr/local/cuda/bin)
  if(NOT AP_NVCC)
    message(FATAL_ERROR "nvcc not found: install the CUDA toolkit (12 or 13), or name the compiler "
                        "with -DCMAKE_CUDA_COMPILER=/path/to/nvcc, or build with -DAP_CUDA=OFF")
  endif()
  set(CMAKE_CUDA_COMPILER "${AP_NVCC}" CACHE FILEPATH "CUDA compiler")
endif()
# Machine code for Hopper (a: warps may hand registers to one another), portable code for Ampere and all that came after.
set(CMAKE_CUDA_ARCHITECTURES "80-virtual;90a-real" CACHE STRING "CUDA architectures")
enable_language(CUDA)
