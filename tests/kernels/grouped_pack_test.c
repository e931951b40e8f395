/* How a layer is cut and a level is written: every output is in one tile, planes fit, lists give the
 * matrix back, and rows that are read together lie in different banks. No device. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "kernels/grouped/conv_kernel.h"
#include "kernels/grouped/pack_impl.h"
#include "tests/kernels/packed_cmocka.h"

static ap_rng rng;
static ap_error failure;

static size_t below(size_t n) { return ap_rng_below(&rng, n); }

static size_t reach(size_t k, size_t dilation) { return (k - 1) * dilation + 1; }

static grouped_geometry random_geometry(bool wide) {
  grouped_geometry g = {.wide = wide};
  g.groups = below(4) ? 1 : 1 + below(3);
  g.c_in = g.groups * (1 + below(40));
  g.c_out = g.groups * (1 + below(70));
  g.h = 1 + below(20);
  g.w = 1 + below(20);
  g.kh = 1 + below(g.h < 5 ? g.h : 5);
  g.kw = 1 + below(g.w < 5 ? g.w : 5);
  g.stride_h = 1 + below(3);
  g.stride_w = 1 + below(3);
  g.dilation_h = 1 + below(g.kh > 1 ? (g.h - 1) / (g.kh - 1) : 3);
  g.dilation_w = 1 + below(g.kw > 1 ? (g.w - 1) / (g.kw - 1) : 3);
  g.pad_top = below(4);
  g.pad_left = below(4);
  g.out_h = (g.h + 2 * g.pad_top - reach(g.kh, g.dilation_h)) / g.stride_h + 1;
  g.out_w = (g.w + 2 * g.pad_left - reach(g.kw, g.dilation_w)) / g.stride_w + 1;
  g.n_blocks = 1 + below(40);
  return g;
}

/* A 3x3 layer of side x side pixels whose outputs are as many. */
static grouped_geometry same_size(size_t c_in, size_t side, size_t c_out, size_t n_blocks) {
  return (grouped_geometry){.c_in = c_in,
                            .h = side,
                            .w = side,
                            .c_out = c_out,
                            .out_h = side,
                            .out_w = side,
                            .kh = 3,
                            .kw = 3,
                            .stride_h = 1,
                            .stride_w = 1,
                            .pad_top = 1,
                            .pad_left = 1,
                            .groups = 1,
                            .dilation_h = 1,
                            .dilation_w = 1,
                            .n_blocks = n_blocks};
}

static void check_quotients(int most, int by, uint32_t reciprocal) {
  for (int n = 0; n < most; n++) assert_int_equal(grouped_quotient(n, reciprocal), n / by);
}

/* What the kernel adds to a warp's first position is where its other positions are. */
static void check_rows(const grouped_geometry *g, const grouped_tile *t) {
  for (int rows = 2; rows <= GROUPED_MOST_ROWS; rows *= 2)
    for (int first = 0; first < 128; first += rows)
      for (int r = 0; r < rows; r++)
        assert_int_equal(
            conv_plane_position(t, first + r) * GROUPED_LINE_BYTES(g->wide),
            conv_plane_position(t, first) * GROUPED_LINE_BYTES(g->wide) + t->row_bytes[r]);
}

/* Plane rows (columns) that are filled: all, or with one tile all that hold inputs, and one at least. */
static void check_fill(bool lone, size_t plane, size_t skip, size_t pad, size_t size, int32_t first,
                       int32_t n) {
  assert_true(first >= 0 && n >= 1 && (size_t)first + (size_t)n <= plane);
  if (!lone) assert_true((size_t)n == plane);
  for (size_t i = 0; i < plane; i++) {
    const bool input = i * skip >= pad && i * skip < pad + size;
    const bool filled = i >= (size_t)first && i < (size_t)first + (size_t)n;
    assert_true(filled || (lone && !input));
    if (lone && n > 1) assert_true(filled == input);
  }
}

/* Every position that is filled has a place of its own, and no other position that is read has it. */
static void check_plane(const grouped_tile *t, size_t read_w) {
  uint8_t *filled = ap_calloc((size_t)t->plane, 1);
  if (!filled) {
    fail_msg("%d positions: out of memory", t->plane);
    return;
  }
  for (int pass = 0; pass < 2; pass++)
    for (int b = 0; b < 1 << t->log_b; b++)
      for (int y = 0; y < t->plane_h; y++)
        for (int x = 0; x < (int)read_w; x++) {
          const int at = (b * t->plane_h + y) * t->plane_w + x;
          const bool inner = y >= t->fill_y && y < t->fill_y + t->fill_h && x >= t->fill_x &&
                             x < t->fill_x + t->fill_w;
          assert_in_range(at, 0, t->plane - 1);
          if (pass == 0 && inner) assert_int_equal(filled[at]++, 0);
          if (pass == 1 && !inner) assert_int_equal(filled[at], 0);
        }
  ap_free(filled);
}

