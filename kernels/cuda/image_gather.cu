/* Chosen images from bytes: shifted crop, mirrored, normalised per channel, a square cut out. */
#include "kernels/cuda/grid.cuh"

static __global__ void image_gather_u8_k(ap_image_shape s, const uint8_t *__restrict__ source,
                                         const ap_image_pick *__restrict__ picks,
                                         const float *__restrict__ mean,
                                         const float *__restrict__ std, float *__restrict__ y) {
  const size_t planes = s.n * s.c, pixels = s.h * s.w;
  const unsigned width = (unsigned)s.w;
  for (unsigned q = PIXEL_BEGIN; q < pixels; q += PIXEL_STEP) {
    const long long row = q / width, column = q % width;
    for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
      const size_t c = plane % s.c;
      const ap_image_pick pick = picks[plane / s.c];
      const long long at = pick.flip == 1 ? (long long)s.w - 1 - column : column;
      const long long from_row = row + pick.dy, from_column = at + pick.dx;
      const long long below = row - pick.cut_y, right = column - pick.cut_x;
      float value = 0;
      if (pick.index < 0 || (size_t)pick.index >= s.n_source) {
        value = nanf("");
      } else if (below >= 0 && right >= 0 && below < pick.cut && right < pick.cut) {
        value = 0;
      } else if (from_row >= 0 && from_row < (long long)s.h && from_column >= 0 &&
                 from_column < (long long)s.w) {
        const size_t base = ((size_t)pick.index * s.c + c) * pixels;
        const uint8_t pixel = source[base + (size_t)from_row * s.w + (size_t)from_column];
        value = ((float)pixel / 255.0f - mean[c]) / std[c];
      }
      y[plane * pixels + q] = value;
    }
  }
}

extern "C" cudaError_t ap_cuda_launch_image_gather_u8(cudaStream_t stream, const ap_image_shape *s,
                                                      const uint8_t *source,
                                                      const ap_image_pick *picks, const float *mean,
                                                      const float *std, float *y) {
  const size_t planes = s->n * s->c, pixels = s->h * s->w;
  if (planes == 0 || pixels == 0) return cudaSuccess;
  const launch_size l = plane_size(planes, pixels);
  image_gather_u8_k<<<l.grid, l.block, 0, stream>>>(*s, source, picks, mean, std, y);
  return cudaGetLastError();
}
