/* Operations that are written over a tensor they read (packed.h, packed8.h): the same bytes as elsewhere, on
 * every instruction set and in every form, borders included. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/packed8.h"
#include "tests/kernels/packed_cases.h"

static const char *const isa_names[] = {"plain", "avx2", "avx512"};
enum { N_ISAS = 3, BLOCKS = 2 };
static const ap_packed_isa *isas[N_ISAS]; /* NULL: this machine lacks it, or it is left out */
static const ap_packed8_isa *integer_isas[N_ISAS];

static int find_isas(void **state) {
  (void)state;
  for (size_t i = 0; i < N_ISAS; ++i) {
    if (!vectors_wanted(isa_names[i])) continue;
    ap_status st = ap_packed_isa_find(isa_names[i], &isas[i], NULL);
    if (st && st != AP_ERR_UNSUPPORTED) return -1;
    st = ap_packed8_isa_find(isa_names[i], &integer_isas[i], NULL);
    if (st && st != AP_ERR_UNSUPPORTED) return -1;
  }
  return 0;
}

static void *room(size_t n, size_t size) {
  void *p = ap_calloc(n, size);
  assert_non_null(p);
  return p;
}

/* ---- floats ----------------------------------------------------------------------------------- */
static void draw(ap_rng *rng, const ap_packed_shape *s, float *data) {
  for (size_t b = 0; b < BLOCKS; ++b)
    for (size_t c = 0; c < s->c; ++c)
      for (size_t y = 0; y < s->h; ++y) {
        float *row = data + b * s->block + c * s->channel + s->origin + y * s->row;
        for (size_t i = 0; i < s->w * AP_PACKED_LANES; ++i)
          row[i] = (float)(ap_rng_uniform(rng) * 2 - 1);
      }
}
static float *drawn(ap_rng *rng, const ap_packed_shape *s) {
  float *data = room(BLOCKS * s->block, sizeof *data);
  draw(rng, s, data);
  return data;
}

static void over_layer(const conv_case *k, ap_packed_form form, const ap_packed_isa *isa,
                       ap_rng *rng) {
  const ap_packed_conv g = packed_geometry(k, 1);
  const size_t rows = k->c_in / k->groups * k->kh * k->kw, bytes = BLOCKS * g.out.block * 4;
  float *matrix = room(rows * k->c_out, sizeof *matrix);
  for (size_t i = 0; i < rows * k->c_out; ++i)
    if (ap_rng_below(rng, 3) == 0) matrix[i] = (float)(ap_rng_uniform(rng) - 0.5);
  float *in = drawn(rng, &g.in), *added = drawn(rng, &g.out), *apart = room(bytes, 1);
  void *scratch = room(ap_packed_scratch_bytes(isa, &g) + 1, 1);
  ap_packed_weights *w = NULL;
  assert_int_equal(ap_packed_weights_create(isa, &g, matrix, NULL, form, &w, NULL), AP_OK);
  const ap_packed_epilogue e = {{added, &g.out, 1, 1, 0, NULL}, -0.5F, 0.75F};
  ap_packed_conv_run(w, BLOCKS, in, apart, &e, scratch);
  ap_packed_conv_run(w, BLOCKS, in, added, &e, scratch);
  if (memcmp(apart, added, bytes) != 0)
    fail_msg("%s %s, %zux%zux%zu: not the same over the residual", ap_packed_isa_name(isa),
             ap_packed_form_name(ap_packed_weights_form(w)), k->c_in, k->h, k->w);
  ap_packed_weights_destroy(w);
  void *const all[] = {matrix, in, added, apart, scratch};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) ap_free(all[i]);
}

static void layers(void **state) {
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 31, 0);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0] + 60; ++i) {
    const size_t n = sizeof cases / sizeof cases[0];
    const conv_case k = i < n ? cases[i] : random_case(&rng, 1, i % 2);
    for (int form = AP_PACKED_AUTO; form < AP_PACKED_FORMS; ++form)
      for (size_t isa = 0; isa < N_ISAS && possible(&k, (ap_packed_form)form); ++isa)
        if (isas[isa]) over_layer(&k, (ap_packed_form)form, isas[isa], &rng);
  }
}

