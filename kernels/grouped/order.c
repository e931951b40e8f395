/* kernels/grouped/order.c - where the channels of a chunk lie in a line of shared memory.
 *
 * 8 rows that are loaded together should lie in 8 banks, but which rows a list uses is no one's choice. All
 * rows of a channel lie in the banks of its place, 0 .. 7. Four channels c / 4 share a line, as they do in
 * memory: their places are all even or all odd, each once. What makes the numbers of rows in the banks of
 * all lists that read the chunk most alike is found plane by plane, as long as that helps. */
#include <string.h>

#include "base/alloc.h"
#include "kernels/grouped/pack_impl.h"

enum { BANKS = GROUPED_BANKS, BESIDE = GROUPED_BESIDE, SWEEPS = 6, ORDERS = 48 };

typedef struct {
  size_t first, n; /* fours first .. first + n - 1 */
  size_t lists;
  uint16_t *rows; /* [n * BESIDE][lists]: how many of a channel a list uses */
  int32_t *sum;   /* [BANKS][lists] of all as they lie */
  uint8_t place[ORDERS][BESIDE];
} chunk;

/* All places of four channels: every order of the even ones, then of the odd ones; the first is 0, 2, 4, 6. */
static void list_orders(uint8_t place[ORDERS][BESIDE]) {
  size_t n = 0;
  for (unsigned code = 0; code < 512; code++) { /* base 4, the first channel's digit the highest */
    unsigned seen = 0;
    for (unsigned i = 0; i < BESIDE; i++) seen |= 1U << (code >> 2 * (BESIDE - 1 - i) & 3);
    if (seen != 15) continue;
    for (unsigned i = 0; i < BESIDE; i++)
      place[n][i] = (uint8_t)(2 * (code >> 2 * (BESIDE - 1 - i) & 3) + (code >> 8));
    n++;
  }
}

static void count_rows(const grouped_geometry *g, const uint8_t *used, size_t n_narrow, size_t form,
                       size_t first_list, chunk *c) {
  const size_t taps = g->kh * g->kw;
  memset(c->rows, 0, c->n * BESIDE * c->lists * sizeof *c->rows);
  for (size_t i = 0; i < c->n * BESIDE && c->first * BESIDE + i < g->c_in; i++)
    for (size_t tap = 0; tap < taps; tap++)
      for (size_t l = 0; l < c->lists; l++)
        if (grouped_list_uses(used, n_narrow, (c->first * BESIDE + i) * taps + tap, form,
                              first_list + l))
          c->rows[i * c->lists + l]++;
}

/* Adds `sign` times the rows of the fours as they lie by `order`. */
static void add_rows(const chunk *c, size_t four, size_t order, int32_t sign) {
  for (size_t i = 0; i < BESIDE; i++) {
    const uint16_t *rows = c->rows + (four * BESIDE + i) * c->lists;
    int32_t *sum = c->sum + c->place[order][i] * c->lists;
    for (size_t l = 0; l < c->lists; l++) sum[l] += sign * rows[l];
  }
}

/* The best order of the fours as all others lie. By how much channel i in place p makes the sum of squares
 * grow does not depend on where the other three are. */
static size_t best_order(const chunk *c, size_t four, size_t now) {
  int64_t growth[BESIDE][BANKS], least = 0;
  size_t best = now;
  for (size_t i = 0; i < BESIDE; i++)
    for (size_t p = 0; p < BANKS; p++) {
      const uint16_t *rows = c->rows + (four * BESIDE + i) * c->lists;
      const int32_t *sum = c->sum + p * c->lists;
      growth[i][p] = 0;
      for (size_t l = 0; l < c->lists; l++)
        growth[i][p] += (int64_t)rows[l] * (2 * sum[l] + rows[l]);
    }
  for (size_t order = 0; order < ORDERS; order++) {
    int64_t total = 0;
    for (size_t i = 0; i < BESIDE; i++)
      total += growth[i][c->place[order][i]] - growth[i][c->place[now][i]];
    if (total >= least) continue;
    least = total;
    best = order;
  }
  return best;
}

size_t grouped_order_length(const grouped_tile *tile) {
  return (size_t)tile->n_chunks * (size_t)tile->order_pitch;
}

/* One chunk: order[i] of its fours, one after the other, then again. */
static void order_chunk(const chunk *c, uint8_t *order) {
  bool better = true;
  memset(c->sum, 0, BANKS * c->lists * sizeof *c->sum);
  for (size_t i = 0; i < c->n; i++) {
    order[i] = (uint8_t)best_order(c, i, i % 2 * (ORDERS / 2));
    add_rows(c, i, order[i], 1);
  }
  for (int sweep = 0; sweep < SWEEPS && better; sweep++) {
    better = false;
    for (size_t i = 0; i < c->n; i++) {
      add_rows(c, i, order[i], -1);
      const size_t best = best_order(c, i, order[i]);
      better = better || best != order[i];
      order[i] = (uint8_t)best;
      add_rows(c, i, best, 1);
    }
  }
}

ap_status grouped_order_choose(const grouped_geometry *g, const grouped_tile *tile,
                               const uint8_t *used, size_t n_narrow, size_t form, size_t block,
                               uint32_t *order, ap_error *err) {
  const size_t per_chunk = (size_t)tile->chunk / BESIDE, width = (size_t)GROUPED_COLUMNS << form;
  const size_t first_list = block * (size_t)tile->columns / width;
  const size_t all = (g->c_out + width - 1) / width, most = (size_t)tile->columns / width;
  const size_t fours = (g->c_in + BESIDE - 1) / BESIDE;
  chunk c = {.lists = all - first_list < most ? all - first_list : most};
  c.rows = ap_calloc(per_chunk * BESIDE, (c.lists + 1) * sizeof *c.rows);
  c.sum = ap_calloc(BANKS, (c.lists + 1) * sizeof *c.sum);
  uint8_t *chosen = ap_calloc(per_chunk, 1);
  ap_status st = AP_OK;
  if (!c.rows || !c.sum || !chosen)
    st = ap_fail(err, AP_ERR_MEMORY, "an order of %zu channels", per_chunk * BESIDE);
  list_orders(c.place);
  for (size_t k = 0; k < (size_t)tile->n_chunks && !st; k++) {
    uint32_t *entries = order + k * (size_t)tile->order_pitch;
    c.first = k * per_chunk;
    c.n = fours - c.first < per_chunk ? fours - c.first : per_chunk;
    if (!g->wide) {
      count_rows(g, used, n_narrow, form, first_list, &c);
      order_chunk(&c, chosen);
    }
    for (size_t i = 0; i < (size_t)tile->order_pitch; i++)
      entries[i] = grouped_order_entry(c.place[i < c.n ? chosen[i] : 0]);
  }
  ap_free(c.rows);
  ap_free(c.sum);
  ap_free(chosen);
  return st;
}
