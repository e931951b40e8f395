/* kernels/grouped/simt.h - one source for a GPU and for its emulation on the processor.
 *
 * A kernel is written as steps of a block: SIMT_EACH_THREAD, SIMT_EACH_WARP and, inside it,
 * SIMT_EACH_LANE run a body for every thread; what a lane keeps from one step to the next has a type
 * from SIMT_VARIABLE and is named through SIMT_AT. On a GPU every thread is one lane and the steps
 * are plain code; on the processor they are loops and a variable is an array over the lanes. What
 * lanes do together (matrix loads and products) stands between the steps. So the processor runs the
 * same index arithmetic and the same layout of fragments as the GPU. One thread plays all warps in
 * turns, or each warp has its own (simt_host.h), with copies that arrive late: then a missing wait
 * between warps shows, too. The layouts are those of the PTX manual for ldmatrix and mma.m16n8k16. */
#ifndef AP_KERNELS_GROUPED_SIMT_H
#define AP_KERNELS_GROUPED_SIMT_H
#include <stdint.h>

#define SIMT_WARP 32
#define SIMT_THREADS 512
#define SIMT_WARPS (SIMT_THREADS / SIMT_WARP)
/* A block of a layer has more warps behind those: they bring what the others work on. */
#define SIMT_FILLERS 4
#define SIMT_FILL_THREADS (SIMT_FILLERS * SIMT_WARP)
#define SIMT_BLOCK_WARPS (SIMT_WARPS + SIMT_FILLERS)
#define SIMT_BLOCK_THREADS (SIMT_THREADS + SIMT_FILL_THREADS)

#if defined(__CUDACC__)
#define SIMT_FN static __device__ __forceinline__
#define SIMT_UNCHECKED
#define SIMT_VARIABLE(type, name) typedef type name
#define SIMT_VARIABLE_IN(type, name) type name
#define SIMT_AT(variable, lane) (variable)
#define SIMT_LANES(variable) (&(variable))
#define SIMT_EACH_THREAD(t) if (const int t = (int)threadIdx.x; ((void)t, true))
#define SIMT_EACH_WARP(w) if (const int w = (int)threadIdx.x / SIMT_WARP; ((void)w, true))
#define SIMT_EACH_LANE(l) if (const int l = (int)threadIdx.x % SIMT_WARP; ((void)l, true))
#define SIMT_EACH_FILLER(t) if (const int t = (int)threadIdx.x - SIMT_THREADS; ((void)t, true))
#define SIMT_ONLY_FILLS() (threadIdx.x >= SIMT_THREADS)
#define SIMT_FILLS_TOO() 0
/* Of the 96 registers that every thread begins with, fillers keep 64 and the others get 104: 4 * 64 + 16 *
 * 104 = 20 * 96. Four warps do it together. */
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define SIMT_FEWER_REGISTERS() asm volatile("setmaxnreg.dec.sync.aligned.u32 64;")
#define SIMT_MORE_REGISTERS() asm volatile("setmaxnreg.inc.sync.aligned.u32 104;")
#else
#define SIMT_FEWER_REGISTERS() ((void)0)
#define SIMT_MORE_REGISTERS() ((void)0)
#endif
#define SIMT_OF_WARP(states, w) (states)
#define SIMT_BARRIER() __syncthreads()
#define SIMT_WARP_BARRIER() __syncwarp()
#define SIMT_UNROLL _Pragma("unroll")
#define SIMT_NO_UNROLL _Pragma("unroll 1")
#define SIMT_ALIGN(bytes) __align__(bytes) /* loads and stores of this width */
/* A pointer, or 32 bits, that the compiler keeps, where it would rather compute it anew every time. */
#define SIMT_KEEP(pointer) asm("" : "+l"(pointer))
#define SIMT_KEEP32(word) asm volatile("" : "+r"(word))
#else
#include <string.h>