static void test_tiles(void **state) {
  (void)state;
  unsigned slots_seen = 0;
  for (int i = 0; i < 2000; i++) {
    const grouped_geometry g = random_geometry(i % 2);
    const size_t least = g.wide ? 125 : 75, shared = (least + below(228 - least)) << 10;
    grouped_tile t;
    assert_int_equal(grouped_tile_choose(&g, shared, &t, &failure), AP_OK);
    assert_true((size_t)t.columns >= g.c_out || t.columns == SIMT_WARPS * GROUPED_COLUMNS);
    assert_true((t.columns << t.log_b << t.log_h << t.log_w) <=
                SIMT_WARPS * GROUPED_WARP_TILES * GROUPED_COLUMNS);
    assert_true((size_t)t.tiles_h << t.log_h >= g.out_h && (size_t)t.tiles_w << t.log_w >= g.out_w);
    assert_true((size_t)(t.tiles_h - 1) << t.log_h < g.out_h);
    assert_true((size_t)(t.tiles_w - 1) << t.log_w < g.out_w);
    assert_true((size_t)t.tiles_b << t.log_b >= g.n_blocks);
    /* a window of one row reads no row between two outputs */
    assert_true((size_t)t.step_h == (g.kh == 1 ? 1 : g.stride_h));
    assert_true((size_t)t.step_w == (g.kw == 1 ? 1 : g.stride_w));
    assert_true((size_t)(t.step_h * t.skip_h) == g.stride_h);
    assert_true((size_t)(t.step_w * t.skip_w) == g.stride_w);
    assert_true((size_t)t.plane_h ==
                (((size_t)1 << t.log_h) - 1) * (size_t)t.step_h + reach(g.kh, g.dilation_h));
    const size_t read_w =
        (((size_t)1 << t.log_w) - 1) * (size_t)t.step_w + reach(g.kw, g.dilation_w);
    assert_true(t.lone == (t.tiles_h == 1 && t.tiles_w == 1));
    check_fill(t.lone, (size_t)t.plane_h, (size_t)t.skip_h, g.pad_top, g.h, t.fill_y, t.fill_h);
    check_fill(t.lone, read_w, (size_t)t.skip_w, g.pad_left, g.w, t.fill_x, t.fill_w);
    check_plane(&t, read_w);
    assert_true(t.filled == t.fill_h * t.fill_w << t.log_b);
    check_quotients(t.filled, t.fill_w, t.by_fill_w);
    check_quotients(t.filled, t.fill_h, t.by_fill_h);
    assert_true(t.chunk > 0 && (size_t)(t.n_chunks * t.chunk) >= g.c_in);
    assert_true(t.chunk % GROUPED_BESIDE == 0 && t.order_pitch % 4 == 0);
    assert_true(t.order_pitch * GROUPED_BESIDE >= t.chunk);
    assert_true((size_t)((t.n_chunks - 1) * t.chunk) < g.c_in);
    assert_true(t.log_slots <= 2 && t.carry == (t.log_slots == 2));
    slots_seen |= 1U << t.log_slots;
    const int lines = t.chunk / GROUPED_BESIDE * t.plane;
    assert_true((uint32_t)lines * GROUPED_LINE_BYTES(g.wide) <= t.slot_bytes);
    assert_true((uint32_t)t.slot_lines * GROUPED_LINE_BYTES(g.wide) == t.slot_bytes);
    assert_true((t.slot_lines + lines) * GROUPED_BANKS <= UINT16_MAX);
    assert_true(grouped_shared_bytes(&t) <= shared);
    check_rows(&g, &t);
  }
  assert_int_equal(slots_seen, 1U << 0 | 1U << 1 | 1U << 2);
}

