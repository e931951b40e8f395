/* kernels/grouped/pack.c - a layer's level as lists of input rows, see grouped_level. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/grouped/pack_impl.h"
#include "kernels/grouped/simt.h"

enum { BANKS = GROUPED_BANKS, BLOB_STEP = 256 };

/* Cycles of a multiprocessor for a step of 16 rows on 16 positions, by form. bfloat16: the unit that loads
 * (4 a load of 16 x 16 inputs; 1 per 128 bytes of weights and 1 for the rows' positions, for every warp
 * that reads the list: 1, 2 or 4) and 20 for every warp that takes the step; wider lists 10 and 20 % more,
 * as measured; float32: 128 multiply-adds a cycle (docs/NUMBERS.md). */
static const double step_cycles[2][GROUPED_FORMS] = {{87, 125, 225}, {384, 640, 1152}};

typedef struct {
  const grouped_geometry *g;
  const grouped_tile *tile;
  const float *matrix;
  size_t taps, group_in, group_out, rows; /* rows: of all input channels */
  size_t n_narrow;                        /* lists of form 0 */
  uint8_t *used;                          /* [rows][n_narrow]: any weight that is not 0 */
  uint32_t *order;                        /* [n_blocks][grouped_order_length] */
  uint32_t *place;  /* [c_in]: 8 * the first line of its plane in the chunk + its place in a line */
  uint32_t *pool;   /* [rows]: rows that wait for their step */
  uint32_t *sorted; /* [rows] */
} packer;

static size_t width_of(size_t form) { return (size_t)GROUPED_COLUMNS << form; }
static size_t lists_of(const packer *p, size_t form) {
  return (p->g->c_out + width_of(form) - 1) / width_of(form);
}
static size_t blocks_of(const packer *p) {
  return (p->g->c_out + (size_t)p->tile->columns - 1) / (size_t)p->tile->columns;
}

/* ---- which rows ------------------------------------------------------------------------------- */
static ap_status find_used(packer *p, ap_error *err) {
  const size_t n = p->g->c_out, k = p->group_in * p->taps;
  for (size_t r = 0; r < k; r++)
    for (size_t c = 0; c < n; c++) {
      const float weight = p->matrix[r * n + c];
      if (!isfinite(weight))
        return ap_fail(err, AP_ERR_ARG, "weight %g in row %zu, column %zu", (double)weight, r, c);
      if (weight != 0) p->used[(c / p->group_out * k + r) * p->n_narrow + c / GROUPED_COLUMNS] = 1;
    }
  return AP_OK;
}

/* Rows of a chunk that a list uses, in order, to `out` (NULL: only counted). */
static size_t gather(const packer *p, size_t form, size_t list, size_t chunk, uint32_t *out) {
  const size_t per_chunk = (size_t)p->tile->chunk * p->taps;
  const size_t first = chunk * per_chunk;
  const size_t last = first + per_chunk < p->rows ? first + per_chunk : p->rows;
  size_t n = 0;
  for (size_t r = first; r < last; r++) {
    if (!grouped_list_uses(p->used, p->n_narrow, r, form, list)) continue;
    if (out) out[n] = (uint32_t)r;
    n++;
  }
  return n;
}

/* ---- steps of a chunk -------------------------------------------------------------------------- */
static size_t steps_for(size_t rows) { return (rows + GROUPED_DEPTH - 1) / GROUPED_DEPTH; }

/* How many steps a list takes at a chunk, when `all` rows wait, `old` of them of the chunk before.
 * Rows wait for one chunk at most, as their planes do: until then only full steps are taken, and a
 * step's rows stay behind, so that there is a choice of banks. */
static size_t steps_at(const packer *p, size_t chunk, size_t old, size_t all) {
  const bool last = chunk + 1 == (size_t)p->tile->n_chunks;
  const size_t full = all < GROUPED_DEPTH ? 0 : (all - GROUPED_DEPTH) / GROUPED_DEPTH;
  if (last || !p->tile->carry) return steps_for(all);
  return steps_for(old) > full ? steps_for(old) : full;
}
static size_t rows_of(size_t steps, size_t all) {
  return steps * GROUPED_DEPTH < all ? steps * GROUPED_DEPTH : all;
}

static size_t count_steps(const packer *p, size_t form) {
  size_t steps = 0;
  for (size_t list = 0; list < lists_of(p, form); list++) {
    size_t old = 0;
    for (size_t chunk = 0; chunk < (size_t)p->tile->n_chunks; chunk++) {
      const size_t all = old + gather(p, form, list, chunk, NULL);
      const size_t now = steps_at(p, chunk, old, all);
      steps += now;
      old = all - rows_of(now, all);
    }
  }
  return steps;
}