#include "kernels/grouped/simt_host.h"
#define SIMT_FN static inline
#define SIMT_UNCHECKED __attribute__((no_sanitize("address", "undefined")))
#define SIMT_VARIABLE(type, name) typedef type name[SIMT_WARP]
#define SIMT_VARIABLE_IN(type, name) type name[SIMT_WARP]
#define SIMT_AT(variable, lane) ((variable)[lane])
#define SIMT_LANES(variable) (variable)
#define SIMT_EACH_THREAD(t) \
  for (int t = simt_self.first * SIMT_WARP; t < simt_workers_end() * SIMT_WARP; t++)
#define SIMT_EACH_WARP(w) for (int w = simt_self.first; w < simt_workers_end(); w++)
#define SIMT_EACH_FILLER(t)                                                        \
  for (int t = (SIMT_ONLY_FILLS() ? simt_self.first - SIMT_WARPS : 0) * SIMT_WARP; \
       t < (simt_self.end - SIMT_WARPS) * SIMT_WARP; t++)
#define SIMT_FEWER_REGISTERS() ((void)0)
#define SIMT_MORE_REGISTERS() ((void)0)
#define SIMT_ONLY_FILLS() (simt_self.first >= SIMT_WARPS)
#define SIMT_FILLS_TOO() (simt_self.first < SIMT_WARPS && simt_self.end > SIMT_WARPS)
#define SIMT_EACH_LANE(l) for (int l = 0; l < SIMT_WARP; l++)
#define SIMT_OF_WARP(states, w) (&(states)[w])
#define SIMT_BARRIER() simt_host_barrier()
#define SIMT_WARP_BARRIER() ((void)0)
#define SIMT_UNROLL
#define SIMT_NO_UNROLL
#define SIMT_ALIGN(bytes)
#define SIMT_KEEP(pointer) ((void)0)
#define SIMT_KEEP32(word) ((void)(word))
#endif

/* A lane's part of a 16 x 16 matrix, a 16 x 8 matrix (pairs of bfloat16) and a 16 x 8 sum. */
typedef struct {
  uint32_t v[4];
} simt_left;
typedef struct SIMT_ALIGN(8) {
  uint32_t v[2];
} simt_right;
typedef struct SIMT_ALIGN(16) {
  float v[4];
} simt_sum;
typedef struct SIMT_ALIGN(16) {
  uint32_t v[4];
} simt_quad; /* 16 bytes */
SIMT_VARIABLE(simt_left, simt_lefts);
SIMT_VARIABLE(simt_right, simt_rights);
SIMT_VARIABLE(simt_sum, simt_sums);
SIMT_VARIABLE(int, simt_ints);
SIMT_VARIABLE(uint32_t, simt_words);
SIMT_VARIABLE(unsigned char *, simt_places);

/* From device memory that no kernel writes meanwhile. The compiler leaves them where they
 * stand among the matrix loads and products: it would rather read late into fewer registers. */
#if defined(__CUDACC__)
#define SIMT_READ(name, type, result, how, in)                              \
  SIMT_FN result name(const type *from) {                                   \
    type value;                                                             \
    asm volatile("ld.global.nc." how " %0, [%1];" : in(value) : "l"(from)); \
    return value;                                                           \
  }
#else
#define SIMT_READ(name, type, result, how, in) \
  SIMT_FN result name(const type *from) { return *from; }
#endif
SIMT_READ(simt_read_u16, uint16_t, int, "u16", "=h")
SIMT_READ(simt_read_u32, uint32_t, uint32_t, "u32", "=r")
SIMT_READ(simt_read_f32, float, float, "f32", "=f")
#undef SIMT_READ
/* 16 bytes. */
SIMT_FN simt_quad simt_read_quad(const void *from) {
  simt_quad quad;
#if defined(__CUDACC__)
  asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(quad.v[0]), "=r"(quad.v[1]), "=r"(quad.v[2]), "=r"(quad.v[3])
               : "l"(from));
#else
  memcpy(&quad, from, sizeof quad);
#endif
  return quad;
}
SIMT_FN simt_right simt_read_right(const simt_right *from) {
#if defined(__CUDACC__)
  simt_right right;
  asm volatile("ld.global.nc.v2.u32 {%0, %1}, [%2];"
               : "=r"(right.v[0]), "=r"(right.v[1])
               : "l"(from));
  return right;
#else
  return *from;
#endif
}