enum { MAP, GATE, OWN_GATE, CURVE, NORM, OPERATIONS };
/* One of the operations on x and y (of one shape) to `to`; adds z. */
static void run(int operation, int bits, const ap_packed_isa *isa, const ap_packed_shape *s,
                const float *x, const float *y, const float *z, float *to) {
  const ap_packed_source in = {x, s, 1, 1, 0, NULL}, other = {y, s, 1, 1, 0, NULL};
  const ap_packed_epilogue e = {{z, s, 1, 1, 0, NULL}, -1, 1};
  const ap_curve curve = (ap_curve)(AP_CURVE_LOGISTIC + bits % (AP_CURVES - 1));
  float scale[16], shift[16];
  for (size_t c = 0; c < s->c; ++c) {
    scale[c] = 0.5F + (float)c;
    shift[c] = (float)c / 7;
  }
  const ap_packed_norm norm = {1, bits & 1, 1e-5F};
  switch (operation) {
    case MAP:
      ap_packed_map_run(isa, &in, s->c, scale, shift, s, 0, BLOCKS, to, &e);
      break;
    case GATE:
      ap_packed_gate_run(isa, &in, &other, bits & 1 ? curve : AP_CURVE_NONE, s, BLOCKS, to, &e);
      break;
    case OWN_GATE: /* what swish is */
      ap_packed_gate_run(isa, &in, &in, curve, s, BLOCKS, to, &e);
      break;
    case CURVE:
      ap_packed_curve_run(isa, curve, s, s, BLOCKS, x, to);
      break;
    default:
      ap_packed_norm_run(isa, &norm, s, x, scale, shift, s, BLOCKS, to, &e);
  }
}
/* What it may be written over: x, y, z. */
static const bool over[OPERATIONS][3] = {
    {true, false, true}, {true, true, true}, {true, false, true}, {true}, {false, false, true}};

static void operations(void **state) {
  (void)state;
  static const size_t widths[] = {1, 3, 16, 17, 35};
  ap_rng rng;
  ap_rng_seed(&rng, 32, 0);
  for (int bits = 0; bits < 5 * OPERATIONS * 12; ++bits) {
    const int operation = bits / 12 % OPERATIONS;
    const size_t border = (size_t)bits % 2, which = (size_t)bits % 3;
    ap_packed_shape s;
    assert_int_equal(ap_packed_shape_init(5, 3, widths[bits / 12 / OPERATIONS], border, border,
                                          border, border, &s, NULL),
                     AP_OK);
    for (size_t isa = 0; isa < N_ISAS && over[operation][which]; ++isa) {
      if (!isas[isa]) continue;
      float *t[] = {drawn(&rng, &s), drawn(&rng, &s), drawn(&rng, &s)};
      float *apart = room(BLOCKS * s.block, sizeof *apart);
      run(operation, bits, isas[isa], &s, t[0], t[1], t[2], apart);
      run(operation, bits, isas[isa], &s, t[0], t[1], t[2], t[which]);
      assert_memory_equal(apart, t[which], BLOCKS * s.block * sizeof *apart);
      for (size_t i = 0; i < 3; ++i) ap_free(t[i]);
      ap_free(apart);
    }
  }
}

/* ---- integers --------------------------------------------------------------------------------- */
/* A tensor of random codes, or of numbers. */
static void *drawn8(ap_rng *rng, const ap_packed8_tensor *t) {
  const size_t parts = t->codes ? 1 : AP_PACKED8_LANES / AP_PACKED_LANES;
  const ap_packed_shape *s = t->shape;
  uint8_t *data = room(BLOCKS, ap_packed8_tensor_bytes(t));
  ap_packed8_clear(t, BLOCKS, data);
  for (size_t b = 0; b < BLOCKS * parts; ++b)
    for (size_t c = 0; c < s->c; ++c)
      for (size_t y = 0; y < s->h; ++y) {
        float *row = (float *)(void *)data + b * s->block + c * s->channel + s->origin + y * s->row;
        for (size_t i = 0; i < s->w * AP_PACKED_LANES; ++i)
          if (t->codes) /* four at a time */
            memcpy(row + i, &(uint32_t){(uint32_t)ap_rng_below(rng, UINT32_MAX)}, sizeof *row);
          else
            row[i] = (float)(ap_rng_uniform(rng) * 500 - 250);
      }
  return data;
}

static void over_layer8(const conv_case *k, ap_packed_form form, const ap_packed8_isa *isa,
                        unsigned bits, ap_rng *rng) {
  const ap_packed_conv g = packed_geometry(k, 1);
  const size_t rows = k->c_in / k->groups * k->kh * k->kw;
  const uint8_t zero = bits & 1 ? 77 : 0;
  const ap_packed8_tensor from = {&g.in, true, zero};
  const ap_packed8_tensor to = {&g.out, !(bits & 2), bits & 2 ? 0 : zero};
  const size_t bytes = BLOCKS * ap_packed8_tensor_bytes(&to);
  int8_t *matrix = room(rows * k->c_out, 1);
  float *factor = room(k->c_out, sizeof *factor), *shift = room(k->c_out, sizeof *shift);
  for (size_t i = 0; i < rows * k->c_out; ++i)
    if (ap_rng_below(rng, 3) == 0) matrix[i] = (int8_t)((int)ap_rng_below(rng, 255) - 127);
  for (size_t i = 0; i < k->c_out; ++i) factor[i] = (float)(0.02 / (double)rows);
  void *in = drawn8(rng, &from), *added = drawn8(rng, &to), *apart = room(bytes, 1);
  ap_packed8_clear(&to, BLOCKS, apart);
  void *scratch = room(ap_packed8_scratch_bytes(&g) + 1, 1);
  ap_packed8_weights *w = NULL;
  assert_int_equal(ap_packed8_weights_create(isa, &g, matrix, zero, factor, shift, form, &w, NULL),
                   AP_OK);
  const ap_packed8_epilogue e = {{added, to, 0.37F, 1, 1, 0, NULL},
                                 bits & 4 ? 0 : -INFINITY,
                                 bits & 8 ? 97.3F : INFINITY,
                                 NULL};
  const ap_packed8_target elsewhere = {apart, to, 255}, there = {added, to, 255};
  ap_packed8_conv_run(w, BLOCKS, in, &elsewhere, &e, scratch);
  ap_packed8_conv_run(w, BLOCKS, in, &there, &e, scratch);
  if (memcmp(apart, added, bytes) != 0)
    fail_msg("integers, %s %s, %zux%zux%zu: not the same over the residual",
             ap_packed8_isa_name(isa), ap_packed_form_name(ap_packed8_weights_form(w)), k->c_in,
             k->h, k->w);
  ap_packed8_weights_destroy(w);
  void *const all[] = {matrix, factor, shift, in, added, apart, scratch};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) ap_free(all[i]);
}