/* A warp's channels (two lists of form 0) must fit into the block's. */
bool grouped_form_fits(const grouped_tile *tile, size_t form) {
  return form < GROUPED_FORMS && (form == 0 || width_of(form) <= (size_t)tile->columns);
}

static size_t choose_form(packer *p) {
  size_t best = 0;
  double least = 0;
  for (size_t form = 0; form < GROUPED_FORMS; form++) {
    if (!grouped_form_fits(p->tile, form)) continue;
    const double cost = (double)count_steps(p, form) * step_cycles[p->g->wide][form];
    if (form > 0 && cost >= least) continue;
    least = cost;
    best = form;
  }
  return best;
}

/* ---- where they are --------------------------------------------------------------------------- */
/* The order of a block of output channels. */
static void use_order(packer *p, size_t block) {
  const uint32_t *order = p->order + block * grouped_order_length(p->tile);
  const size_t per_chunk = (size_t)p->tile->chunk, pitch = (size_t)p->tile->order_pitch;
  for (size_t c = 0; c < p->g->c_in; c++) {
    const size_t plane = c % per_chunk / GROUPED_BESIDE;
    const uint32_t entry = order[c / per_chunk * pitch + plane];
    p->place[c] = (uint32_t)(BANKS * plane * (size_t)p->tile->plane +
                             grouped_order_place(entry, c % GROUPED_BESIDE));
  }
}
static ap_status choose_orders(packer *p, size_t form, ap_error *err) {
  ap_status st = AP_OK;
  for (size_t i = 0; i < blocks_of(p) && !st; i++)
    st = grouped_order_choose(p->g, p->tile, p->used, p->n_narrow, form, i,
                              p->order + i * grouped_order_length(p->tile), err);
  return st;
}

/* A row's offset in the ring at a step of `chunk`, from where the chunk before it lies, or, where no
 * row waits, from this chunk's. */
static uint32_t offset_of(const packer *p, uint32_t row, size_t chunk) {
  const size_t channel = row / p->taps, tap = row % p->taps, per_chunk = (size_t)p->tile->chunk;
  const bool own = channel / per_chunk == chunk;
  return (uint32_t)(p->place[channel] +
                    BANKS * ((p->tile->carry && own ? (size_t)p->tile->slot_lines : 0) +
                             grouped_tap_line(p->g, p->tile, tap)));
}
static size_t bank_of(const packer *p, uint32_t row) { return p->place[row / p->taps] % BANKS; }

/* The rows that are taken now, `n` of `all`, come to the front of the pool: those of the chunk before,
 * which cannot wait, and of the others those in the banks with the fewest. Both parts stay in order. */
static void take(packer *p, size_t old, size_t n, size_t all) {
  size_t count[BANKS] = {0}, more[BANKS] = {0}, left[BANKS] = {0}, front = old, back = 0;
  for (size_t i = 0; i < old; i++) count[bank_of(p, p->pool[i])]++;
  for (size_t i = old; i < all; i++) left[bank_of(p, p->pool[i])]++;
  for (size_t i = old; i < n; i++) {
    size_t least = BANKS;
    for (size_t b = 0; b < BANKS; b++)
      if (left[b] > 0 && (least == BANKS || count[b] < count[least])) least = b;
    count[least]++;
    left[least]--;
    more[least]++;
  }
  for (size_t i = old; i < all; i++) {
    const size_t bank = bank_of(p, p->pool[i]);
    if (more[bank] > 0) {
      more[bank]--;
      p->pool[front++] = p->pool[i];
    } else {
      p->sorted[back++] = p->pool[i];
    }
  }
  if (back > 0) memcpy(p->pool + front, p->sorted, back * sizeof *p->pool);
}

/* The pool's first n rows to sorted: every 8 in different banks as far as there are such; the fullest
 * banks first. Within a bank the order stays. */
