/* kernels/grouped/order.c - where the channels of a chunk lie in a line of shared memory.
 *
 * 8 rows that are loaded together should lie in 8 banks, but which rows a list uses is no one's choice. All
 * rows of a channel lie in the banks of its place, 0 .. 7. Four channels c / 4 share a line, as they do in
 * memory: each has one of the pairs of places 2 q and 2 q + 1, and either place of it. What makes the numbers of rows
 * in the banks of all lists that read the chunk most alike is found four by four, as long as that helps. (To
 * go on from places moved at random evens them out further, and takes longer than a search gets back.) */
#include <string.h>

#include "base/alloc.h"
#include "kernels/grouped/pack_impl.h"

enum { BANKS = GROUPED_BANKS, BESIDE = GROUPED_BESIDE, PERMUTATIONS = 24, SWEEPS = 20 };

typedef struct {
  uint8_t at[BESIDE];
} places;

typedef struct {
  size_t first, n; /* fours first .. first + n - 1 */
  size_t lists;
  uint16_t *rows; /* [n * BESIDE][lists]: how many of a channel a list uses */
  int32_t *sum;   /* [BANKS][lists] of all as they lie */
  places *chosen; /* [n] */
  uint8_t pair[PERMUTATIONS][BESIDE];
} chunk;

/* Every order of four pairs; the first is 0, 1, 2, 3. */
static void list_pairs(uint8_t pair[PERMUTATIONS][BESIDE]) {
  size_t n = 0;
  for (unsigned code = 0; code < 256; code++) { /* base 4, the first channel's digit the highest */
    unsigned seen = 0;
    for (unsigned i = 0; i < BESIDE; i++) seen |= 1U << (code >> 2 * (BESIDE - 1 - i) & 3);
    if (seen != 15) continue;
    for (unsigned i = 0; i < BESIDE; i++) pair[n][i] = (uint8_t)(code >> 2 * (BESIDE - 1 - i) & 3);
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

/* Adds `sign` times the rows of the four as it lies. */
static void add_rows(const chunk *c, size_t four, int32_t sign) {
  for (size_t i = 0; i < BESIDE; i++) {
    const uint16_t *rows = c->rows + (four * BESIDE + i) * c->lists;
    int32_t *sum = c->sum + c->chosen[four].at[i] * c->lists;
    for (size_t l = 0; l < c->lists; l++) sum[l] += sign * rows[l];
  }
}

/* By how much a channel in a place makes the sum of the sums' squares grow, which is small when they are alike. */
static int64_t growth(const chunk *c, size_t channel, size_t place) {
  const uint16_t *rows = c->rows + channel * c->lists;
  const int32_t *sum = c->sum + place * c->lists;
  int64_t total = 0;
  for (size_t l = 0; l < c->lists; l++) total += (int64_t)rows[l] * (2 * sum[l] + rows[l]);
  return total;
}

/* The best places of a four, which is not in the sums, as all others lie; returns how much they make the squares grow.
 * What a channel adds does not depend on where the other three are. */
static int64_t best_places(const chunk *c, size_t four, places *out) {
  int64_t grows[BESIDE][BANKS / 2], least = INT64_MAX;
  uint8_t place[BESIDE][BANKS / 2];
  for (size_t i = 0; i < BESIDE; i++)
    for (size_t q = 0; q < BANKS / 2; q++) {
      const int64_t even = growth(c, four * BESIDE + i, 2 * q),
                    odd = growth(c, four * BESIDE + i, 2 * q + 1);
      grows[i][q] = odd < even ? odd : even;
      place[i][q] = (uint8_t)(2 * q + (odd < even));
    }
  for (size_t p = 0; p < PERMUTATIONS; p++) {
    int64_t total = 0;
    for (size_t i = 0; i < BESIDE; i++) total += grows[i][c->pair[p][i]];
    if (total >= least) continue;
    least = total;
    for (size_t i = 0; i < BESIDE; i++) out->at[i] = place[i][c->pair[p][i]];
  }
  return least;
}

/* Four after four to its best places, as long as any becomes better. */
static void settle(const chunk *c) {
  bool better = true;
  for (int sweep = 0; sweep < SWEEPS && better; sweep++) {
    better = false;
    for (size_t four = 0; four < c->n; four++) {
      int64_t now = 0;
      places best;
      add_rows(c, four, -1);
      for (size_t i = 0; i < BESIDE; i++)
        now += growth(c, four * BESIDE + i, c->chosen[four].at[i]);
      if (best_places(c, four, &best) < now) {
        c->chosen[four] = best;
        better = true;
      }
      add_rows(c, four, 1);
    }
  }
}

static void order_chunk(const chunk *c) {
  memset(c->sum, 0, BANKS * c->lists * sizeof *c->sum);
  for (size_t four = 0; four < c->n; four++) {
    (void)best_places(c, four, &c->chosen[four]);
    add_rows(c, four, 1);
  }
  settle(c);
}

size_t grouped_order_length(const grouped_tile *tile) {
  return (size_t)tile->n_chunks * (size_t)tile->order_pitch;
}

ap_status grouped_order_choose(const grouped_geometry *g, const grouped_tile *tile,
                               const uint8_t *used, size_t n_narrow, size_t form, size_t block,
                               uint32_t *order, ap_error *err) {
  static const places as_they_come = {{0, 2, 4, 6}};
  const size_t per_chunk = (size_t)tile->chunk / BESIDE, width = (size_t)GROUPED_COLUMNS << form;
  const size_t first_list = block * (size_t)tile->columns / width;
  const size_t all = (g->c_out + width - 1) / width, most = (size_t)tile->columns / width;
  const size_t fours = (g->c_in + BESIDE - 1) / BESIDE;
  chunk c = {.lists = all - first_list < most ? all - first_list : most};
  c.rows = ap_calloc(per_chunk * BESIDE, (c.lists + 1) * sizeof *c.rows);
  c.sum = ap_calloc(BANKS, (c.lists + 1) * sizeof *c.sum);
  c.chosen = ap_calloc(per_chunk, sizeof *c.chosen);
  ap_status st = AP_OK;
  if (!c.rows || !c.sum || !c.chosen)
    st = ap_fail(err, AP_ERR_MEMORY, "an order of %zu channels", per_chunk * BESIDE);
  list_pairs(c.pair);
  for (size_t k = 0; k < (size_t)tile->n_chunks && !st; k++) {
    uint32_t *entries = order + k * (size_t)tile->order_pitch;
    c.first = k * per_chunk;
    c.n = fours - c.first < per_chunk ? fours - c.first : per_chunk;
    if (!g->wide) {
      count_rows(g, used, n_narrow, form, first_list, &c);
      order_chunk(&c);
    }
    for (size_t i = 0; i < (size_t)tile->order_pitch; i++)
      entries[i] = grouped_order_entry(!g->wide && i < c.n ? c.chosen[i].at : as_they_come.at);
  }
  ap_free(c.rows);
  ap_free(c.sum);
  ap_free(c.chosen);
  return st;
}