/* What will be read soon: on its way to the first-level cache. */
SIMT_FN void simt_announce(const void *from) {
#if defined(__CUDACC__)
  asm volatile("prefetch.global.L1 [%0];" ::"l"(from));
#else
  (void)*(const volatile unsigned char *)from; /* sanitizers see what does not exist */
#endif
}

/* To device memory, 16 bytes. */
SIMT_FN void simt_write_quad(unsigned char *to, simt_quad quad) {
#if defined(__CUDACC__)
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(quad.v[0]), "r"(quad.v[1]),
               "r"(quad.v[2]), "r"(quad.v[3])
               : "memory");
#else
  memcpy(to, &quad, sizeof quad);
#endif
}

/* 16 bytes of shared memory at simt_shared_at's address. */
SIMT_FN simt_quad simt_shared_read(const unsigned char *shared, uint32_t at) {
  simt_quad quad;
#if defined(__CUDACC__)
  (void)shared;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(quad.v[0]), "=r"(quad.v[1]), "=r"(quad.v[2]), "=r"(quad.v[3])
               : "r"(at)
               : "memory");
#else
  memcpy(&quad, shared + at, sizeof quad);
#endif
  return quad;
}

/* Which row of 16 a lane addresses in simt_load_left, and which half of its 16 columns. */
SIMT_FN int simt_row(int lane) { return (lane >> 4) * 8 + (lane & 7); }
SIMT_FN int simt_half(int lane) { return lane >> 3 & 1; }

/* Row (image) and column (output channel) of a lane's i-th sum. */
SIMT_FN int simt_sum_row(int lane, int i) { return (lane >> 2) + (i >> 1) * 8; }
SIMT_FN int simt_sum_column(int lane, int i) { return (lane & 3) * 2 + (i & 1); }

SIMT_FN float simt_from_bf16(uint32_t bits) {
#if defined(__CUDACC__)
  return __uint_as_float(bits << 16);
#else
  const uint32_t word = bits << 16;
  float value;
  memcpy(&value, &word, sizeof value);
  return value;
#endif
}

/* The lower (0) or the upper (1) of two bfloat16. */
SIMT_FN float simt_half_of(uint32_t pair, int upper) {
  return simt_from_bf16(upper ? pair >> 16 : pair & 0xffffU);
}

/* The upper half of the product. */
SIMT_FN uint32_t simt_multiply_high(uint32_t a, uint32_t b) {
#if defined(__CUDACC__)
  return __umulhi(a, b);
#else
  return (uint32_t)((uint64_t)a * b >> 32);
#endif
}

/* Into [low, high]; NaN stays. */
SIMT_FN float simt_clip(float v, float low, float high) {
#if defined(__CUDACC__)
  asm("max.NaN.f32 %0, %0, %1;" : "+f"(v) : "f"(low));
  asm("min.NaN.f32 %0, %0, %1;" : "+f"(v) : "f"(high));
  return v;
#else
  return v < low ? low : v > high ? high : v;
#endif
}

/* To the nearest, ties to even; two values, the first in the low half. */
SIMT_FN uint32_t simt_to_bf16(float low, float high) {
#if defined(__CUDACC__)
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  const float values[2] = {low, high};
  uint32_t pair = 0;
  for (int i = 0; i < 2; i++) {
    uint32_t word;
    memcpy(&word, &values[i], sizeof word);
    if ((word & 0x7fffffffU) > 0x7f800000U)
      word = 0x7fffU << 16; /* NaN, as the GPU writes it */
    else
      word += 0x7fffU + (word >> 16 & 1U);
    pair |= word >> 16 << 16 * i;
  }
  return pair;
#endif
}