static void sort_by_bank(packer *p, size_t n) {
  size_t left[BANKS] = {0}, next[BANKS] = {0}, done = 0;
  for (size_t i = 0; i < n; i++) left[bank_of(p, p->pool[i])]++;
  while (done < n) {
    bool taken[BANKS] = {false};
    for (size_t i = 0; i < BANKS && done < n; i++) {
      size_t bank = BANKS;
      for (size_t b = 0; b < BANKS; b++)
        if (!taken[b] && left[b] > 0 && (bank == BANKS || left[b] > left[bank])) bank = b;
      if (bank == BANKS) { /* fewer than 8 banks are left: one of them again */
        memset(taken, 0, sizeof taken);
        i--;
        continue;
      }
      while (bank_of(p, p->pool[next[bank]]) != bank) next[bank]++;
      p->sorted[done++] = p->pool[next[bank]++];
      left[bank]--;
      taken[bank] = true;
    }
  }
}

/* ---- writing ---------------------------------------------------------------------------------- */
static float weight_of(const packer *p, uint32_t row, size_t column) {
  const size_t k = p->group_in * p->taps;
  if (column >= p->g->c_out || row / k != column / p->group_out) return 0;
  return p->matrix[row % k * p->g->c_out + column];
}

static void write_step(const packer *p, const uint32_t *rows, size_t n, size_t chunk, size_t form,
                       size_t column, uint16_t *offset, unsigned char *weight) {
  const size_t width = width_of(form);
  for (size_t k = 0; k < GROUPED_DEPTH; k++) {
    const size_t lane_pair = k % 8 / 2, high = k % 2, second = k / 8;
    /* padding reads what is there */
    offset[k] = (uint16_t)offset_of(p, rows[k < n ? k : n - 1], chunk);
    for (size_t c = 0; c < width && k < n; c++) {
      const float value = weight_of(p, rows[k], column + c);
      if (p->g->wide) {
        memcpy(weight + (k * width + c) * sizeof value, &value, sizeof value);
      } else {
        const size_t lane = c % GROUPED_COLUMNS * 4 + lane_pair;
        const uint16_t bits = (uint16_t)simt_to_bf16(value, 0);
        memcpy(weight + (c / GROUPED_COLUMNS * SIMT_WARP + lane) * 8 + second * 4 + high * 2, &bits,
               sizeof bits);
      }
    }
  }
}

static void write_lists(packer *p, const grouped_level *level, unsigned char *blob) {
  const size_t form = level->form, chunks = (size_t)p->tile->n_chunks;
  const size_t step_bytes = GROUPED_DEPTH * width_of(form) * (p->g->wide ? 4 : 2);
  uint32_t *start = (uint32_t *)(void *)(blob + level->start);
  uint16_t *offset = (uint16_t *)(void *)(blob + level->offset);
  size_t step = 0;
  for (size_t list = 0; list < level->n_lists; list++) {
    size_t old = 0;
    if (list * width_of(form) % (size_t)p->tile->columns == 0)
      use_order(p, list * width_of(form) / (size_t)p->tile->columns);
    for (size_t chunk = 0; chunk < chunks; chunk++) {
      const size_t all = old + gather(p, form, list, chunk, p->pool + old);
      const size_t n = rows_of(steps_at(p, chunk, old, all), all);
      *start++ = (uint32_t)step;
      take(p, old, n, all);
      sort_by_bank(p, n);
      for (size_t i = 0; i < n; i += GROUPED_DEPTH, step++)
        write_step(p, p->sorted + i, n - i < GROUPED_DEPTH ? n - i : GROUPED_DEPTH, chunk, form,
                   list * width_of(form), offset + step * GROUPED_DEPTH,
                   blob + level->weight + step * step_bytes);
      old = all - n;
      memmove(p->pool, p->pool + n, old * sizeof *p->pool);
    }
    *start++ = (uint32_t)step;
  }
}

/* Lists of a block of output channels by their number of steps; of equal ones the first comes first. */
static void rank_lists(const packer *p, const grouped_level *level, unsigned char *blob) {
  const uint32_t *start = (const uint32_t *)(const void *)(blob + level->start);
  const size_t across = (size_t)p->tile->columns / width_of(level->form);
  const size_t pitch = (size_t)p->tile->n_chunks + 1;
  for (size_t b = 0; b < blocks_of(p); b++) {
    uint32_t steps[SIMT_WARPS];
    uint64_t ranks = 0;
    for (size_t i = 0; i < across; i++) {
      const size_t list = b * across + i;
      steps[i] = list < level->n_lists ? start[list * pitch + pitch - 1] - start[list * pitch] : 0;
    }
    for (size_t i = 0; i < across; i++) {
      size_t rank = 0;
      for (size_t j = 0; j < across; j++)
        rank += steps[j] > steps[i] || (steps[j] == steps[i] && j < i);
      ranks |= (uint64_t)i << 4 * rank;
    }
    memcpy(blob + level->ranks + b * sizeof ranks, &ranks, sizeof ranks);
  }
}

