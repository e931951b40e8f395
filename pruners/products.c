#include <cblas.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "pruners/products_impl.h"

#define CHUNK ((size_t)1024) /* samples summed in float32 */
#define ROWS ((size_t)64)    /* of them, fetched by one block of the loop */
#define TILE ((size_t)256)   /* rows and columns of the sum that one block makes */

typedef struct {
  ap_sample_source a, b;
  bool symmetric;
  size_t samples, first, n; /* of all; the chunk's first, and how many are in it */
  float *rows_a, *rows_b;   /* the chunk's rows */
  float **tiles;            /* per worker: TILE x TILE */
  double *sum;
} job;

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static size_t tiles_of(size_t width) { return (width + TILE - 1) / TILE; }

static void fetch(void *context, size_t block, size_t worker) {
  const job *t = context;
  const size_t end = smaller((block + 1) * ROWS, t->n);
  (void)worker;
  for (size_t i = block * ROWS; i < end; i++) {
    t->a.row(t->a.context, t->first + i, t->rows_a + i * t->a.width);
    if (!t->symmetric) t->b.row(t->b.context, t->first + i, t->rows_b + i * t->b.width);
  }
}

/* Adds the chunk's products to one tile of the sum. */
static void multiply(void *context, size_t block, size_t worker) {
  const job *t = context;
  const size_t across = tiles_of(t->b.width), row = block / across, column = block % across;
  const size_t i = row * TILE, j = column * TILE;
  const size_t m = smaller(TILE, t->a.width - i), n = smaller(TILE, t->b.width - j);
  float *tile = t->tiles[worker];
  if (t->symmetric && row > column) return;
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)m, (blasint)n, (blasint)t->n, 1,
              t->rows_a + i, (blasint)t->a.width, t->rows_b + j, (blasint)t->b.width, 0, tile,
              (blasint)TILE);
  for (size_t r = 0; r < m; r++) {
    double *to = t->sum + (i + r) * t->b.width + j;
    for (size_t c = 0; c < n; c++) to[c] += (double)tile[r * TILE + c];
  }
}

/* Divides by the number of samples, and fills the lower triangle. */
static void finish(const job *t) {
  const size_t rows = t->a.width, columns = t->b.width;
  const double share = t->samples ? 1.0 / (double)t->samples : 0.0;
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = t->symmetric ? i : 0; j < columns; j++) t->sum[i * columns + j] *= share;
  }
  for (size_t i = 0; t->symmetric && i < rows; i++) {
    for (size_t j = 0; j < i; j++) t->sum[i * columns + j] = t->sum[j * columns + i];
  }
}

ap_status ap_mean_products(ap_pool *pool, size_t samples, const ap_sample_source *a,
                           const ap_sample_source *b, double *sum, ap_error *err) {
  const size_t workers = ap_pool_threads(pool), chunk = smaller(CHUNK, samples);
  job t = {.a = *a, .b = b ? *b : *a, .symmetric = !b, .samples = samples, .sum = sum};
  ap_status st = AP_OK;
  t.rows_a = ap_calloc(chunk * a->width, sizeof *t.rows_a);
  t.rows_b = b ? ap_calloc(chunk * b->width, sizeof *t.rows_b) : t.rows_a;
  t.tiles = ap_calloc(workers, sizeof *t.tiles);
  if (!t.rows_a || !t.rows_b || !t.tiles) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu samples of %zu values", chunk, a->width);
    goto done;
  }
  for (size_t i = 0; i < workers; i++) {
    t.tiles[i] = ap_calloc(TILE * TILE, sizeof **t.tiles);
    if (!t.tiles[i]) {
      st = ap_fail(err, AP_ERR_MEMORY, "products of samples");
      goto done;
    }
  }
  openblas_set_num_threads(1); /* the pool's threads are the parallelism */
  for (size_t i = 0; i < t.a.width * t.b.width; i++) sum[i] = 0;
  for (t.first = 0; t.first < samples; t.first += t.n) {
    t.n = smaller(chunk, samples - t.first);
    ap_pool_run(pool, (t.n + ROWS - 1) / ROWS, fetch, &t);
    ap_pool_run(pool, tiles_of(t.a.width) * tiles_of(t.b.width), multiply, &t);
  }
  finish(&t);
done:
  for (size_t i = 0; t.tiles && i < workers; i++) ap_free(t.tiles[i]);
  ap_free(t.tiles);
  if (b) ap_free(t.rows_b);
  ap_free(t.rows_a);
  return st;
}
