/* kernels/cpu/packed_plain.c - the packed kernels for any processor: the compiler's vectors of 4,
 * which are SSE2 registers on x86-64 and NEON registers on AArch64. */
#define VECTOR 4
#define ACCUMULATORS 12
#define KERNEL_H 2
#define KERNEL_W 4
#define ISA_NAME "plain"
#define ISA_TABLE ap_packed_plain
#include "kernels/cpu/packed_kernels.h"
