/* kernels/cpu/packed8_rows.h - element by element operations on lines, and the curves that are computed
 * in registers; part of packed8_kernels.h. Codes become floats, four vectors of them for a vector of
 * codes, and back; nothing is stored in between. */

/* ---- curves ----------------------------------------------------------------------------------- */
/* As kernels/cpu/curve.c computes them, operation by operation: the same bits. */
INLINE vf within(vf x, float least, float most) {
  return MAXF(splatf(least), MINF(splatf(most), x)); /* of a NaN the second is taken: it stays */
}

INLINE vf exp_small(vf r) {
  const vf r2 = r * r, r4 = r2 * r2;
  const vf low = (1.0F + r) + (0.5F + r * (1.0F / 6)) * r2;
  const vf high = (1.0F / 24 + r * (1.0F / 120)) + (1.0F / 720 + r * (1.0F / 5040)) * r2;
  return low + high * r4;
}

INLINE vf exp_of(vf z, vf rest) {
  const float rounder = 12582912.0F; /* 1.5 * 2^23 */
  const vf shifted = z * 1.44269504F + rounder, n = shifted - rounder;
  const vf scale = (vf)(((v32)shifted + 127) << 23);
  return exp_small(((z - n * 0.693359375F) - n * -2.12194440e-4F) + rest) * scale;
}

INLINE vf logistic(vf x) {
  const vf none = {0};
  return 1.0F / (1.0F + exp_of(within(-x, -87, 87), none));
}

INLINE vf normal(vf x) {
  const vf u = within(MAXF(-x, x), 0, 12.5F), t = 1.0F / (1.0F + 0.26F * u);
  const vf h = (vf)((v32)u & (int32_t)0xfffff000);
  vf r = 0.0309526417F * t - 0.15501751F;
  r = r * t + 0.256045729F;
  r = r * t - 0.156207323F;
  r = r * t + 0.16462414F;
  r = r * t + 0.0494372733F;
  r = r * t + 0.103445232F;
  r = r * t + 0.102957129F;
  r = r * t + 0.103762664F;
  const vf tail = exp_of(-0.5F * (h * h), -0.5F * ((u - h) * (u + h))) * (r * t);
  const v32 above = x > splatf(0);
  return (vf)(((v32)(1.0F - tail) & above) | ((v32)tail & ~above));
}

/* What a value is multiplied with. */
INLINE vf gate_of(const packed8_gate_kind kind, vf x, vf by, vf per_unit) {
  if (kind == P8_GATE_SCALED) return x * per_unit;
  if (kind == P8_GATE_LOGISTIC) return logistic(x * by) * per_unit;
  if (kind == P8_GATE_NORMAL) return normal(x * by) * per_unit;
  return x;
}

/* ---- lines ------------------------------------------------------------------------------------ */
/* Of vector `vector` of a line of codes: four vectors of values. */
INLINE void row_values(const packed8_row *r, const uint8_t *line, size_t vector, vf v[P8_PARTS]) {
  if (r->codes) {
    const v8 codes = load(line + vector * VECTOR);
    const v32 zero = splat32(r->zero);
    v[0] = to_float(QUAD_BYTES(codes, 0) - zero);
    v[1] = to_float(QUAD_BYTES(codes, 1) - zero);
    v[2] = to_float(QUAD_BYTES(codes, 2) - zero);
    v[3] = to_float(QUAD_BYTES(codes, 3) - zero);
    return;
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < P8_PARTS; ++i) v[i] = load_floats(line, r->part, vector, i);
}

INLINE void row_store(const packed8_row_out *to, uint8_t *line, size_t vector, vf v[P8_PARTS]) {
  const vf low = splatf(to->low), high = splatf(to->high);
#pragma GCC unroll 4
  for (size_t i = 0; i < P8_PARTS; ++i) v[i] = MINF(MAXF(v[i], low), high);
  if (!to->codes) {
#pragma GCC unroll 4
    for (size_t i = 0; i < P8_PARTS; ++i) *floats_of(line, to->part, vector, i) = v[i];
    return;
  }
  const v32 zero = splat32(to->zero);
  const v16 even = PACK32(ROUND(v[0]) + zero, ROUND(v[1]) + zero);
  const v16 odd = PACK32(ROUND(v[2]) + zero, ROUND(v[3]) + zero);
  *(v8 *)(void *)(line + vector * VECTOR) = PACK16(even, odd);
}

/* v += residual, fused. */
INLINE void row_add(const packed8_row *residual, const uint8_t *line, size_t vector, vf factor,
                    vf v[P8_PARTS]) {
  vf other[P8_PARTS];
  row_values(residual, line, vector, other);
#pragma GCC unroll 4
  for (size_t i = 0; i < P8_PARTS; ++i) v[i] = FMA(other[i], factor, v[i]);
}

