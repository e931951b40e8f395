/* kernels/cpu/packed8_rows.h - element by element operations on lines, and the curves that are computed
 * in registers; part of packed8_kernels.h. Codes become floats, four vectors of them for a vector of
 * codes, and back; nothing is stored in between. */

/* ---- curves ----------------------------------------------------------------------------------- */
/* As kernels/cpu/curve.c computes them, operation by operation: the same bits. They wait for their own
 * results most of the time, so some vectors go through every step together. */
enum { ABREAST = VECTOR == P8_LINE ? 4 : 2 };
#define EACH _Pragma("GCC unroll 4") for (int i = 0; i < n; ++i)

INLINE vf within(vf x, float least, float most) {
  return MAXF(splatf(least), MINF(splatf(most), x)); /* of a NaN the second is taken: it stays */
}

/* z becomes exp(z + rest); rest: NULL, or of each. */
INLINE void exp_all(const int n, vf *z, const vf *rest) {
  const float rounder = 12582912.0F; /* 1.5 * 2^23 */
  vf shifted[ABREAST], r[ABREAST], r2[ABREAST], low[ABREAST], high[ABREAST];
  EACH shifted[i] = z[i] * 1.44269504F + rounder;
  EACH r[i] = shifted[i] - rounder;
  EACH z[i] = z[i] - r[i] * 0.693359375F;
  EACH r[i] = z[i] - r[i] * -2.12194440e-4F;
  if (rest) EACH r[i] = r[i] + rest[i];
  EACH r2[i] = r[i] * r[i];
  EACH high[i] = 1.0F / 720 + r[i] * (1.0F / 5040);
  EACH low[i] = 0.5F + r[i] * (1.0F / 6);
  EACH high[i] = (1.0F / 24 + r[i] * (1.0F / 120)) + high[i] * r2[i];
  EACH low[i] = (1.0F + r[i]) + low[i] * r2[i];
  EACH r2[i] = r2[i] * r2[i];
  EACH z[i] = (vf)(((v32)shifted[i] + 127) << 23);
  EACH low[i] = low[i] + high[i] * r2[i];
  EACH z[i] = low[i] * z[i];
}

INLINE void logistic_all(const int n, vf *x) {
  EACH x[i] = within(-x[i], -87, 87);
  exp_all(n, x, NULL);
  EACH x[i] = 1.0F / (1.0F + x[i]);
}

INLINE void normal_all(const int n, vf *x) {
  static const float factors[] = {-0.15501751F,  0.256045729F, -0.156207323F, 0.16462414F,
                                  0.0494372733F, 0.103445232F, 0.102957129F,  0.103762664F};
  vf u[ABREAST], t[ABREAST], h[ABREAST], r[ABREAST], rest[ABREAST];
  EACH u[i] = within(MAXF(-x[i], x[i]), 0, 12.5F);
  EACH t[i] = 1.0F / (1.0F + 0.26F * u[i]);
  EACH h[i] = (vf)((v32)u[i] & (int32_t)0xfffff000);
  EACH rest[i] = -0.5F * ((u[i] - h[i]) * (u[i] + h[i]));
  EACH u[i] = -0.5F * (h[i] * h[i]);
  EACH r[i] = 0.0309526417F * t[i];
#pragma GCC unroll 8
  for (size_t k = 0; k < sizeof factors / sizeof *factors; ++k)
    EACH r[i] = (r[i] + factors[k]) * t[i];
  exp_all(n, u, rest);
  EACH u[i] = u[i] * r[i];
  EACH {
    const v32 above = x[i] > splatf(0);
    x[i] = (vf)(((v32)(1.0F - u[i]) & above) | ((v32)u[i] & ~above));
  }
}

/* What values are multiplied with; some vectors of a line. */
INLINE void gate_some(const packed8_gate_kind kind, const int n, vf *x, vf by, vf per_unit) {
  if (kind == P8_GATE_LOGISTIC || kind == P8_GATE_NORMAL) EACH x[i] = x[i] * by;
  if (kind == P8_GATE_LOGISTIC) logistic_all(n, x);
  if (kind == P8_GATE_NORMAL) normal_all(n, x);
  if (kind != P8_GATE_AS_IS) EACH x[i] = x[i] * per_unit;
}
INLINE void gate_all(const packed8_gate_kind kind, const int n, vf *x, vf by, vf per_unit) {
#pragma GCC unroll 4
  for (int i = 0; i < n; i += ABREAST)
    gate_some(kind, n < ABREAST ? n : ABREAST, x + i, by, per_unit);
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
      gate_all(kind, P8_PARTS, g, gate_by, per_unit);
#pragma GCC unroll 4
      for (size_t i = 0; i < P8_PARTS; ++i) v[i] = v[i] * g[i] * factor;
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
      gate_all(kind, P8_PARTS, v, by, per_unit);
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
