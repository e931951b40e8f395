/* The inner loops of the direct convolution for registers of PART bytes, included once for each size by
 * fast_tiles.c with TILE(name), the name of a function of that size. A vector of 16 floats is PARTS registers:
 * spelled out, since a vector type wider than the machine's registers lives in memory. Sizes of tiles are
 * constants where the functions are inlined. */
#define PART_FLOATS (PART / (int)sizeof(float))
#define PARTS (64 / PART)

typedef float TILE(part) __attribute__((vector_size(PART)));

INLINE void TILE(panel_tile)(const ap_direct_panel *t, size_t v0, const int n_vectors,
                             const size_t r0, const int n_rows) {
  TILE(part) sum[8][3 * PARTS];
  const int n_parts = n_vectors * PARTS;
  const float *base[3];
#pragma GCC unroll 3
  for (int j = 0; j < n_vectors; j++) base[j] = t->planes + t->in[v0 + (size_t)j];
#pragma GCC unroll 8
  for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 12
    for (int j = 0; j < n_parts; j++) sum[r][j] = (TILE(part)){0} + t->bias[r0 + (size_t)r];
  }
  for (size_t k = 0; k < t->k; k++) {
    const size_t distance = t->offset[k];
    const float *w = t->w + k * AP_PANEL + r0;
    TILE(part) x[3 * PARTS];
#pragma GCC unroll 12
    for (int j = 0; j < n_parts; j++)
      memcpy(&x[j], base[j / PARTS] + distance + j % PARTS * PART_FLOATS, sizeof x[j]);
#pragma GCC unroll 8
    for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 12
      for (int j = 0; j < n_parts; j++) sum[r][j] += x[j] * w[r];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < n_rows; r++) {
    if (r0 + (size_t)r >= t->n_rows) continue;
#pragma GCC unroll 12
    for (int j = 0; j < n_parts; j++) {
      float *to = t->out + (r0 + (size_t)r) * t->out_row + t->at[v0 + (size_t)(j / PARTS)] +
                  j % PARTS * PART_FLOATS;
      TILE(part) old = {0};
      if (t->accumulate) memcpy(&old, to, sizeof old);
      old += sum[r][j];
      memcpy(to, &old, sizeof old);
    }
  }
}

INLINE void TILE(panel_rows)(const ap_direct_panel *t, size_t r0, const int n_rows,
                             const int wide) {
  size_t v = 0;
  if (wide == 3) {
    for (; v + 3 <= t->n_vectors; v += 3) TILE(panel_tile)(t, v, 3, r0, n_rows);
    if (v + 2 <= t->n_vectors) {
      TILE(panel_tile)(t, v, 2, r0, n_rows);
      v += 2;
    }
  }
  for (; v < t->n_vectors; v++) TILE(panel_tile)(t, v, 1, r0, n_rows);
}

INLINE void TILE(filter_tile)(const ap_direct_filter_tile *t, float *sums, const int r0,
                              const int n_rows, const int k0, const int n_taps) {
  TILE(part) sum[4][6][PARTS];
  size_t distance[6];
#pragma GCC unroll 6
  for (int j = 0; j < n_taps; j++) distance[j] = t->offset[k0 + j];
#pragma GCC unroll 4
  for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 6
    for (int j = 0; j < n_taps; j++) {
#pragma GCC unroll 4
      for (int p = 0; p < PARTS; p++) sum[r][j][p] = (TILE(part)){0};
    }
  }
  for (size_t i = 0; i < t->n_images; i++) {
    const float *planes = t->planes + i * t->image;
    const size_t first = i * t->dy_image;
    for (size_t v = 0; v < t->n_vectors; v++) {
      const float *x = planes + t->in[v];
      const size_t at = first + t->at[v];
#pragma GCC unroll 4
      for (int p = 0; p < PARTS; p++) {
        TILE(part) d[4];
#pragma GCC unroll 4
        for (int r = 0; r < n_rows; r++)
          memcpy(&d[r], t->dy[r0 + r] + at + p * PART_FLOATS, sizeof d[r]);
#pragma GCC unroll 6
        for (int j = 0; j < n_taps; j++) {
          TILE(part) a;
          memcpy(&a, x + distance[j] + p * PART_FLOATS, sizeof a);
#pragma GCC unroll 4
          for (int r = 0; r < n_rows; r++) sum[r][j][p] += a * d[r];
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 6
    for (int j = 0; j < n_taps; j++) {
      /* Halves are added until one lane is left. */
      quarter lane[4];
      memcpy(lane, sum[r][j], sizeof lane);
      const quarter last = (lane[0] + lane[2]) + (lane[1] + lane[3]);
      sums[(r0 + r) * (int)AP_TILE_TAPS + k0 + j] = (last[0] + last[2]) + (last[1] + last[3]);
    }
  }
}

#undef PART_FLOATS
#undef PARTS
