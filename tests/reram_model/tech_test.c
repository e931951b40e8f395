/* Technology files: presets, refusals with file and line, overrides, and random damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "reram_model/tech.h"

#define MAX_TEXT 65536

/* A valid file, made from the default preset's configuration. */
static char *valid_text(void) {
  ap_tech *tech = NULL;
  json_t *config = NULL, *section = NULL, *value = NULL;
  const char *name = NULL, *key = NULL;
  char *text = ap_calloc(MAX_TEXT, 1);
  size_t at = 0;
  assert_int_equal(ap_tech_open("ou", &tech, NULL), AP_OK);
  config = ap_tech_to_json(tech);
  json_object_foreach(config, name, section) {
    at += (size_t)snprintf(text + at, MAX_TEXT - at, "[%s]\n", name);
    json_object_foreach(section, key, value) {
      at += (size_t)snprintf(text + at, MAX_TEXT - at, "%s = ", key);
      if (json_is_string(value)) {
        at += (size_t)snprintf(text + at, MAX_TEXT - at, "%s\n", json_string_value(value));
      } else {
        at += (size_t)snprintf(text + at, MAX_TEXT - at, "%.17g\n", json_number_value(value));
      }
    }
  }
  json_decref(config);
  ap_tech_close(tech);
  return text;
}

/* Replaces the first `from` by `to` (NULL from: appends). */
static char *edited(const char *text, const char *from, const char *to) {
  const char *at = from ? strstr(text, from) : text + strlen(text);
  char *out = NULL;
  assert_non_null(at);
  out = ap_sprintf("%.*s%s%s", (int)(at - text), text, to, at + (from ? strlen(from) : 0));
  assert_non_null(out);
  return out;
}

static int line_of(const char *text, const char *what) {
  int line = 1;
  const char *at = strstr(text, what);
  assert_non_null(at);
  for (const char *p = text; p < at; p++) line += *p == '\n';
  return line;
}

static void presets_open(void **state) {
  char hashes[3][65];
  ap_tech *tech = NULL;
  (void)state;
  assert_int_equal(ap_tech_preset_count(), 3);
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(ap_tech_open(ap_tech_preset_name(i), &tech, NULL), AP_OK);
    assert_string_equal(ap_tech_name(tech), ap_tech_preset_name(i));
    assert_int_equal(ap_tech_hash(tech, hashes[i], NULL), AP_OK);
    assert_int_equal(strlen(hashes[i]), 64);
    ap_tech_close(tech);
  }
  assert_string_not_equal(hashes[0], hashes[1]);
  assert_string_not_equal(hashes[1], hashes[2]);
  assert_int_equal(ap_tech_open("nosuch", &tech, NULL), AP_ERR_ARG);
  assert_null(tech);
  assert_int_equal(ap_tech_open("./nosuch.ini", &tech, NULL), AP_ERR_IO);
}

/* The energies of one event follow from the published powers by the stated clocks. */
static void energies_follow_from_powers(void **state) {
  static const struct {
    const char *preset;
    ap_part part;
    double per_ns; /* events of all units in a nanosecond */
  } table[] = {{"isaac", AP_PART_ARRAY, 131072 / 100.0},
               {"isaac", AP_PART_DAC, 1024 / 100.0},
               {"isaac", AP_PART_SAMPLE_HOLD, 1024 / 100.0},
               {"isaac", AP_PART_ADC, 8 * 1.28},
               {"isaac", AP_PART_SHIFT_ADD, 4 * 1.2},
               {"isaac", AP_PART_INPUT_REGISTER, 1.2 * 32},
               {"isaac", AP_PART_OUTPUT_REGISTER, 1.2 * 16},
               {"isaac", AP_PART_EDRAM, 1024 / 100.0},
               {"isaac", AP_PART_BUS, 1024 / 100.0},
               {"isaac", AP_PART_SIGMOID, 2 * 1.2},
               {"isaac", AP_PART_TILE_SHIFT_ADD, 1.2},
               {"isaac", AP_PART_MAXPOOL, 1.2},
               {"isaac", AP_PART_TILE_OUTPUT_REGISTER, 1.2 * 16},
               {"isaac", AP_PART_LINK, 4 * 6.4},
               {"sre", AP_PART_ADC, 8 * 1.2}};
  (void)state;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    ap_tech *tech = NULL;
    const ap_component *c = NULL;
    double energy = 0;
    assert_int_equal(ap_tech_open(table[i].preset, &tech, NULL), AP_OK);
    c = ap_tech_component(tech, table[i].part);
    energy = c->power_mw / table[i].per_ns; /* mW x ns = pJ */
    if (fabs(energy - c->energy_pj) > 2e-3 * energy) {
      fail_msg("%s: %g pJ, from its power %g", ap_part_name(table[i].part), c->energy_pj, energy);
    }
    ap_tech_close(tech);
  }
}

