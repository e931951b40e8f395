/* kernels/cpu/packed_strip_kernels.h - the vector kernels of forms STRIP1 and STRIP4; part of packed_kernels.h, see
 * packed_strip.c for the layout. */

/* Inputs of n units, `tile` of them side by side. A line's lie one behind the other in memory, or nearly so. */
INLINE void strip_copy(const float *in, const int32_t *lines, size_t n_lines, const packed_unit *at,
                       size_t n, const int tile, float *out) {
  const size_t units = (size_t)tile, step = n_lines * units * VECTOR;
  for (size_t line = 0; line < n_lines; ++line, out += units * VECTOR) {
    const float *from = in + lines[line], *next = in + lines[line + PACKED_LINES_AHEAD];
    float *to = out;
    size_t u = 0;
    for (; u + units <= n; u += units, to += step) {
      const packed_unit *k = at + u;
      const float *x = from + k[0].in;
#pragma GCC unroll 24
      for (int i = 0; i < tile; i += PARTS) __builtin_prefetch(next + k[i].in);
      if (k[0].in + (units - 1) * VECTOR == k[units - 1].in) {
#pragma GCC unroll 24
        for (int i = 0; i < tile; ++i) store(to + i * VECTOR, load(x + i * VECTOR));
      } else {
#pragma GCC unroll 24
        for (int i = 0; i < tile; ++i) store(to + i * VECTOR, load(from + k[i].in));
      }
    }
    for (; u < n; ++u, to += VECTOR) store(to, load(from + at[u].in));
  }
}

/* `width` output channels x units. */
INLINE void strip_tile(const tile_state *s, size_t list, const float *in, const packed_unit *at,
                       const int width, const int units) {
  const packed_tile *t = &s->tile;
  const ap_packed_weights *w = &s->weights;
  const size_t words = (size_t)width + 1;
  const packed_word *e = w->words + w->start[list] * words;
  const packed_word *const end = w->words + w->start[list + 1] * words;
  vec acc[ACCUMULATORS];
  list_start(w, list, acc, width, units);
  for (; e != end; e += words) {
    const float *x = pin(in + e->offset);
    vec v[ACCUMULATORS];
#pragma GCC unroll 24
    for (int u = 0; u < units; ++u) {
      v[u] = load(x + (size_t)u * VECTOR);
      if (width > 1) v[u] = keep(v[u]); /* read once for all weights */
    }
#pragma GCC unroll 8
    for (int k = 0; k < width; ++k) {
      const vec weight = keep(splat(e[1 + k].weight));
#pragma GCC unroll 24
      for (int u = 0; u < units; ++u) acc[k * units + u] += v[u] * weight;
    }
  }
#pragma GCC unroll 8
  for (int k = 0; k < width; ++k) {
    const size_t channel = list * (size_t)width + (size_t)k;
    if (channel >= t->n_out) break;
    const float *residual = packed_residual_channel(t, channel);
    float *out = t->out + channel * t->out_channel;
    if (residual) {
#pragma GCC unroll 24
      for (int u = 0; u < units; ++u) acc[k * units + u] += load(residual + at[u].residual);
    }
#pragma GCC unroll 24
    for (int u = 0; u < units; ++u)
      store(out + at[u].out, clip(acc[k * units + u], s->low, s->high));
  }
}

typedef void strip_rest_k(const tile_state *s, size_t list, const float *in, const packed_unit *at);

/* All lists over n units, whose inputs are copied to `in`. rest[i]: a tile of i units. */
INLINE void strip_body(const packed_tile *tile, const packed_unit *at, size_t n, float *in,
                       const int width, strip_rest_k *const *rest) {
  const tile_state s = state_of(tile);
  const int units = PACKED_STRIP_UNITS(ACCUMULATORS, width);
  strip_copy(s.tile.in, s.weights.lines, s.weights.n_lines, at, n, units, in);
  const size_t full = n / (size_t)units, left = n % (size_t)units;
  const size_t step = s.weights.n_lines * (size_t)units * VECTOR;
  if (width == 1) { /* a tile's inputs fit the nearest cache where they are not many */
    for (size_t i = 0; i < full; ++i)
      for (size_t list = 0; list < s.weights.n_lists; ++list)
        strip_tile(&s, list, in + i * step, at + i * (size_t)units, width, units);
    for (size_t list = 0; left && list < s.weights.n_lists; ++list)
      rest[left](&s, list, in + full * step, at + full * (size_t)units);
    return;
  }
  for (size_t list = 0; list < s.weights.n_lists; ++list) {
    for (size_t i = 0; i < full; ++i)
      strip_tile(&s, list, in + i * step, at + i * (size_t)units, width, units);
    if (left) rest[left](&s, list, in + full * step, at + full * (size_t)units);
  }
}

/* clang-format off */
#define STRIP_FITS(w, u) ((u) < PACKED_STRIP_UNITS(ACCUMULATORS, w))
#define STRIP_REST(w, u)                                                                              \
  static void strip_##w##_##u(const tile_state *s, size_t list, const float *in, const packed_unit *at) { \
    if (STRIP_FITS(w, u)) strip_tile(s, list, in, at, w, u);                                              \
  }
STRIP_REST(1, 1) STRIP_REST(1, 2) STRIP_REST(1, 3) STRIP_REST(1, 4) STRIP_REST(1, 5) STRIP_REST(1, 6)
STRIP_REST(1, 7) STRIP_REST(1, 8) STRIP_REST(1, 9) STRIP_REST(1, 10) STRIP_REST(1, 11)
STRIP_REST(4, 1) STRIP_REST(4, 2) STRIP_REST(4, 3) STRIP_REST(4, 4) STRIP_REST(4, 5)
#define STRIP(w, ...)                                                                         \
  static void strip_##w(const packed_tile *t, const packed_unit *at, size_t n, float *copy) { \
    static strip_rest_k *const rest[] = {NULL, __VA_ARGS__};                                  \
    _Static_assert(sizeof rest / sizeof *rest >= PACKED_STRIP_UNITS(ACCUMULATORS, w), "");    \
    strip_body(t, at, n, copy, w, rest);                                                      \
  }
STRIP(1, strip_1_1, strip_1_2, strip_1_3, strip_1_4, strip_1_5, strip_1_6, strip_1_7, strip_1_8, strip_1_9, strip_1_10, strip_1_11)
STRIP(4, strip_4_1, strip_4_2, strip_4_3, strip_4_4, strip_4_5)
    /* clang-format on */