/* Two bfloat16 into [low, high], the same two; NaN stays. */
SIMT_FN uint32_t simt_clip_pair(uint32_t pair, uint32_t low, uint32_t high) {
#if defined(__CUDACC__)
  asm("max.NaN.bf16x2 %0, %0, %1;" : "+r"(pair) : "r"(low));
  asm("min.NaN.bf16x2 %0, %0, %1;" : "+r"(pair) : "r"(high));
  return pair;
#else
  const float bottom = simt_half_of(low, 0), top = simt_half_of(high, 0);
  return simt_to_bf16(simt_clip(simt_half_of(pair, 0), bottom, top),
                      simt_clip(simt_half_of(pair, 1), bottom, top));
#endif
}

/* The address of byte `offset` of shared memory, for simt_load_left. */
SIMT_FN uint32_t simt_shared_at(const unsigned char *shared, uint32_t offset) {
#if defined(__CUDACC__)
  return (uint32_t)__cvta_generic_to_shared(shared) + offset;
#else
  (void)shared;
  return offset;
#endif
}

/* 16 bytes from device memory to shared memory, or 16 zero bytes; under way until a counter tells. */
SIMT_FN void simt_copy16(unsigned char *shared, const unsigned char *from, int present) {
#if defined(__CUDACC__)
  const uint32_t to = (uint32_t)__cvta_generic_to_shared(shared);
  const int bytes = present ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes)
               : "memory");
#else
  simt_host_copy16(shared, present ? from : NULL);
#endif
}

/* Until all copies that this thread has begun, of those that no counter will tell of, are there. */
SIMT_FN void simt_copies_wait(void) {
#if defined(__CUDACC__)
  asm volatile("cp.async.wait_all;" ::: "memory");
#else
  simt_host_copies_wait();
#endif
}

/* ---- counters of arrivals --------------------------------------------------------------------- */
/* 8 bytes of shared memory at `at` (simt_shared_at), an mbarrier of the PTX manual. A phase ends with
 * its last arrival, and the next begins; phases are numbered from 0. What a thread read and wrote before it
 * arrived has happened for those who waited for the phase. */
enum { SIMT_COUNTER = 8 }; /* bytes */

/* By one thread, before a barrier of the block. */
SIMT_FN void simt_counter_set(unsigned char *shared, uint32_t at, uint32_t arrivals) {
#if defined(__CUDACC__)
  (void)shared;
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(at), "r"(arrivals) : "memory");
#else
  simt_host_counter_set(shared + at, arrivals);
#endif
}
SIMT_FN void simt_counter_arrive(unsigned char *shared, uint32_t at) {
#if defined(__CUDACC__)
  (void)shared;
  asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared.b64 state, [%0];\n}" ::"r"(at)
               : "memory");
#else
  simt_host_arrive(shared + at);
#endif
}
/* Arrives when all copies that this thread has begun are there; does not wait. */
SIMT_FN void simt_counter_copied(unsigned char *shared, uint32_t at) {
#if defined(__CUDACC__)
  (void)shared;
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(at) : "memory");
#else
  simt_host_copied(shared + at);
#endif
}
/* Until the phase of this parity has ended; at the earliest the one before phase 0 (parity 1), which has. */
SIMT_FN void simt_counter_wait(unsigned char *shared, uint32_t at, uint32_t parity) {
#if defined(__CUDACC__)
  uint32_t ended;
  (void)shared;
  do {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "{\n.reg .pred p;\nmbarrier.try_wait.parity.shared.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n}"
        : "=r"(ended)
        : "r"(at), "r"(parity)
        : "memory");
#else
    asm volatile(
        "{\n.reg .pred p;\nmbarrier.test_wait.parity.shared.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n}"
        : "=r"(ended)
        : "r"(at), "r"(parity)
        : "memory");
#endif
  } while (!ended);
#else
  simt_host_wait(shared + at, parity);
#endif
}

/* Row k of the left matrix's transpose is 16 bfloat16 in two halves of 16 bytes: lane l gives the
 * address of half simt_half(l) of row simt_row(l), a multiple of 16; `more` bytes are added to all. */
SIMT_FN void simt_load_left(simt_left *left, const unsigned char *shared, const uint32_t *at,
                            uint32_t more) {
#if defined(__CUDACC__)
  (void)shared;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(left->v[0]), "=r"(left->v[1]), "=r"(left->v[2]), "=r"(left->v[3])
               : "r"(*at + more)
               : "memory");