static void refused_at(const char *text, ap_status status, int line, const char *what) {
  ap_tech *tech = NULL;
  ap_error err;
  char place[32];
  (void)snprintf(place, sizeof place, "t.ini:%d: ", line);
  assert_int_equal(ap_tech_parse(text, strlen(text), "t.ini", &tech, &err), status);
  assert_null(tech);
  if (!strstr(err.text, what)) fail_msg("'%s' does not name '%s'", err.text, what);
  if (line && strncmp(err.text, place, strlen(place)) != 0) {
    fail_msg("'%s' does not begin with '%s'", err.text, place);
  }
}

static void damage_is_named(void **state) {
  static const struct {
    const char *from, *to; /* the first `from` of a valid file becomes `to` */
    const char *at;        /* the error is in the line of this text; NULL: no line */
    const char *what;
  } table[] = {
      {"adc_law", "adc_rule", "adc_rule", "[model] has no key 'adc_rule'"},
      {"[model]", "[modal]", "[modal]", "unknown section [modal]"},
      {"[component.adc]", "[component.adz]", "[component.adz]", "unknown section [component.adz]"},
      {"[timing]", "[component]", "[component]\n", "unknown section [component]"},
      {"[timing]", "[empty]\n[timing]", "[empty]", "unknown section [empty]"},
      {"rows = 128\n", "", NULL, "[array] rows is missing"},
      {"rows = 128", "rows = 0", "rows = 0", "rows = '0', expected a whole number from 1"},
      {"rows = 128", "rows = 12.5", "rows = 12.5", "whole number"},
      {"rows = 128", "rows = nan", "rows = nan", "'nan'"},
      {"rows = 128", "rows = 0x80", "rows = 0x80", "'0x80'"},
      {"rows = 128", "rows =", "rows =", "''"},
      {"rows = 128", "rows = 128 128", "rows = 128 128", "'128 128'"},
      {"ou_rows = 9", "ou_rows = 129", "ou_rows = 129", "129 x 8 is larger than the crossbar"},
      {"ou_cols = 8", "ou_cols = 129", "ou_cols = 129", "9 x 129 is larger than the crossbar"},
      {"encoding = offset", "encoding = bias", "encoding = bias", "offset or twos-complement or"},
      {"area_mm2 = ", "area_mm2 = -", "area_mm2 = -", "expected a number from 0"},
      {"area_mm2 = ", "area_mm2 = inf", "area_mm2 = inf", "'inf"},
      {"energy_pj = ", "energy_pj = 1e309", "energy_pj = 1e309", "energy_pj"},
      {"level = ima", "level = tile", "level = tile", "expected ima"},
      {"scaling = unit", "scaling = share", "scaling = share", "expected unit"},
      {"shared_by = 1", "shared_by = 2", "shared_by = 2", "shared_by = '2', expected 1 for a part"},
      {"evidence = published", "evidence = rumour", "evidence = rumour", "published or derived"},
      {"adc_law = isaac", "adc_law = moore", "adc_law = moore", "isaac or sre"},
      {"adc_bits = 0", "adc_bits = 0\nadc_bits = 0", "adc_bits = 0\nadc_bits", "key occurs twice"},
      {"[timing]", "[model]", "[model]\narray_cycle", "section occurs twice: 'model'"},
      {"[timing]", "[timing", "[timing", "expected [section], key = value"},
      {"[timing]", "[timing] x", "[timing] x", "text after section"},
      {"[technology]", "name = x\n[technology]", "name = x", "expected a [section] before key"},
      {"rows = 128", "rows", "rows\n", "expected [section], key = value"},
      {"rows = 128", "  rows = 128", "  rows = 128", "begins with a blank"},
  };
  char *text = valid_text();
  ap_tech *tech = NULL;
  (void)state;
  assert_int_equal(ap_tech_parse(text, strlen(text), "t.ini", &tech, NULL), AP_OK);
  ap_tech_close(tech);
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    char *bad = edited(text, table[i].from, table[i].to);
    int line = table[i].at ? line_of(bad, table[i].at) : 0;
    /* a double key is found at its second line */
    if (strcmp(table[i].what, "key occurs twice") == 0) line++;
    refused_at(bad, AP_ERR_FORMAT, line, table[i].what);
    ap_free(bad);
  }
  ap_free(text);
}

