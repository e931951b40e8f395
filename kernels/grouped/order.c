/* kernels/grouped/order.c - in which order the channels of a chunk lie in shared memory.
 *
 * 8 rows that are loaded together should lie in 8 banks, but which rows a list uses is no one's choice.
 * Where a channel lies moves all of its rows from bank to bank: planes have an odd pitch, so that place i
 * of a chunk adds i * pitch, modulo 8. Neighbouring places change their channels as long as that brings the
 * numbers of rows in the banks closer to one another, summed over all lists that read the chunk. */
#include <string.h>

#include "base/alloc.h"
#include "kernels/grouped/pack_impl.h"

enum { BANKS = GROUPED_BANKS, SWEEPS = 4, NEIGHBOURS = 48 };

typedef struct {
  const grouped_geometry *g;
  const grouped_tile *tile;
  size_t taps, first, n; /* channels first .. first + n - 1 */
  size_t bins;           /* lists x BANKS */
  int16_t *rows;         /* [n][BANKS places modulo 8][bins] of a channel that lies there */
  int32_t *sum;          /* [bins] of all as they lie */
} chunk;

static const int16_t *rows_at(const chunk *c, size_t channel, size_t place) {
  const size_t turn = place * (size_t)c->tile->pitch % BANKS;
  return c->rows + (channel * BANKS + turn) * c->bins;
}

static void count_rows(const chunk *c, const uint8_t *used, size_t n_narrow, size_t form,
                       size_t first_list) {
  memset(c->rows, 0, c->n * BANKS * c->bins * sizeof *c->rows);
  for (size_t i = 0; i < c->n; i++)
    for (size_t tap = 0; tap < c->taps; tap++) {
      const size_t row = (c->first + i) * c->taps + tap;
      const size_t at = grouped_tap_position(c->g, c->tile, tap);
      for (size_t l = 0; l < c->bins / BANKS; l++) {
        if (!grouped_list_uses(used, n_narrow, row, form, first_list + l)) continue;
        for (size_t turn = 0; turn < BANKS; turn++)
          c->rows[(i * BANKS + turn) * c->bins + l * BANKS + (at + turn) % BANKS]++;
      }
    }
}

/* By how much the sum of squares grows when the channels at places a and b change over. */
static int32_t change(const chunk *c, const uint32_t *at, size_t a, size_t b) {
  const int16_t *a0 = rows_at(c, at[a], a), *a1 = rows_at(c, at[a], b);
  const int16_t *b0 = rows_at(c, at[b], b), *b1 = rows_at(c, at[b], a);
  int32_t total = 0;
  for (size_t i = 0; i < c->bins; i++) {
    const int32_t more = a1[i] - a0[i] + b1[i] - b0[i];
    total += more * (2 * c->sum[i] + more);
  }
  return total;
}

static void swap(const chunk *c, uint32_t *at, size_t a, size_t b) {
  const int16_t *a0 = rows_at(c, at[a], a), *a1 = rows_at(c, at[a], b);
  const int16_t *b0 = rows_at(c, at[b], b), *b1 = rows_at(c, at[b], a);
  for (size_t i = 0; i < c->bins; i++) c->sum[i] += a1[i] - a0[i] + b1[i] - b0[i];
  const uint32_t channel = at[a];
  at[a] = at[b];
  at[b] = channel;
}

static bool sweep(const chunk *c, uint32_t *at) {
  const size_t reach = c->n - 1 < NEIGHBOURS ? c->n - 1 : NEIGHBOURS;
  bool better = false;
  for (size_t a = 0; a < c->n; a++)
    for (size_t d = 1; d <= reach; d++) {
      const size_t b = (a + d) % c->n;
      if (a % BANKS == b % BANKS || change(c, at, a, b) >= 0) continue;
      swap(c, at, a, b);
      better = true;
    }
  return better;
}

size_t grouped_order_length(const grouped_tile *tile) {
  return (size_t)tile->n_chunks * (size_t)tile->order_pitch;
}

/* One chunk: at[place] becomes the channel there, counted from the chunk's first. */
static void order_chunk(chunk *c, const uint8_t *used, size_t n_narrow, size_t form,
                        size_t first_list, uint32_t *at) {
  for (size_t i = 0; i < c->n; i++) at[i] = (uint32_t)i;
  if (c->n < 2 || c->bins == 0) return;
  count_rows(c, used, n_narrow, form, first_list);
  memset(c->sum, 0, c->bins * sizeof *c->sum);
  for (size_t i = 0; i < c->n; i++)
    for (size_t k = 0; k < c->bins; k++) c->sum[k] += rows_at(c, i, i)[k];
  for (int i = 0; i < SWEEPS && sweep(c, at); i++) continue;
}

ap_status grouped_order_choose(const grouped_geometry *g, const grouped_tile *tile,
                               const uint8_t *used, size_t n_narrow, size_t form, size_t block,
                               uint32_t *order, ap_error *err) {
  const size_t per_chunk = (size_t)tile->chunk, width = (size_t)GROUPED_COLUMNS << form;
  const size_t first_list = block * (size_t)tile->columns / width;
  const size_t all = (g->c_out + width - 1) / width, most = (size_t)tile->columns / width;
  const size_t lists = g->wide ? 0 : all - first_list < most ? all - first_list : most;
  chunk c = {.g = g, .tile = tile, .taps = g->kh * g->kw, .bins = lists * BANKS};
  c.rows = ap_calloc(per_chunk * BANKS, (c.bins > 0 ? c.bins : 1) * sizeof *c.rows);
  c.sum = ap_calloc(c.bins > 0 ? c.bins : 1, sizeof *c.sum);
  ap_status st = AP_OK;
  if (!c.rows || !c.sum) st = ap_fail(err, AP_ERR_MEMORY, "an order of %zu channels", per_chunk);
  for (size_t k = 0; k < (size_t)tile->n_chunks && !st; k++) {
    uint32_t *at = order + k * (size_t)tile->order_pitch;
    c.first = k * per_chunk;
    c.n = g->c_in - c.first < per_chunk ? g->c_in - c.first : per_chunk;
    order_chunk(&c, used, n_narrow, form, first_list, at);
    for (size_t i = 0; i < (size_t)tile->order_pitch; i++)
      at[i] = (uint32_t)c.first + (i < c.n ? at[i] : 0);
  }
  ap_free(c.rows);
  ap_free(c.sum);
  return st;
}
