/* kernels/cpu/packed8_quads.h - four weights for all lanes of a register, in the two ways of
 * ap_packed8_isa.quad_words; included behind v32 and QUAD_WORDS. */
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
INLINE v32 splat32(int32_t x) { return x - (v32){0}; }

#if QUAD_WORDS == 1
typedef v32 v_quad; /* bytes */
#define WEIGHTS(e) splat32(*(e))
#else
typedef struct {
  v32 even, odd; /* 16-bit numbers: the first and third, the second and fourth */
} v_quad;
INLINE v_quad WEIGHTS(const int32_t *e) { return (v_quad){splat32(e[0]), splat32(e[1])}; }
#endif
