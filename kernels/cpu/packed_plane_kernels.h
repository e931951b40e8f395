/* kernels/cpu/packed_plane_kernels.h - the vector kernel of form PLANE; part of packed_kernels.h. */

#define PLANE_SUMS 8 /* of a tile: enough to hide the latency of a multiply-add */
#define PLANE_COLUMNS (PLANE_SUMS / PARTS)

/* `columns` neighbouring pixels. */
INLINE void plane_tile(const packed_plane *p, const float *in, const size_t in_column, vec bias,
                       vec low, vec high, const float *residual, float *out, const int columns) {
  vec acc[PLANE_SUMS];
#pragma GCC unroll 8
  for (int i = 0; i < columns * PARTS; ++i) acc[i] = bias;
  for (const packed_word *e = p->from; e != p->to; e += 2) {
    const float *x = pin(in + e->offset);
    const vec weight = keep(splat(e[1].weight));
#pragma GCC unroll 8
    for (int c = 0; c < columns; ++c) {
#pragma GCC unroll 4
      for (int part = 0; part < PARTS; ++part)
        acc[c * PARTS + part] += load(x + (size_t)c * in_column + part * VECTOR) * weight;
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < columns; ++c) {
#pragma GCC unroll 4
    for (int part = 0; part < PARTS; ++part) {
      vec v = acc[c * PARTS + part];
      if (residual) v += load(residual + (size_t)c * p->residual_column + part * VECTOR);
      store(out + c * LANES + part * VECTOR, clip(v, low, high));
    }
  }
}

INLINE void plane_body(const packed_plane *plane, const size_t in_column) {
  const packed_plane p = *plane;
  const vec low = splat(p.low), high = splat(p.high), bias = splat(p.bias);
  for (size_t y = 0; y < p.rows; ++y) {
    const float *in = p.in + y * p.in_row;
    const float *residual = p.residual ? p.residual + y * p.residual_row : NULL;
    float *out = p.out + y * p.out_row;
#define PLANE_TILES(n)                                             \
  for (; x + (n) <= p.columns; x += (n))                           \
    plane_tile(&p, in + x * in_column, in_column, bias, low, high, \
               residual ? residual + x * p.residual_column : NULL, out + x * LANES, (int)(n));
    size_t x = 0;
    PLANE_TILES(PLANE_COLUMNS)
    if (PLANE_COLUMNS > 4) PLANE_TILES(4)
    if (PLANE_COLUMNS > 2) PLANE_TILES(2)
    PLANE_TILES(1)
#undef PLANE_TILES
  }
}

static void plane(const packed_plane *p) {
  if (p->in_column == LANES)
    plane_body(p, LANES);
  else
    plane_body(p, p->in_column);
}
