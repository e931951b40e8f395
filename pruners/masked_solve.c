/* Preconditioned conjugate gradients (Hestenes and Stiefel 1952; Jacobi's preconditioner) on blocks of
 * columns. The masks are kept by setting the residual of pruned rows to 0: directions then never leave the
 * kept ones. Rows that no column of a block keeps are left out of its system. */
#include <cblas.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "pruners/masked_solve_impl.h"

#define WIDEST ((size_t)128)    /* columns of a block: the product's third side */
#define NARROWEST ((size_t)32)  /* where there are few columns */
#define BLOCKS ((size_t)2)      /* that there should be at least */
#define SHRINK_MIN ((size_t)16) /* a smaller system is made where at least that many rows go */

/* One worker's memory; matrices are [rows][width]. */
typedef struct {
  size_t *rows; /* of the problem, that the block's system has */
  float *system;
  float *w, *wanted, *residual, *direction, *product, *mask;
  float *inverse;              /* of the system's diagonal */
  double *first, *now, *along; /* a column: r.z at w = 0, r.z now, p.Ap */
} memory;

typedef struct {
  const ap_masked_problem *problem;
  ap_masked_options options;
  size_t width;
  memory *workers;
} job;

/* The block at hand. */
typedef struct {
  const job *job;
  memory *m;
  const float *system; /* rows x rows */
  size_t first, width, rows;
} block;

static void multiply(const block *b, const float *x, float *y) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)b->rows, (blasint)b->width,
              (blasint)b->rows, 1, b->system, (blasint)b->rows, x, (blasint)b->width, 0, y,
              (blasint)b->width);
}

/* Which rows any column keeps, and their own system where that is smaller. */
static void choose_rows(block *b) {
  const ap_masked_problem *p = b->job->problem;
  b->rows = 0;
  for (size_t i = 0; i < p->k; i++) {
    const uint8_t *kept = p->kept + i * p->stride + b->first;
    bool any = false;
    for (size_t j = 0; j < b->width; j++) any = any || kept[j];
    if (any) b->m->rows[b->rows++] = i;
  }
  if (b->rows + SHRINK_MIN > p->k) {
    for (size_t i = 0; i < p->k; i++) b->m->rows[i] = i;
    b->rows = p->k;
    b->system = p->system;
    return;
  }
  for (size_t i = 0; i < b->rows; i++) {
    const float *row = p->system + b->m->rows[i] * p->k;
    for (size_t j = 0; j < b->rows; j++) b->m->system[i * b->rows + j] = row[b->m->rows[j]];
  }
  b->system = b->m->system;
}

/* The block's rows of system * start: what is wanted where nothing else is given. */
static void own_wanted(const block *b) {
  const ap_masked_problem *p = b->job->problem;
  float *all = b->m->product;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)p->k, (blasint)b->width,
              (blasint)p->k, 1, p->system, (blasint)p->k, p->start + b->first, (blasint)p->stride,
              0, all, (blasint)b->width);
  for (size_t i = 0; i < b->rows; i++) {
    memcpy(b->m->wanted + i * b->width, all + b->m->rows[i] * b->width, b->width * sizeof *all);
  }
}

static void load(const block *b) {
  const ap_masked_problem *p = b->job->problem;
  memory *m = b->m;
  for (size_t i = 0; i < b->rows; i++) {
    const size_t row = m->rows[i];
    m->inverse[i] = 1.0f / b->system[i * b->rows + i];
    for (size_t j = 0; j < b->width; j++) {
      const bool kept = p->kept[row * p->stride + b->first + j];
      m->mask[i * b->width + j] = kept ? 1.0f : 0.0f;
      m->w[i * b->width + j] = kept ? p->start[row * p->stride + b->first + j] : 0.0f;
      if (p->wanted) m->wanted[i * b->width + j] = p->wanted[row * p->n + b->first + j];
    }
  }
  if (!p->wanted) own_wanted(b);
}

/* sum[j] = sum over rows of a * b * scale[row]. */
static void column_sums(const block *b, const float *x, const float *y, const float *scale,
                        double *sum) {
  for (size_t j = 0; j < b->width; j++) sum[j] = 0;
  for (size_t i = 0; i < b->rows; i++) {
    const float *u = x + i * b->width, *v = y + i * b->width;
    const double s = scale ? (double)scale[i] : 1.0;
    for (size_t j = 0; j < b->width; j++) sum[j] += s * (double)u[j] * (double)v[j];
  }
}

/* Residuals of the start, first directions; first and now. */
static void begin(const block *b) {
  memory *m = b->m;
  multiply(b, m->w, m->product);
  for (size_t i = 0; i < b->rows * b->width; i++) {
    m->wanted[i] *= m->mask[i];
    m->residual[i] = (m->wanted[i] - m->product[i]) * m->mask[i];
  }
  column_sums(b, m->wanted, m->wanted, m->inverse, m->first);
  column_sums(b, m->residual, m->residual, m->inverse, m->now);
  for (size_t i = 0; i < b->rows; i++) {
    for (size_t j = 0; j < b->width; j++) {
      m->direction[i * b->width + j] = m->residual[i * b->width + j] * m->inverse[i];
    }
  }
}