/* Every single line is needed: a file without it is refused, naming it. */
static void nothing_is_optional(void **state) {
  char *text = valid_text();
  size_t lines = 0;
  (void)state;
  for (char *line = text; *line;) {
    char *end = strchr(line, '\n');
    if (line[0] != '[') {
      char key[64], *bad = ap_sprintf("%.*s%s", (int)(line - text), text, end + 1);
      size_t key_size = strcspn(line, " ");
      memcpy(key, line, key_size);
      key[key_size] = '\0';
      refused_at(bad, AP_ERR_FORMAT, 0, key);
      refused_at(bad, AP_ERR_FORMAT, 0, "is missing");
      ap_free(bad);
      lines++;
    }
    line = end + 1;
  }
  assert_true(lines > 200);
  ap_free(text);
}

static void hostile_lines(void **state) {
  char *text = valid_text();
  char *bad = ap_calloc(MAX_TEXT, 2);
  ap_tech *tech = NULL;
  ap_error err;
  (void)state;
  memset(bad, 'x', 5000);
  refused_at(bad, AP_ERR_FORMAT, 1, "longer than 195 characters");
  refused_at("\xff\xfe[\0t\0]\0", AP_ERR_FORMAT, 1, "UTF-16, expected UTF-8");
  refused_at("\xfe\xff", AP_ERR_FORMAT, 1, "UTF-16, expected UTF-8");
  memcpy(bad, text, strlen(text) + 1);
  for (char *p = bad; *p; p++) {
    if (*p == '\n') *p = '\r';
  }
  refused_at(bad, AP_ERR_FORMAT, 1,
             "CR inside a line, expected lines that end with LF or CR LF: '[tech");
  refused_at("", AP_ERR_FORMAT, 0, "missing");
  refused_at("\n\n; nothing\n", AP_ERR_FORMAT, 0, "missing");
  memcpy(bad, text, strlen(text) + 1);
  *strchr(bad, '=') = '\0'; /* a zero byte inside */
  assert_int_equal(ap_tech_parse(bad, strlen(text), "t.ini", &tech, &err), AP_ERR_FORMAT);
  assert_non_null(strstr(err.text, "t.ini:2: zero byte"));
  ap_free(bad);
  ap_free(text);
}

static void byte_order_mark(void **state) {
  char *text = valid_text(), marked[MAX_TEXT + 4];
  ap_tech *tech = NULL;
  ap_error err;
  (void)state;
  (void)snprintf(marked, sizeof marked, "\xef\xbb\xbf%s", text);
  assert_int_equal(ap_tech_parse(marked, strlen(marked), "t.ini", &tech, &err), AP_OK);
  ap_tech_close(tech);
  ap_free(text);
}