static void map_row(const packed8_row *in, const packed8_row *residual, const packed8_map *map,
                    size_t n, const packed8_row_out *out) {
  const packed8_row from = *in, plus = *residual;
  const packed8_row_out to = *out;
  const vf factor = splatf(map->factor), shift = splatf(map->shift);
  const vf residual_factor = splatf(map->residual_factor);
  const bool as_is = !map->affine && !(map->factor < 1) && !(map->factor > 1);
  const bool last = as_is || map->affine; /* the residual's product is fused with its sum */
  for (size_t x = 0; x < n; ++x)
#pragma GCC unroll 1
    for (size_t vector = 0; vector < VECTORS; ++vector) {
      vf v[P8_PARTS] = {{0}}, sum[P8_PARTS];
      if (from.at) row_values(&from, from.at + x * from.step, vector, v);
      if (plus.at && !last) {
        row_values(&plus, plus.at + x * plus.step, vector, sum);
#pragma GCC unroll 4
        for (size_t i = 0; i < P8_PARTS; ++i) sum[i] = sum[i] * residual_factor;
      } else {
#pragma GCC unroll 4
        for (size_t i = 0; i < P8_PARTS; ++i) sum[i] = shift;
      }
      if (!as_is) {
#pragma GCC unroll 4
        for (size_t i = 0; i < P8_PARTS; ++i) v[i] = FMA(v[i], factor, sum[i]);
      }
      if (plus.at && last) row_add(&plus, plus.at + x * plus.step, vector, residual_factor, v);
      row_store(&to, to.at + x * P8_LINE, vector, v);
    }
}

INLINE void gate_row(const packed8_gate_kind kind, const packed8_row *in, const packed8_row *gate,
                     const packed8_row *residual, const packed8_gate *rule, size_t n,
                     const packed8_row_out *out) {
  const packed8_row from = *in, by = *gate, plus = *residual;
  const packed8_row_out to = *out;
  const vf gate_by = splatf(rule->by), per_unit = splatf(rule->per_unit);
  const vf factor = splatf(rule->factor), residual_factor = splatf(rule->residual_factor);
  for (size_t x = 0; x < n; ++x)
#pragma GCC unroll 1
    for (size_t vector = 0; vector < VECTORS; ++vector) {
      vf v[P8_PARTS] = {{0}}, g[P8_PARTS] = {{0}};
      if (from.at) row_values(&from, from.at + x * from.step, vector, v);
      if (by.at) row_values(&by, by.at + x * by.step, vector, g);
#pragma GCC unroll 4
      for (size_t i = 0; i < P8_PARTS; ++i)
        v[i] = v[i] * gate_of(kind, g[i], gate_by, per_unit) * factor;
      if (plus.at) row_add(&plus, plus.at + x * plus.step, vector, residual_factor, v);
      row_store(&to, to.at + x * P8_LINE, vector, v);
    }
}

INLINE void curve_row(const packed8_gate_kind kind, const packed8_row *in, const packed8_gate *rule,
                      size_t n, const packed8_row_out *out) {
  const packed8_row from = *in;
  const packed8_row_out to = *out;
  const vf by = splatf(rule->by), per_unit = splatf(rule->per_unit);
  for (size_t x = 0; x < n; ++x)
#pragma GCC unroll 1
    for (size_t vector = 0; vector < VECTORS; ++vector) {
      vf v[P8_PARTS] = {{0}};
      if (from.at) row_values(&from, from.at + x * from.step, vector, v);
#pragma GCC unroll 4
      for (size_t i = 0; i < P8_PARTS; ++i) v[i] = gate_of(kind, v[i], by, per_unit);
      row_store(&to, to.at + x * P8_LINE, vector, v);
    }
}

#define GATE_ROWS(name, kind)                                                                  \
  static void name##_gate_row(const packed8_row *in, const packed8_row *gate,                  \
                              const packed8_row *residual, const packed8_gate *rule, size_t n, \
                              const packed8_row_out *out) {                                    \
    gate_row(kind, in, gate, residual, rule, n, out);                                          \
  }                                                                                            \
  static void name##_curve_row(const packed8_row *in, const packed8_gate *rule, size_t n,      \
                               const packed8_row_out *out) {                                   \
    curve_row(kind, in, rule, n, out);                                                         \
  }
GATE_ROWS(as_is, P8_GATE_AS_IS)
GATE_ROWS(scaled, P8_GATE_SCALED)
GATE_ROWS(logistic, P8_GATE_LOGISTIC)
GATE_ROWS(normal, P8_GATE_NORMAL)

static void window(const packed8_row *in, size_t in_row, size_t kh, size_t kw, bool maximum,
                   float factor, size_t n, const packed8_row_out *out) {
  const packed8_row from = *in;
  const packed8_row_out to = *out;
  const vf by = splatf(factor);
  for (size_t i = 0; i < n; ++i)
#pragma GCC unroll 1
    for (size_t vector = 0; vector < VECTORS; ++vector) {
      vf best[P8_PARTS], next[P8_PARTS];
#pragma GCC unroll 4
      for (size_t k = 0; k < P8_PARTS; ++k) best[k] = splatf(maximum ? -INFINITY : 0);
      for (size_t y = 0; y < kh; ++y)
        for (size_t x = 0; x < kw; ++x) {
          row_values(&from, from.at + i * from.step + y * in_row + x * P8_LINE, vector, next);
#pragma GCC unroll 4
          for (size_t k = 0; k < P8_PARTS; ++k)
            if (maximum)
              best[k] = MAXF(next[k], best[k]);
            else
              best[k] = best[k] + next[k];
        }
#pragma GCC unroll 4
      for (size_t k = 0; k < P8_PARTS; ++k) best[k] = best[k] * by;
      row_store(&to, to.at + i * P8_LINE, vector, best);
    }
}
