/* The tiles of the direct convolution, every variant that this machine can run, against plain loops
 * on small integers: all sums are exact, so all variants must agree to the bit. */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/cpu/direct_impl.h"
#include "tests/kernels/support.h"

#define FLOATS ((size_t)4096)
#define GUARD 12345.0f

static float *integers(size_t n, ap_rng *random) {
  float *p = calloc(n, sizeof *p);
  assert_non_null(p);
  for (size_t i = 0; i < n; i++) p[i] = (float)ap_rng_below(random, 9) - 4;
  return p;
}

static void check_panel(const ap_direct_tiles *tiles, size_t k, size_t n_vectors, size_t n_rows,
                        bool accumulate, ap_rng *random) {
  const size_t out_row = n_vectors * AP_LANES + 5, n_out = AP_PANEL * out_row;
  float *planes = integers(FLOATS, random), *w = integers(k * AP_PANEL, random);
  float *bias = integers(AP_PANEL, random), *out = integers(n_out, random);
  float *expected = calloc(n_out, sizeof *expected);
  uint32_t offset[64], in[8], at[8];
  assert_non_null(expected);
  for (size_t i = 0; i < k; i++) offset[i] = (uint32_t)ap_rng_below(random, 2000);
  for (size_t v = 0; v < n_vectors; v++) {
    in[v] = (uint32_t)ap_rng_below(random, 2000);
    at[v] = (uint32_t)((n_vectors - 1 - v) * AP_LANES); /* stored backwards: the table counts */
  }
  for (size_t i = 0; i < AP_PANEL; i++) out[i * out_row + out_row - 1] = GUARD;
  memcpy(expected, out, n_out * sizeof *out);
  for (size_t r = 0; r < n_rows; r++) {
    for (size_t v = 0; v < n_vectors; v++) {
      for (size_t l = 0; l < AP_LANES; l++) {
        float *to = &expected[r * out_row + at[v] + l];
        float sum = bias[r] + (accumulate ? *to : 0);
        for (size_t i = 0; i < k; i++) {
          sum += planes[in[v] + offset[i] + l] * w[i * AP_PANEL + r];
        }
        *to = sum;
      }
    }
  }
  const ap_direct_panel panel = {planes, w,         bias,    offset, in,  at,
                                 k,      n_vectors, out_row, n_rows, out, accumulate};
  tiles->panel(&panel);
  assert_memory_equal(out, expected, n_out * sizeof *out);
  free(planes);
  free(w);
  free(bias);
  free(out);
  free(expected);
}

static void panels(void **state) {
  ap_rng random;
  (void)state;
  ap_rng_seed(&random, 3, 0);
  for (size_t i = 0; ap_direct_tiles_get(i); i++) {
    const ap_direct_tiles *tiles = ap_direct_tiles_get(i);
    print_message("%s\n", tiles->name);
    for (size_t n_rows = 1; n_rows <= AP_PANEL; n_rows++) {
      for (size_t n_vectors = 1; n_vectors <= 7; n_vectors++) {
        check_panel(tiles, 1, n_vectors, n_rows, false, &random);
        check_panel(tiles, 27, n_vectors, n_rows, n_vectors % 2 == 1, &random);
      }
    }
  }
}

static void filters(void **state) {
  ap_rng random;
  (void)state;
  ap_rng_seed(&random, 4, 0);
  for (size_t i = 0; ap_direct_tiles_get(i); i++) {
    for (size_t n_images = 1; n_images <= 3; n_images++) {
      for (size_t n_vectors = 1; n_vectors <= 5; n_vectors++) {
        float *planes = integers(FLOATS, &random), *dy = integers(FLOATS, &random);
        float sums[AP_TILE_ROWS * AP_TILE_TAPS];
        uint32_t offset[AP_TILE_TAPS], in[5], at[5];
        ap_direct_filter_tile tile = {.planes = planes,
                                      .dy = {dy + 700, dy, dy + 300, dy},
                                      .offset = offset,
                                      .in = in,
                                      .at = at,
                                      .n_images = n_images,
                                      .n_vectors = n_vectors,
                                      .image = 900,
                                      .dy_image = 1000};
        for (size_t j = 0; j < AP_TILE_TAPS; j++) offset[j] = (uint32_t)ap_rng_below(&random, 800);
        for (size_t v = 0; v < n_vectors; v++) {
          in[v] = (uint32_t)ap_rng_below(&random, 500);
          at[v] = (uint32_t)ap_rng_below(&random, 300);
        }
        ap_direct_tiles_get(i)->filter(&tile, sums);
        for (size_t r = 0; r < AP_TILE_ROWS; r++) {
          for (size_t j = 0; j < AP_TILE_TAPS; j++) {
            float sum = 0;
            for (size_t l = 0; l < n_images * n_vectors * AP_LANES; l++) {
              const size_t v = l / AP_LANES % n_vectors, image = l / AP_LANES / n_vectors;
              const size_t lane = l % AP_LANES;
              sum += planes[image * 900 + in[v] + offset[j] + lane] *
                     tile.dy[r][image * 1000 + at[v] + lane];
            }
            assert_true(sums[r * AP_TILE_TAPS + j] == sum);
          }
        }
        free(planes);
        free(dy);
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(panels), cmocka_unit_test(filters)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