static bool open(const block *b, size_t column) {
  const double limit = b->job->options.tolerance * b->job->options.tolerance;
  return b->m->now[column] > limit * b->m->first[column];
}

/* One step of all columns that are not solved yet. False when there are none. */
static bool step(const block *b) {
  memory *m = b->m;
  float ahead[WIDEST], back[WIDEST];
  double before[WIDEST];
  bool any = false;
  for (size_t j = 0; j < b->width; j++) any = any || open(b, j);
  if (!any) return false;
  multiply(b, m->direction, m->product);
  for (size_t i = 0; i < b->rows * b->width; i++) m->product[i] *= m->mask[i];
  column_sums(b, m->direction, m->product, NULL, m->along);
  for (size_t j = 0; j < b->width; j++) {
    before[j] = m->now[j];
    ahead[j] = open(b, j) && m->along[j] > 0 ? (float)(m->now[j] / m->along[j]) : 0.0f;
  }
  for (size_t i = 0; i < b->rows; i++) {
    const size_t at = i * b->width;
    for (size_t j = 0; j < b->width; j++) {
      m->w[at + j] += ahead[j] * m->direction[at + j];
      m->residual[at + j] -= ahead[j] * m->product[at + j];
    }
  }
  column_sums(b, m->residual, m->residual, m->inverse, m->now);
  for (size_t j = 0; j < b->width; j++) {
    const bool stuck = !(ahead[j] > 0);
    back[j] = stuck ? 0.0f : (float)(m->now[j] / before[j]);
    if (stuck) m->now[j] = 0; /* solved, or no direction is left in float32 */
  }
  for (size_t i = 0; i < b->rows; i++) {
    const size_t at = i * b->width;
    for (size_t j = 0; j < b->width; j++) {
      m->direction[at + j] = m->residual[at + j] * m->inverse[i] + back[j] * m->direction[at + j];
    }
  }
  return true;
}

static void store(const block *b) {
  const ap_masked_problem *p = b->job->problem;
  for (size_t i = 0, at = 0; i < p->k; i++) {
    float *to = p->weights + i * p->stride + b->first;
    if (at < b->rows && b->m->rows[at] == i) {
      memcpy(to, b->m->w + at++ * b->width, b->width * sizeof *to);
    } else {
      memset(to, 0, b->width * sizeof *to);
    }
  }
}

static void solve_block(void *context, size_t number, size_t worker) {
  const job *t = context;
  block b = {.job = t, .m = &t->workers[worker], .first = number * t->width};
  b.width = t->problem->n - b.first < t->width ? t->problem->n - b.first : t->width;
  choose_rows(&b);
  load(&b);
  begin(&b);
  for (size_t s = 0; s < t->options.max_steps && step(&b); s++) continue;
  store(&b);
}

static bool reserve(memory *m, size_t k, size_t width) {
  float **const matrices[] = {&m->w,         &m->wanted,  &m->residual,
                              &m->direction, &m->product, &m->mask};
  for (size_t i = 0; i < sizeof matrices / sizeof matrices[0]; i++) {
    *matrices[i] = ap_calloc(k * width, sizeof(float));
    if (!*matrices[i]) return false;
  }
  m->rows = ap_calloc(k, sizeof *m->rows);
  m->system = ap_calloc(k * k, sizeof *m->system);
  m->inverse = ap_calloc(k, sizeof *m->inverse);
  m->first = ap_calloc(3 * width, sizeof *m->first);
  if (!m->rows || !m->system || !m->inverse || !m->first) return false;
  m->now = m->first + width;
  m->along = m->now + width;
  return true;
}

static void release(memory *m) {
  float *const arrays[] = {m->w,       m->wanted, m->residual, m->direction,
                           m->product, m->mask,   m->system,   m->inverse};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) ap_free(arrays[i]);
  ap_free(m->rows);
  ap_free(m->first);
}

static size_t width_of(size_t columns) {
  size_t width = WIDEST;
  while (width > NARROWEST && columns < BLOCKS * width) width /= 2;
  return width;
}

ap_status ap_masked_solve(ap_pool *pool, const ap_masked_problem *problem,
                          const ap_masked_options *options, ap_error *err) {
  const size_t n_workers = ap_pool_threads(pool);
  job t = {.problem = problem,
           .options = *options,
           .width = width_of(problem->n),
           .workers = ap_calloc(n_workers, sizeof *t.workers)};
  ap_status st = AP_OK;
  if (!t.workers) return ap_fail(err, AP_ERR_MEMORY, "%zu columns", problem->n);
  openblas_set_num_threads(1); /* the pool's threads are the parallelism */
  for (size_t i = 0; i < n_workers && !st; i++) {
    if (!reserve(&t.workers[i], problem->k, t.width)) {
      st = ap_fail(err, AP_ERR_MEMORY, "systems of %zu unknowns", problem->k);
    }
  }
  if (!st) ap_pool_run(pool, (problem->n + t.width - 1) / t.width, solve_block, &t);
  for (size_t i = 0; i < n_workers; i++) release(&t.workers[i]);
  ap_free(t.workers);
  return st;
}