static float number_at(const grouped_geometry *g, const unsigned char *weight, size_t width,
                       size_t step, size_t k, size_t c) {
  if (g->wide) {
    float v;
    memcpy(&v, weight + ((step * 16 + k) * width + c) * 4, 4);
    return v;
  }
  const size_t lane = c % 8 * 4 + k % 8 / 2; /* the fragment of mma.m16n8k16 */
  uint16_t bits;
  memcpy(&bits, weight + ((step * (width / 8) + c / 8) * 32 + lane) * 8 + k / 8 * 4 + k % 2 * 2, 2);
  return simt_from_bf16(bits);
}

/* Adds what a list holds to a matrix of all input channels [c_in][kh][kw][c_out]. */
static void unpack(const grouped_geometry *g, const grouped_tile *t, const unsigned char *blob,
                   float *full) {
  grouped_level level;
  memcpy(&level, blob, sizeof level);
  const size_t width = (size_t)8 << level.form;
  const uint32_t *start = (const uint32_t *)(const void *)(blob + level.start);
  const uint16_t *offset = (const uint16_t *)(const void *)(blob + level.offset);
  const uint32_t *order = (const uint32_t *)(const void *)(blob + level.order);
  assert_int_equal(level.n_lists, (g->c_out + width - 1) / width);
  for (size_t list = 0; list < level.n_lists; list++)
    for (size_t chunk = 0; chunk < (size_t)t->n_chunks; chunk++) {
      const uint32_t *s = start + list * (size_t)(t->n_chunks + 1) + chunk;
      for (size_t step = s[0]; step < s[1]; step++)
        for (size_t k = 0; k < 16; k++) {
          /* with carry from the slot before the chunk's on */
          const size_t line = offset[step * 16 + k] / GROUPED_BANKS;
          const size_t spot = offset[step * 16 + k] % GROUPED_BANKS;
          const size_t slot = (size_t)t->slot_lines;
          const bool own = !t->carry || line >= slot;
          assert_true(own || chunk > 0);
          const size_t at = t->carry && own ? line - slot : line;
          const size_t inside = at % (size_t)t->plane;
          assert_true(at < (size_t)(t->chunk / GROUPED_BESIDE * t->plane));
          const size_t block = list * width / (size_t)t->columns;
          const size_t plane =
              (chunk - !own) * (size_t)t->chunk / GROUPED_BESIDE + at / (size_t)t->plane;
          const uint32_t entry =
              order[(block * (size_t)t->n_chunks + chunk - !own) * (size_t)t->order_pitch +
                    at / (size_t)t->plane];
          size_t beside = 0;
          while (beside < GROUPED_BESIDE && grouped_order_place(entry, beside) != spot) beside++;
          const size_t channel = plane * GROUPED_BESIDE + beside;
          const size_t row = inside / (size_t)t->plane_w, place = inside % (size_t)t->plane_w;
          const size_t ky = row / g->dilation_h, kx = place / g->dilation_w;
          assert_true(row % g->dilation_h == 0 && place % g->dilation_w == 0);
          assert_true(channel < g->c_in && ky < g->kh && kx < g->kw);
          for (size_t c = 0; c < width; c++) {
            const float v = number_at(g, blob + level.weight, width, step, k, c);
            const size_t column = list * width + c;
            if (column >= g->c_out)
              assert_true(v == 0);
            else
              full[((channel * g->kh + ky) * g->kw + kx) * g->c_out + column] += v;
          }
        }
    }
}

/* A layer of one tap joined to another: the same parts and slots; it fills what its outputs read, and nothing that must
 * stay 0 for the other. */