static void overrides(void **state) {
  ap_tech *tech = NULL, *copy = NULL;
  char before[65], after[65];
  ap_error err;
  (void)state;
  assert_int_equal(ap_tech_open("ou", &tech, NULL), AP_OK);
  assert_int_equal(ap_tech_hash(tech, before, NULL), AP_OK);
  assert_int_equal(ap_tech_clone(tech, &copy, NULL), AP_OK);
  assert_int_equal(ap_tech_override(tech, "array.rows", "64", &err), AP_OK);
  assert_int_equal(ap_tech_array(tech)->rows, 64);
  assert_int_equal(ap_tech_override(tech, "component.adc.energy_pj", "2.5", &err), AP_OK);
  assert_true(ap_tech_component(tech, AP_PART_ADC)->energy_pj == 2.5);
  assert_int_equal(ap_tech_override(tech, "model.adc_law", "sre", &err), AP_OK);
  assert_int_equal(ap_tech_adc_law(tech), AP_ADC_LAW_SRE);
  assert_int_equal(ap_tech_hash(tech, after, NULL), AP_OK);
  assert_string_not_equal(before, after);
  /* refused changes leave everything as it was */
  assert_int_equal(ap_tech_override(tech, "array.rows", "4", &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "9 x 8 is larger than the crossbar of 4 x 128"));
  assert_int_equal(ap_tech_override(tech, "array.row", "4", &err), AP_ERR_ARG);
  assert_int_equal(ap_tech_override(tech, "rows", "4", &err), AP_ERR_ARG);
  assert_int_equal(ap_tech_override(tech, "array.rows", "", &err), AP_ERR_ARG);
  assert_int_equal(ap_tech_override(tech, "component.adc.energy_pj", "nan", &err), AP_ERR_ARG);
  assert_int_equal(ap_tech_override(tech, "component.adc.shared_by", "2", &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "model.adcs_per_crossbar"));
  assert_int_equal(ap_tech_override(tech, "component.input_sum.shared_by", "2", &err), AP_ERR_ARG);
  assert_int_equal(ap_tech_override(tech, "component.router.shared_by", "2", &err), AP_OK);
  assert_int_equal(ap_tech_override(tech, "array.adc_bits", "3", &err), AP_OK);
  assert_int_equal(ap_tech_override(tech, "model.adc_law", "survey", &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "converter of 3 bits"));
  assert_int_equal(ap_tech_array(tech)->rows, 64);
  assert_int_equal(ap_tech_array(copy)->rows, 128);
  ap_tech_close(copy);
  ap_tech_close(tech);
}

/* Crossbar, OU and converter's law fit together or not; in between nothing has to. */
static void overrides_together(void **state) {
  const ap_tech_change smaller[] = {{"array.rows", "8"}, {"array.ou_rows", "8"}},
                       refused[] = {{"array.rows", "64"}, {"array.ou_rows", "65"}},
                       survey[] = {{"model.adc_law", "survey"},
                                   {"array.adc_bits", "3"},
                                   {"array.adc_bits", "6"}},
                       wide[] = {{"model.adc_law", "survey"}, {"model.adc_reference_bits", "9"}},
                       unknown[] = {{"array.rows", "32"}, {"array.row", "32"}};
  ap_tech *tech = NULL;
  ap_error err;
  (void)state;
  assert_int_equal(ap_tech_open("ou", &tech, NULL), AP_OK);
  assert_int_equal(ap_tech_override_all(tech, smaller, 2, &err), AP_OK);
  assert_int_equal(ap_tech_array(tech)->ou_rows, 8);
  assert_int_equal(ap_tech_override_all(tech, survey, 3, &err), AP_OK);
  assert_int_equal(ap_tech_array(tech)->adc_bits, 6);
  assert_int_equal(ap_tech_override_all(tech, refused, 2, &err), AP_ERR_ARG);
  assert_int_equal(ap_tech_override_all(tech, wide, 2, &err), AP_ERR_ARG);
  assert_non_null(
      strstr(err.text, "adc_reference_bits) of 9 bits, the law 'survey' covers 4 to 8"));
  assert_int_equal(ap_tech_override_all(tech, unknown, 2, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "array.row"));
  assert_int_equal(ap_tech_array(tech)->rows, 8);
  assert_int_equal(ap_tech_override_all(tech, NULL, 0, &err), AP_OK);
  ap_tech_close(tech);
}

/* Every number of the file is used in its hash; changing any changes it. */
static void every_value_is_hashed(void **state) {
  ap_tech *tech = NULL;
  json_t *config = NULL, *section = NULL, *value = NULL;
  const char *name = NULL, *key = NULL;
  char before[65];
  (void)state;
  assert_int_equal(ap_tech_open("isaac", &tech, NULL), AP_OK);
  assert_int_equal(ap_tech_hash(tech, before, NULL), AP_OK);
  config = ap_tech_to_json(tech);
  json_object_foreach(config, name, section) {
    json_object_foreach(section, key, value) {
      ap_tech *copy = NULL;
      char path[128], number[64], after[65];
      double v = 0;
      if (!json_is_number(value)) continue;
      v = json_number_value(value);
      (void)snprintf(path, sizeof path, "%s.%s", name, key);
      (void)snprintf(number, sizeof number, "%.17g", json_is_integer(value) ? v + 1 : v * 1.5);
      assert_int_equal(ap_tech_clone(tech, &copy, NULL), AP_OK);
      if (ap_tech_override(copy, path, number, NULL) == AP_OK && v != 0) {
        assert_int_equal(ap_tech_hash(copy, after, NULL), AP_OK);
        if (strcmp(before, after) == 0) fail_msg("%s is not hashed", path);
      }
      ap_tech_close(copy);
    }
  }
  json_decref(config);
  ap_tech_close(tech);
}