static size_t up(size_t bytes) { return (bytes + BLOB_STEP - 1) / BLOB_STEP * BLOB_STEP; }

static ap_status write_blob(packer *p, size_t form, const float *bias, void **out, size_t *bytes,
                            ap_error *err) {
  const size_t lists = lists_of(p, form), steps = count_steps(p, form);
  const size_t order_bytes = blocks_of(p) * grouped_order_length(p->tile) * sizeof *p->order;
  const size_t order = up(sizeof(grouped_level)), ranks = up(order + order_bytes);
  const size_t start = up(ranks + blocks_of(p) * sizeof(uint64_t));
  const size_t offset = up(start + lists * ((size_t)p->tile->n_chunks + 1) * sizeof(uint32_t));
  const size_t bias_at = up(offset + (steps + GROUPED_AHEAD) * GROUPED_DEPTH * sizeof(uint16_t));
  const size_t weight = up(bias_at + lists * width_of(form) * sizeof(float));
  const size_t total =
      weight + (steps + GROUPED_AHEAD) * GROUPED_DEPTH * width_of(form) * (p->g->wide ? 4 : 2);
  if (bias_at > UINT32_MAX) return ap_fail(err, AP_ERR_UNSUPPORTED, "%zu steps of a level", steps);
  unsigned char *blob = ap_calloc(1, total);
  if (!blob) return ap_fail(err, AP_ERR_MEMORY, "a level of %zu bytes", total);
  const grouped_level level = {.form = (uint32_t)form,
                               .n_lists = (uint32_t)lists,
                               .n_steps = (uint32_t)steps,
                               .order = (uint32_t)order,
                               .ranks = (uint32_t)ranks,
                               .start = (uint32_t)start,
                               .offset = (uint32_t)offset,
                               .bias = (uint32_t)bias_at,
                               .weight = weight};
  memcpy(blob, &level, sizeof level);
  memcpy(blob + order, p->order, order_bytes);
  for (size_t i = 0; bias && i < p->g->c_out; i++) {
    if (!isfinite(bias[i])) {
      ap_free(blob);
      return ap_fail(err, AP_ERR_ARG, "bias %g of column %zu", (double)bias[i], i);
    }
    memcpy(blob + bias_at + i * sizeof *bias, &bias[i], sizeof *bias);
  }
  write_lists(p, &level, blob);
  rank_lists(p, &level, blob);
  *out = blob;
  *bytes = total;
  return AP_OK;
}

ap_status grouped_level_pack(const grouped_geometry *g, const grouped_tile *tile,
                             const float *matrix, const float *bias, size_t form, void **out,
                             size_t *bytes, ap_error *err) {
  packer p = {.g = g,
              .tile = tile,
              .matrix = matrix,
              .taps = g->kh * g->kw,
              .group_in = g->c_in / g->groups,
              .group_out = g->c_out / g->groups,
              .rows = g->c_in * g->kh * g->kw};
  ap_status st;
  *out = NULL;
  *bytes = 0;
  if (form != GROUPED_FORMS && !grouped_form_fits(tile, form))
    return ap_fail(err, AP_ERR_ARG, "form %zu, blocks have %d channels", form, (int)tile->columns);
  p.n_narrow = (g->c_out + GROUPED_COLUMNS - 1) / GROUPED_COLUMNS;
  p.used = ap_calloc(p.rows, p.n_narrow);
  p.pool = ap_calloc(p.rows, sizeof *p.pool);
  p.sorted = ap_calloc(p.rows, sizeof *p.sorted);
  p.order = ap_calloc(blocks_of(&p) * grouped_order_length(tile), sizeof *p.order);
  p.place = ap_calloc(g->c_in, sizeof *p.place);
  if (!p.used || !p.pool || !p.sorted || !p.order || !p.place)
    st = ap_fail(err, AP_ERR_MEMORY, "%zu rows of a level", p.rows);
  else
    st = find_used(&p, err);
  if (!st && form == GROUPED_FORMS) form = choose_form(&p);
  if (!st) st = choose_orders(&p, form, err);
  if (!st) st = write_blob(&p, form, bias, out, bytes, err);
  ap_free(p.used);
  ap_free(p.pool);
  ap_free(p.sorted);
  ap_free(p.order);
  ap_free(p.place);
  return st;
}