static void test_joined_tiles(void **state) {
  (void)state;
  unsigned lone = 0;
  for (int i = 0; i < 1000; i++) {
    grouped_geometry g = random_geometry(i % 2), one = random_geometry(i % 2);
    grouped_tile t, j;
    g.stride_h = g.stride_w = 1;
    g.out_h = g.h;
    g.out_w = g.w;
    g.pad_top = below(reach(g.kh, g.dilation_h));
    g.pad_left = below(reach(g.kw, g.dilation_w));
    g.joins = true;
    one.kh = one.kw = one.dilation_h = one.dilation_w = one.groups = 1;
    one.pad_top = one.pad_left = 0;
    one.c_out = g.c_out;
    one.out_h = g.out_h;
    one.out_w = g.out_w;
    one.h = (one.out_h - 1) * one.stride_h + 1;
    one.w = (one.out_w - 1) * one.stride_w + 1;
    assert_true(grouped_can_join(&g, &one));
    one.pad_left = 1;
    assert_false(grouped_can_join(&g, &one));
    one.pad_left = 0;
    assert_int_equal(grouped_tile_choose(&g, (size_t)(125 + below(100)) << 10, &t, &failure),
                     AP_OK);
    grouped_tile_join(&g, &t, &one, &j);
    lone += t.lone != 0;
    assert_true(t.joins && j.slot_bytes == t.slot_bytes && j.ring_bytes == t.ring_bytes);
    assert_true(j.log_slots == t.log_slots && j.carry == t.carry && j.columns == t.columns);
    assert_true(j.log_b == t.log_b && j.log_h == t.log_h && j.log_w == t.log_w);
    assert_true(j.chunk / GROUPED_BESIDE * j.plane <= j.slot_lines && j.order_pitch % 4 == 0);
    assert_true((size_t)(j.n_chunks * j.chunk) >= one.c_in);
    assert_true((size_t)((j.n_chunks - 1) * j.chunk) < one.c_in);
    assert_true((size_t)j.skip_h == one.stride_h && (size_t)j.skip_w == one.stride_w);
    assert_true(j.filled == j.fill_h * j.fill_w << j.log_b);
    check_quotients(j.filled, j.fill_w, j.by_fill_w);
    check_quotients(j.filled, j.fill_h, j.by_fill_h);
    check_rows(&one, &j);
    assert_int_equal(j.first_tap, j.fill_y * j.plane_w + j.fill_x);
    for (int index = 0; index < 1 << t.log_b << t.log_h << t.log_w; index++) {
      const grouped_index at = grouped_index_of(&t, index);
      if ((size_t)at.y >= g.out_h || (size_t)at.x >= g.out_w) continue;
      assert_true(at.y < j.fill_h && at.x < j.fill_w); /* filled, */
      const int line = conv_plane_position(&j, index) + j.first_tap;
      assert_int_equal(line, (at.b * j.plane_h + j.fill_y + at.y) * j.plane_w + j.fill_x + at.x);
      assert_in_range(line, 0, j.plane - 1);
    }
    if (!t.lone) continue;
    assert_true(j.plane == t.plane && j.plane_w == t.plane_w && j.plane_h == t.plane_h);
    assert_true(j.fill_y >= t.fill_y && j.fill_y + j.fill_h <= t.fill_y + t.fill_h);
    assert_true(j.fill_x >= t.fill_x && j.fill_x + j.fill_w <= t.fill_x + t.fill_w);
  }
  assert_in_range(lone, 50, 950);
}

static void test_lists_give_the_matrix_back(void **state) {
  (void)state;
  for (int i = 0; i < 300; i++) {
    const grouped_geometry g = random_geometry(i % 2);
    const size_t k = g.c_in / g.groups * g.kh * g.kw, n = g.c_out;
    const double keep = ap_rng_uniform(&rng);
    float *matrix = ap_calloc(k * n, sizeof *matrix), *bias = ap_calloc(n, sizeof *bias);
    float *full = ap_calloc(k * g.groups * n, sizeof *full);
    grouped_tile t;
    void *blob = NULL;
    size_t bytes;
    if (!matrix || !bias || !full) {
      fail_msg("%zu x %zu weights: out of memory", k, n);
      return;
    }
    for (size_t j = 0; j < k * n; j++)
      if (ap_rng_uniform(&rng) < keep) matrix[j] = (float)(1 + below(100));
    for (size_t j = 0; j < n; j++) bias[j] = (float)below(9);
    assert_int_equal(grouped_tile_choose(&g, (size_t)128 << 10, &t, &failure), AP_OK);
    const size_t form = below(GROUPED_FORMS + 1);
    const ap_status st = grouped_level_pack(&g, &t, matrix, bias, form, &blob, &bytes, &failure);
    if (form > 0 && form < GROUPED_FORMS && (size_t)8 << form > (size_t)t.columns) {
      assert_int_equal(st, AP_ERR_ARG);
      assert_null(blob);
    } else {
      assert_int_equal(st, AP_OK);
      unpack(&g, &t, blob, full);
      for (size_t r = 0; r < k * g.groups; r++)
        for (size_t c = 0; c < n; c++) {
          const bool own = r / k == c / (n / g.groups);
          assert_true(full[r * n + c] == (own ? matrix[r % k * n + c] : 0));
        }
      grouped_level level;
      memcpy(&level, blob, sizeof level);
      assert_memory_equal((unsigned char *)blob + level.bias, bias, n * sizeof *bias);
      assert_true(form == GROUPED_FORMS || level.form == form);
    }
    ap_free(blob);
    ap_free(matrix);
    ap_free(bias);
    ap_free(full);
  }
}

