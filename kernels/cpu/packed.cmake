# The packed kernels: one source compiled for every instruction set, chosen at run time.
# Fused multiply-adds are wanted here (and only here); optimised in every build type, because the
# unrolled bodies are unusable otherwise.
list(APPEND KERNELS_SOURCES cpu/packed_isa.c cpu/packed_scan.c cpu/packed_gather.c cpu/packed_weights.c cpu/packed_conv.c
     cpu/packed_winograd.c cpu/packed_strip.c cpu/packed_plane.c cpu/packed_norm.c cpu/packed_ops.c cpu/packed_plain.c cpu/packed8_isa.c cpu/packed8_weights.c cpu/packed8_lists.c cpu/packed8_pairs.c
     cpu/packed8_conv.c cpu/packed8_ops.c cpu/packed8_plain.c)
if(AP_COMPILE_ONLY)
  set(packed_level -O0) # a build that nobody runs
else()
  set(packed_level -O3)
endif()
set(packed_flags ${packed_level} -ffp-contract=fast -fno-signed-zeros -fno-trapping-math)
# Instrumenting thousands of unrolled loads takes minutes to compile. Address and thread checks stay,
# as calls; the checks for undefined behaviour and debug information are left out of these files.
if(AP_SANITIZE)
  list(APPEND packed_flags -fno-sanitize=undefined -g0)
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND AP_SANITIZE MATCHES "address")
    list(APPEND packed_flags "--param=asan-instrumentation-with-call-threshold=0")
  endif()
endif()
# The integer kernels promise which sums are fused.
set(packed8_flags ${packed_flags})
list(REMOVE_ITEM packed8_flags -ffp-contract=fast)
list(APPEND packed8_flags -ffp-contract=off)
set_source_files_properties(cpu/packed_plain.c PROPERTIES COMPILE_OPTIONS "${packed_flags}")
set_source_files_properties(cpu/packed8_plain.c cpu/packed8_ops.c PROPERTIES
  COMPILE_OPTIONS "${packed8_flags}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  list(APPEND KERNELS_SOURCES cpu/packed_avx2.c cpu/packed_avx512.c cpu/packed8_avx2.c cpu/packed8_avx512.c)
  set_source_files_properties(cpu/packed_avx2.c PROPERTIES
    COMPILE_OPTIONS "${packed_flags};-mavx2;-mfma;-mprfchw;-mpopcnt")
  set_source_files_properties(cpu/packed_avx512.c PROPERTIES
    COMPILE_OPTIONS "${packed_flags};-mavx512f;-mavx512vl;-mavx512dq;-mavx512bw;-mfma;-mprfchw;-mpopcnt;-mprefer-vector-width=512")
  set_source_files_properties(cpu/packed8_avx2.c PROPERTIES
    COMPILE_OPTIONS "${packed8_flags};-mavx2;-mfma;-mprfchw;-mpopcnt")
  set_source_files_properties(cpu/packed8_avx512.c PROPERTIES
    COMPILE_OPTIONS "${packed8_flags};-mavx512f;-mavx512vl;-mavx512dq;-mavx512bw;-mavx512vnni;-mfma;-mprfchw;-mpopcnt;-mprefer-vector-width=512")
  set_source_files_properties(cpu/packed_isa.c cpu/packed8_isa.c PROPERTIES COMPILE_DEFINITIONS AP_PACKED_X86=1)
endif()