#else
  for (int i = 0; i < 4; i++) { /* four 8 x 8 matrices, row r addressed by lane 8 i + r */
    uint16_t row[8][8];
    for (int r = 0; r < 8; r++) memcpy(row[r], shared + at[8 * i + r] + more, sizeof row[r]);
    for (int lane = 0; lane < SIMT_WARP; lane++) {
      const int pair = 2 * (lane & 3), column = lane >> 2;
      left[lane].v[i] = row[pair][column] | (uint32_t)row[pair + 1][column] << 16;
    }
  }
#endif
}

/* The way back: four 8 x 8 matrices, of which lane l holds columns l / 4 and rows 2 (l % 4) and the
 * next, to rows of 16 bytes; lane 8 i + r gives the address of row r of matrix i. */
SIMT_FN void simt_store_left(const simt_left *left, unsigned char *shared, const uint32_t *at) {
#if defined(__CUDACC__) && __CUDA_ARCH__ >= 900
  (void)shared;
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(*at),
               "r"(left->v[0]), "r"(left->v[1]), "r"(left->v[2]), "r"(left->v[3])
               : "memory");
#elif defined(__CUDACC__)
  (void)shared;
  const int lane = (int)threadIdx.x % SIMT_WARP;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    uint32_t word = left->v[i];
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %0;" : "+r"(word));
    const uint32_t row = __shfl_sync(0xffffffffU, *at, 8 * i + (lane >> 2));
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(row + (lane & 3) * 4), "r"(word) : "memory");
  }
#else
  for (int lane = 0; lane < SIMT_WARP; lane++)
    for (int i = 0; i < 4; i++)
      for (int e = 0; e < 2; e++) {
        const uint16_t half = (uint16_t)(left[lane].v[i] >> 16 * e & 0xffffU);
        memcpy(shared + at[8 * i + 2 * (lane & 3) + e] + 2 * (lane >> 2), &half, 2);
      }
#endif
}

#if !defined(__CUDACC__)
/* The lane's value of a row and column, the other way round than simt_sum_row. */
SIMT_FN float *simt_sum_at(simt_sum *sum, int row, int column) {
  return &sum[row % 8 * 4 + column / 2].v[row / 8 * 2 + column % 2];
}
#endif

/* sum += left * right. On the processor nothing but the lanes' own values is touched: not for sanitizers. */
SIMT_UNCHECKED SIMT_FN void simt_multiply(simt_sum *sum, const simt_left *left,
                                          const simt_right *right) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum->v[0]), "+f"(sum->v[1]), "+f"(sum->v[2]), "+f"(sum->v[3])
      : "r"(left->v[0]), "r"(left->v[1]), "r"(left->v[2]), "r"(left->v[3]), "r"(right->v[0]),
        "r"(right->v[1]));
#else
  float a[16][16], b[16][8];
  for (int lane = 0; lane < SIMT_WARP; lane++) {
    const int group = lane >> 2, pair = (lane & 3) * 2;
    for (int e = 0; e < 2; e++) {
      for (int i = 0; i < 4; i++)
        a[pair + e + 8 * (i >> 1)][group + 8 * (i & 1)] =
            simt_from_bf16(left[lane].v[i] >> 16 * e & 0xffffU);
      for (int i = 0; i < 2; i++)
        b[pair + e + 8 * i][group] = simt_from_bf16(right[lane].v[i] >> 16 * e & 0xffffU);
    }
  }
  for (int column = 0; column < 8; column++) { /* 16 images at a time */
    float total[16];
    for (int row = 0; row < 16; row++) total[row] = *simt_sum_at(sum, row, column);
    for (int k = 0; k < 16; k++)
      for (int row = 0; row < 16; row++) total[row] += a[k][row] * b[k][column];
    for (int row = 0; row < 16; row++) *simt_sum_at(sum, row, column) = total[row];
  }
#endif
}

#endif