/* Vectors of 8, 16 and 32 output channels are listed by about their own width where most are gone. */
static void test_form_follows_the_vectors(void **state) {
  (void)state;
  const grouped_geometry g = same_size(64, 8, 128, 63);
  const size_t k = 576, n = 128;
  float *matrix = ap_calloc(k * n, sizeof *matrix);
  grouped_tile t;
  assert_non_null(matrix);
  assert_int_equal(grouped_tile_choose(&g, (size_t)227 << 10, &t, &failure), AP_OK);
  for (size_t form = 0; form < GROUPED_FORMS; form++) {
    const size_t width = (size_t)8 << form;
    void *blob = NULL;
    size_t bytes;
    grouped_level level;
    memset(matrix, 0, k * n * sizeof *matrix);
    for (size_t r = 0; r < k; r++)
      for (size_t c = 0; c < n; c += width) {
        const bool kept = ap_rng_uniform(&rng) < 0.1;
        for (size_t i = c; i < c + width && kept; i++) matrix[r * n + i] = 1;
      }
    assert_int_equal(
        grouped_level_pack(&g, &t, matrix, NULL, GROUPED_FORMS, &blob, &bytes, &failure), AP_OK);
    memcpy(&level, blob, sizeof level);
    assert_int_equal(level.form, form);
    ap_free(blob);
  }
  ap_free(matrix);
}

/* Of a row's first 8 images. */
static uint32_t bank_of(uint16_t offset) { return offset % GROUPED_BANKS; }

/* Dense: of 8 rows that are loaded together no two meet in a bank. */
static void test_banks(void **state) {
  (void)state;
  const grouped_geometry g = same_size(32, 16, 64, 4);
  const size_t k = 288, n = 64;
  float *matrix = ap_calloc(k * n, sizeof *matrix);
  grouped_tile t;
  void *blob = NULL;
  size_t bytes, clashes = 0;
  grouped_level level;
  assert_non_null(matrix);
  for (size_t i = 0; i < k * n; i++) matrix[i] = 1;
  assert_int_equal(grouped_tile_choose(&g, (size_t)227 << 10, &t, &failure), AP_OK);
  assert_int_equal(grouped_level_pack(&g, &t, matrix, NULL, 2, &blob, &bytes, &failure), AP_OK);
  memcpy(&level, blob, sizeof level);
  const uint16_t *offset =
      (const uint16_t *)(const void *)((const unsigned char *)blob + level.offset);
  for (size_t octet = 0; octet < (size_t)level.n_steps * 2; octet++) {
    unsigned banks = 0;
    for (size_t i = 0; i < 8; i++) banks |= 1U << bank_of(offset[octet * 8 + i]);
    clashes += banks != 0xff;
  }
  /* what is left over at the end may clash: every twentieth load at most */
  if (clashes * 20 > (size_t)level.n_steps * 2)
    fail_msg("%zu of %zu loads have a clash", clashes, (size_t)level.n_steps * 2);
  ap_free(blob);
  ap_free(matrix);
}

/* How long 8 rows are loaded: the most that meet in a bank, a place read twice counted once. */
static size_t load_length(const uint16_t *offset) {
  size_t longest = 0;
  for (unsigned bank = 0; bank < 8; bank++) {
    size_t n = 0;
    for (size_t i = 0; i < 8; i++) {
      bool again = bank_of(offset[i]) != bank;
      for (size_t j = 0; j < i; j++) again = again || offset[j] == offset[i];
      n += !again;
    }
    if (n > longest) longest = n;
  }
  return longest;
}

/* How long the loads of a level take, of what they would without any clash: row-vectors of 8 at random, 90 % gone. */
static double load_times(const grouped_geometry *g) {
  const size_t k = g->c_in * g->kh * g->kw, n = g->c_out;
  float *matrix = ap_calloc(k * n, sizeof *matrix);
  grouped_tile t;
  void *blob = NULL;
  size_t bytes, length = 0;
  grouped_level level;
  assert_non_null(matrix);
  for (size_t v = 0; v < k * n / 8; v++)
    if (below(10) == 0)
      for (size_t i = 0; i < 8; i++) matrix[v * 8 + i] = 1;
  assert_int_equal(grouped_tile_choose(g, (size_t)227 << 10, &t, &failure), AP_OK);
  assert_int_equal(grouped_level_pack(g, &t, matrix, NULL, 0, &blob, &bytes, &failure), AP_OK);
  memcpy(&level, blob, sizeof level);
  const uint16_t *offset =
      (const uint16_t *)(const void *)((const unsigned char *)blob + level.offset);
  for (size_t i = 0; i < (size_t)level.n_steps * 2; i++) length += load_length(offset + i * 8);
  assert_true(t.n_chunks > 1 && level.n_steps > 30);
  ap_free(blob);
  ap_free(matrix);
  return (double)length / ((double)level.n_steps * 2);
}