static void integer_layers(void **state) {
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 33, 0);
  unsigned bits = 0;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0] + 60; ++i) {
    const size_t n = sizeof cases / sizeof cases[0];
    const conv_case k = i < n ? cases[i] : random_case(&rng, 1, i % 2);
    for (int form = AP_PACKED_AUTO; form <= AP_PACKED_KERNEL3; ++form, ++bits)
      for (size_t isa = 0; isa < N_ISAS && possible(&k, (ap_packed_form)form); ++isa)
        if (integer_isas[isa]) over_layer8(&k, (ap_packed_form)form, integer_isas[isa], bits, &rng);
  }
}

static void run8(int operation, unsigned bits, const ap_packed8_isa *isa,
                 const ap_packed8_tensor *t, void *const tensors[3], void *to) {
  const ap_packed8_source in = {tensors[0], *t, 0.3F, 1, 1, 0, NULL};
  const ap_packed8_source other = {tensors[1], *t, 0.02F, 1, 1, 0, NULL};
  const ap_packed8_epilogue e = {{tensors[2], *t, 1.5F, 1, 1, 0, NULL}, -9, 120, NULL};
  const ap_packed8_target out = {to, *t, 220};
  const ap_curve curve = (ap_curve)(AP_CURVE_LOGISTIC + bits % (AP_CURVES - 1));
  const ap_packed_norm norm = {1, bits & 1, 0};
  switch (operation) {
    case MAP:
      ap_packed8_map_run(isa, &in, t->shape->c, NULL, NULL, &out, 0, BLOCKS, &e);
      break;
    case GATE:
      ap_packed8_gate_run(isa, &in, &other, bits & 1 ? curve : AP_CURVE_NONE, 12.5F, &out, BLOCKS,
                          &e);
      break;
    case OWN_GATE:
      ap_packed8_gate_run(isa, &in, &in, curve, 12.5F, &out, BLOCKS, &e);
      break;
    case CURVE:
      ap_packed8_curve_run(isa, curve, &in, 40, &out, BLOCKS);
      break;
    default:
      ap_packed8_norm_run(isa, &norm, 2.5, 30, &in, NULL, NULL, &out, BLOCKS, &e);
  }
}

static void integer_operations(void **state) {
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 34, 0);
  for (unsigned bits = 0; bits < OPERATIONS * 24; ++bits) {
    const int operation = (int)(bits / 24);
    const size_t border = bits % 2, which = bits % 3;
    ap_packed_shape s;
    assert_int_equal(ap_packed_shape_init(3, 2, 5, border, border, border, border, &s, NULL),
                     AP_OK);
    const ap_packed8_tensor t = {&s, bits / 6 % 2 == 0,
                                 bits / 12 % 2 && bits / 6 % 2 == 0 ? 40 : 0};
    const size_t bytes = BLOCKS * ap_packed8_tensor_bytes(&t);
    for (size_t isa = 0; isa < N_ISAS && over[operation][which]; ++isa) {
      if (!integer_isas[isa]) continue;
      void *tensors[] = {drawn8(&rng, &t), drawn8(&rng, &t), drawn8(&rng, &t)};
      void *apart = room(bytes, 1);
      ap_packed8_clear(&t, BLOCKS, apart);
      run8(operation, bits, integer_isas[isa], &t, tensors, apart);
      run8(operation, bits, integer_isas[isa], &t, tensors, tensors[which]);
      assert_memory_equal(apart, tensors[which], bytes);
      for (size_t i = 0; i < 3; ++i) ap_free(tensors[i]);
      ap_free(apart);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(layers),
      cmocka_unit_test(operations),
      cmocka_unit_test(integer_layers),
      cmocka_unit_test(integer_operations),
  };
  return cmocka_run_group_tests(tests, find_isas, NULL);
}
