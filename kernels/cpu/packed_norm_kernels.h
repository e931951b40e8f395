/* kernels/cpu/packed_norm_kernels.h - the vector kernels of normalisation of an image by itself; part of
 * packed_kernels.h, contracts in packed_impl.h. */

#define MOMENT_SUMS 4 /* chains of additions */

INLINE vec moment(const float *in, const float *centre, size_t lane) {
  const vec v = load(in + lane);
  if (!centre) return v;
  const vec d = v - load(centre + lane);
  return d * d;
}

static void moment_row(const float *in, size_t in_step, size_t n, const float *centre, float *sums,
                       size_t step) {
  if (step > 0) {
    for (size_t i = 0; i < n; ++i, in += in_step, sums += step) {
      for (size_t lane = 0; lane < LANES; lane += VECTOR)
        store(sums + lane, load(sums + lane) + moment(in, centre ? centre + i * step : NULL, lane));
    }
    return;
  }
  for (size_t lane = 0; lane < LANES; lane += VECTOR) {
    vec sum[MOMENT_SUMS];
    size_t i = 0;
    for (int k = 0; k < MOMENT_SUMS; ++k) sum[k] = splat(0.0F);
    for (; i + MOMENT_SUMS <= n; i += MOMENT_SUMS) {
#pragma GCC unroll 4
      for (size_t k = 0; k < MOMENT_SUMS; ++k)
        sum[k] += moment(in + (i + k) * in_step, centre, lane);
    }
    for (; i < n; ++i) sum[0] += moment(in + i * in_step, centre, lane);
    store(sums + lane, load(sums + lane) + ((sum[0] + sum[1]) + (sum[2] + sum[3])));
  }
}

static void norm_row(const float *in, const float *mean, const float *inverse, size_t step,
                     float scale, float shift, const float *residual, size_t residual_column,
                     size_t n, float low, float high, float *out) {
  for (size_t i = 0; i < n; ++i, in += LANES, mean += step, inverse += step, out += LANES) {
    for (size_t lane = 0; lane < LANES; lane += VECTOR) {
      vec v = (load(in + lane) - load(mean + lane)) * (load(inverse + lane) * scale) + splat(shift);
      if (residual) v += load(residual + i * residual_column + lane);
      store(out + lane, clip(v, splat(low), splat(high)));
    }
  }
}