/* Of layers as resnet18 has them; places of channels are chosen so that there are few clashes. */
static void test_order_spreads_rows(void **state) {
  (void)state;
  static const struct {
    size_t c, side, stride;
    bool shortcut;
    double most;
  } layers[] = {{64, 32, 1, false, 1.42},  {128, 16, 1, false, 1.3}, {128, 16, 1, true, 1.38},
                {128, 16, 2, false, 1.62}, {256, 8, 1, false, 1.27}, {256, 8, 1, true, 1.4},
                {512, 4, 1, false, 1.23},  {512, 4, 1, true, 1.31}};
  enum { N = sizeof layers / sizeof layers[0] };
  double sum = 0;
  for (size_t i = 0; i < N; i++) {
    grouped_geometry g = same_size(layers[i].c, layers[i].side, layers[i].c * layers[i].stride, 8);
    g.stride_h = g.stride_w = layers[i].stride;
    g.out_h = g.out_w = layers[i].side / layers[i].stride;
    g.shortcut = layers[i].shortcut;
    const double times = load_times(&g);
    sum += times;
    print_message(
        "%zu channels of %zux%zu, stride %zu%s: loads take %.3f times what they would without a "
        "clash\n",
        layers[i].c, layers[i].side, layers[i].side, layers[i].stride,
        g.shortcut ? ", a shortcut" : "", times);
    if (times > layers[i].most) fail_msg("layer %zu: loads take %.3f times that", i, times);
  }
  print_message("on average %.3f times\n", sum / N);
}

static void test_refused(void **state) {
  (void)state;
  grouped_geometry g = {.c_in = 2,
                        .h = 60,
                        .w = 60,
                        .c_out = 3,
                        .out_h = 1,
                        .out_w = 1,
                        .kh = 60,
                        .kw = 60,
                        .stride_h = 1,
                        .stride_w = 1,
                        .groups = 1,
                        .dilation_h = 1,
                        .dilation_w = 1,
                        .n_blocks = 1};
  float matrix[6] = {0, 1, 2, INFINITY, 4, 5}, bias[3] = {0, NAN, 0};
  grouped_tile t;
  void *blob = &g;
  size_t bytes;
  assert_int_equal(grouped_tile_choose(&g, (size_t)100 << 10, &t, &failure), AP_ERR_UNSUPPORTED);
  /* a window that leaves no room for a whole shortcut */
  g.h = g.w = g.kh = g.kw = 38;
  g.shortcut = true;
  assert_int_equal(grouped_tile_choose(&g, (size_t)227 << 10, &t, &failure), AP_OK);
  assert_int_equal(t.way_bytes, GROUPED_SHARED_WAY);
  g.h = g.w = g.kh = g.kw = 1;
  assert_int_equal(grouped_tile_choose(&g, (size_t)227 << 10, &t, &failure), AP_OK);
  assert_int_equal(t.way_bytes, 4 * GROUPED_SHARED_WAY);
  assert_int_equal(grouped_tile_choose(&g, (size_t)100 << 10, &t, &failure), AP_OK);
  assert_int_equal(t.way_bytes, GROUPED_SHARED_WAY);
  assert_int_equal(grouped_level_pack(&g, &t, matrix, NULL, GROUPED_FORMS, &blob, &bytes, &failure),
                   AP_ERR_ARG);
  assert_null(blob);
  matrix[3] = 3;
  assert_int_equal(grouped_level_pack(&g, &t, matrix, bias, GROUPED_FORMS, &blob, &bytes, &failure),
                   AP_ERR_ARG);
  assert_null(blob);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tiles),
      cmocka_unit_test(test_joined_tiles),
      cmocka_unit_test(test_lists_give_the_matrix_back),
      cmocka_unit_test(test_form_follows_the_vectors),
      cmocka_unit_test(test_banks),
      cmocka_unit_test(test_order_spreads_rows),
      cmocka_unit_test(test_refused),
  };
  ap_rng_seed(&rng, 11, 0);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
