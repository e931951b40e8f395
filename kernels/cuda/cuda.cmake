# Appends the CUDA backend to the room's sources; the language is enabled by language.cmake.
set(cuda_operations
  add bias bn_backward bn_infer bn_train channel_sum col2im curve fill gather grouped_conv grouped_items
  im2col image_gather move multiply norm pool
  pool_backward relu scale sgd softmax_loss sum_parts wide)
list(TRANSFORM cuda_operations PREPEND cuda/)
list(TRANSFORM cuda_operations APPEND .cu)
list(APPEND KERNELS_SOURCES
  ${cuda_operations}
  cuda/cuda_backend.c cuda/cuda_conv.c cuda/cuda_device.c cuda/cuda_gemm.c cuda/cuda_measure.c cuda/cuda_memory.c cuda/cuda_ops.c)
# -Xptxas=-v reports registers and spills of every kernel.
option(AP_CUDA_VERBOSE "Print the resources of every CUDA kernel" OFF)
if(AP_CUDA_VERBOSE)
  set_source_files_properties(${cuda_operations} PROPERTIES COMPILE_OPTIONS "-Xptxas=-v")
endif()
list(APPEND KERNELS_LIBRARIES CUDA::cudart_static CUDA::cublas)