/* Random damage: bytes changed, removed, doubled, lines swapped. Either the file still means something
 * valid, or it is refused with a text; sanitizers watch. */
static void random_damage(void **state) {
  enum { ROUNDS = 3000 };
  char *text = valid_text(), *bad = ap_calloc(MAX_TEXT, 2);
  size_t size = strlen(text);
  int refused = 0;
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 314159, 0);
  for (int round = 0; round < ROUNDS; round++) {
    size_t edits = 1 + ap_rng_below(&rng, 4), n = size;
    ap_tech *tech = NULL;
    ap_error err = {AP_OK, ""};
    ap_status st = AP_OK;
    memcpy(bad, text, size + 1);
    for (size_t i = 0; i < edits; i++) {
      size_t at = ap_rng_below(&rng, n), length = 1 + ap_rng_below(&rng, 30);
      if (at + length > n) length = n - at;
      switch (ap_rng_below(&rng, 5)) {
        case 0:
          bad[at] = (char)ap_rng_below(&rng, 256);
          break;
        case 1: /* remove */
          memmove(bad + at, bad + at + length, n - at - length);
          n -= length;
          break;
        case 2: /* double */
          memmove(bad + at + length, bad + at, n - at);
          n += length;
          break;
        case 3: /* a digit, a sign, a point */
          bad[at] = "0123456789.-+e[]=;\n "[ap_rng_below(&rng, 20)];
          break;
        default: /* cut */
          if (ap_rng_below(&rng, 20) == 0) n = at + 1;
          break;
      }
    }
    st = ap_tech_parse(bad, n, "t.ini", &tech, &err);
    if (st) {
      assert_int_equal(st, AP_ERR_FORMAT);
      assert_true(strncmp(err.text, "t.ini:", 6) == 0);
      assert_null(tech);
      refused++;
    } else {
      assert_int_equal(ap_array_spec_check(ap_tech_array(tech), NULL), AP_OK);
      for (int i = 0; i < (int)AP_PART_COUNT; i++) {
        const ap_component *c = ap_tech_component(tech, (ap_part)i);
        assert_true(isfinite(c->area_mm2) && c->area_mm2 >= 0 && c->count > 0);
        assert_true(isfinite(c->energy_pj) && c->energy_pj >= 0 && c->shared_by >= 1);
      }
    }
    ap_tech_close(tech);
  }
  assert_true(refused > ROUNDS / 3 && refused < ROUNDS);
  ap_free(bad);
  ap_free(text);
}

static void out_of_memory(void **state) {
  char *text = valid_text();
  bool done = false;
  (void)state;
  for (size_t n = 0; !done; n += 1 + n / 16) {
    ap_tech *tech = NULL;
    ap_status st = AP_OK;
    ap_alloc_fail_after(n);
    st = ap_tech_parse(text, strlen(text), "t.ini", &tech, NULL);
    if (!st) st = ap_tech_override(tech, "array.rows", "64", NULL);
    ap_alloc_fail_after(SIZE_MAX);
    assert_true(st == AP_OK || st == AP_ERR_MEMORY);
    done = st == AP_OK;
    ap_tech_close(tech);
  }
  ap_free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(presets_open),
                                     cmocka_unit_test(energies_follow_from_powers),
                                     cmocka_unit_test(damage_is_named),
                                     cmocka_unit_test(nothing_is_optional),
                                     cmocka_unit_test(hostile_lines),
                                     cmocka_unit_test(byte_order_mark),
                                     cmocka_unit_test(overrides),
                                     cmocka_unit_test(overrides_together),
                                     cmocka_unit_test(every_value_is_hashed),
                                     cmocka_unit_test(random_damage),
                                     cmocka_unit_test(out_of_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
