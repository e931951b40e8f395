/* Model files: round trips, compact files, shipped names, and every refusal of the header. */
#include <math.h>
#include <sys/stat.h>

#include "nn/model_codes_impl.h"
#include "tests/nn/model_testing.h"

static ap_network *load(const char *path, json_t **metadata) {
  ap_network *net = NULL;
  ap_error err;
  if (ap_model_load(path, &net, metadata, &err)) fail_msg("%s", err.text);
  return net;
}

static void save(const char *name, const ap_network *net, const json_t *metadata,
                 unsigned stored_bits) {
  ap_error err;
  if (ap_model_save(scratch_path(name), net, metadata, stored_bits, true, &err))
    fail_msg("%s", err.text);
}

static void same_network(const ap_network *a, const ap_network *b) {
  char left[65], right[65];
  assert_int_equal(ap_network_hash(a, left, NULL), AP_OK);
  assert_int_equal(ap_network_hash(b, right, NULL), AP_OK);
  assert_string_equal(left, right);
}

static void test_round_trip(void **state) {
  ap_network *net = every_kind();
  json_t *metadata = json_pack("{s:s, s:[i, f]}", "note", "\xc3\xa4", "values", 1, 0.1),
         *back = NULL;
  (void)state;
  save("model.apm", net, metadata, AP_STORE_FLOAT32);
  ap_network *loaded = load(scratch_path("model.apm"), &back);
  same_network(net, loaded);
  assert_int_equal(loaded->classes, 3);
  assert_true(json_equal(metadata, back));
  json_decref(back);
  ap_network_destroy(loaded);
  save("model.apm", net, NULL, AP_STORE_FLOAT32);
  back = metadata;
  loaded = load(scratch_path("model.apm"), &back);
  assert_null(back);
  ap_network_destroy(loaded);
  loaded = load(scratch_path("model.apm"), NULL);
  ap_network_destroy(loaded);
  json_decref(metadata);
  ap_network_destroy(net);
}

/* A folded network's nodes are not what they were before: its identity is what a file holds. */
static void test_folded_round_trip(void **state) {
  ap_network *net = every_kind(), *folded = NULL, *loaded;
  (void)state;
  assert_int_equal(ap_network_fold(net, &folded, NULL), AP_OK);
  save("folded.apm", folded, NULL, AP_STORE_FLOAT32);
  loaded = load(scratch_path("folded.apm"), NULL);
  same_network(folded, loaded);
  ap_network_destroy(net);
  ap_network_destroy(folded);
  ap_network_destroy(loaded);
}

/* Also numbers that need all digits: infinite ceilings, denormals, the largest float. */
static void test_extreme_values(void **state) {
  ap_network *net = every_kind();
  (void)state;
  net->nodes[1].weight[0] = 0x1p-149f;
  net->nodes[1].weight[1] = 0x1.fffffep127f;
  net->nodes[1].weight[2] = -0.0f;
  net->nodes[3].ceiling = 0x1p-149f;
  net->nodes[2].epsilon = 0x1.000002p-20f;
  save("model.apm", net, NULL, AP_STORE_FLOAT32);
  ap_network *loaded = load(scratch_path("model.apm"), NULL);
  same_network(net, loaded);
  assert_true(signbit(loaded->nodes[1].weight[2]));
  ap_network_destroy(loaded);
  ap_network_destroy(net);
}

/* Weights of layers lose at most half a unit of 11 bits; everything else is kept exactly. */
static void test_compact(void **state) {
  ap_network *net = every_kind();
  struct stat full, compact;
  ap_error err;
  (void)state;
  save("full.apm", net, NULL, AP_STORE_FLOAT32);
  save("compact.apm", net, NULL, AP_STORE_FLOAT16);
  assert_int_equal(stat(scratch_path("full.apm"), &full), 0);
  assert_int_equal(stat(scratch_path("compact.apm"), &compact), 0);
  size_t in_layers = ap_node_weight_count(net, 1) + ap_node_weight_count(net, 11);
  assert_true(full.st_size - compact.st_size >
              (off_t)(2 * in_layers) - 20); /* offsets are shorter */
  ap_network *loaded = load(scratch_path("compact.apm"), NULL);
  for (size_t i = 1; i < net->n_nodes; i++) {
    for (size_t j = 0; j < ap_node_weight_count(net, i); j++) {
      float a = net->nodes[i].weight[j], b = loaded->nodes[i].weight[j];
      assert_true(fabsf(a - b) <= fabsf(a) * 0x1p-11f);
      if (i == 2) assert_true(a == b);
    }
    for (size_t j = 0; j < ap_node_bias_count(net, i); j++)
      assert_true(net->nodes[i].bias[j] == loaded->nodes[i].bias[j]);
  }
  save("again.apm", loaded, NULL, AP_STORE_FLOAT16); /* what fits float16 is kept */
  ap_network *again = load(scratch_path("again.apm"), NULL);
  same_network(loaded, again);
  ap_network_destroy(again);
  assert_int_equal(ap_model_round(net, AP_STORE_FLOAT16, &err), AP_OK);
  same_network(net, loaded);
  ap_network_destroy(loaded);
  net->nodes[1].weight[3] = 65520.0f;
  assert_int_equal(ap_model_save(scratch_path("full.apm"), net, NULL, AP_STORE_FLOAT16, true, &err),
                   AP_ERR_ARG);
  assert_non_null(strstr(err.text, "conv: weight 3 is 65520"));
  assert_int_equal(ap_model_round(net, AP_STORE_FLOAT16, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "conv: weight 3 is 65520"));
  loaded = load(scratch_path("full.apm"), NULL); /* the old file is still there */
  ap_network_destroy(loaded);
  net->nodes[1].weight[3] = 65519.0f;
  save("full.apm", net, NULL, AP_STORE_FLOAT16);
  ap_network_destroy(net);
}

/* Every width: codes of so many bits times their channel's scale, symmetric, to the nearest; the same
 * values are stored again without loss. */
static void test_integers(void **state) {
  ap_error err;
  (void)state;
  for (unsigned bits = 2; bits <= 8; bits++) {
    ap_network *net = every_kind();
    const float most = (float)((1 << (bits - 1)) - 1);
    for (size_t j = 0; j < 3; j++) net->nodes[net->n_nodes - 1].weight[j] = 0; /* of one output */
    save("integers.apm", net, NULL, bits);
    ap_network *loaded = load(scratch_path("integers.apm"), NULL);
    for (size_t i = 1; i < net->n_nodes; i++) {
      const size_t each = ap_node_weight_count(net, i) / net->nodes[i].shape.c;
      const bool layer = net->nodes[i].kind == AP_NODE_CONV || net->nodes[i].kind == AP_NODE_LINEAR;
      for (size_t c = 0; each > 0 && c < net->nodes[i].shape.c; c++) {
        const float *a = net->nodes[i].weight + c * each, *b = loaded->nodes[i].weight + c * each;
        float largest = 0;
        for (size_t j = 0; j < each; j++) largest = fmaxf(largest, fabsf(a[j]));
        for (size_t j = 0; j < each; j++) {
          const float scale = layer ? largest / most : 0;
          assert_true(fabsf(a[j] - b[j]) <= scale * 0.5001f);
          if (scale > 0) assert_true(b[j] == scale * rintf(b[j] / scale));
        }
      }
      for (size_t j = 0; j < ap_node_bias_count(net, i); j++)
        assert_true(net->nodes[i].bias[j] == loaded->nodes[i].bias[j]);
    }
    assert_int_equal(ap_model_round(net, bits, &err), AP_OK);
    same_network(net, loaded); /* as rounded in memory */
    const unsigned again_bits[] = {AP_STORE_FLOAT32, bits};
    for (int i = 0; i < 2; i++) {
      save("again.apm", loaded, NULL, again_bits[i]);
      ap_network *again = load(scratch_path("again.apm"), NULL);
      same_network(loaded, again);
      ap_network_destroy(again);
    }
    ap_network_destroy(loaded);
    ap_network_destroy(net);
  }
  ap_network *net = every_kind();
  for (unsigned bits = 0; bits < 40; bits++) {
    if ((bits >= 2 && bits <= 8) || bits == 16 || bits == 32) continue;
    assert_int_equal(ap_model_save(scratch_path("no.apm"), net, NULL, bits, true, &err),
                     AP_ERR_ARG);
  }
  ap_network_destroy(net);
}

/* Codes by themselves: sizes about a byte's share, zeros, denormals, what a file may claim. */
static void test_codes(void **state) {
  static const size_t sizes[] = {1, 2, 31, 32, 33, 257, 4099, 100003};
  ap_rng rng;
  ap_error err;
  (void)state;
  ap_rng_seed(&rng, 77, 0);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (int kind = 0; kind < 3; kind++) { /* random, zeros, denormals */
      const size_t channels = 3, n = sizes[i] * channels;
      float *values = ap_calloc(n, sizeof *values), *read = NULL;
      unsigned char *bytes = NULL;
      size_t n_bytes = 0;
      assert_non_null(values);
      for (size_t j = 0; j < n && kind != 1; j++)
        values[j] = (float)ap_rng_normal(&rng) * (kind ? 0x1p-147f : 1.0f);
      assert_int_equal(ap_codes_write("w", values, channels, n, 7, &bytes, &n_bytes, &err), AP_OK);
      assert_true(n_bytes <= channels * 4 + n);
      if (kind == 0 && n > 10000) assert_true(n_bytes < n * 7 / 8); /* a normal's entropy is less */
      assert_int_equal(ap_codes_read("w", bytes, n_bytes, channels, n, 7, &read, &err), AP_OK);
      for (size_t j = 0; j < n && kind == 1; j++) assert_true(read[j] == 0);
      ap_free(read);
      read = NULL;
      assert_int_equal(ap_codes_read("w", bytes, n_bytes - 1, channels, n, 7, &read, &err),
                       AP_ERR_FORMAT);
      assert_null(read);
      assert_int_equal(ap_codes_read("w", bytes, n_bytes, channels, n * 64, 7, &read, &err),
                       AP_ERR_FORMAT); /* more than the bytes can hold */
      if (kind == 0 && n > 10000)
        assert_int_equal(ap_codes_read("w", bytes, n_bytes, channels, n, 3, &read, &err),
                         AP_ERR_FORMAT); /* codes of 7 bits are none of 3 */
      ap_free(bytes);
      ap_free(values);
    }
  }
}

static void test_save_refusals(void **state) {
  ap_network *net = every_kind();
  json_t *number = json_integer(1);
  ap_error err;
  const char *path = scratch_path("model.apm");
  (void)state;
  assert_int_equal(ap_model_save(path, net, number, AP_STORE_FLOAT32, true, &err), AP_ERR_ARG);
  net->nodes[net->n_nodes - 1].weight[2] = NAN;
  assert_int_equal(ap_model_save(path, net, NULL, AP_STORE_FLOAT32, true, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "fc: weight 2 is"));
  assert_int_equal(ap_model_save(path, net, NULL, AP_STORE_FLOAT16, true, &err), AP_ERR_ARG);
  net->nodes[net->n_nodes - 1].weight[2] = 0.0f;
  net->std[2] = 0.0f;
  assert_int_equal(ap_model_save(path, net, NULL, AP_STORE_FLOAT32, true, &err), AP_ERR_ARG);
  net->std[2] = 1.0f;
  assert_int_equal(scratch_count(), 0); /* nothing was left behind */
  save("model.apm", net, NULL, AP_STORE_FLOAT32);
  assert_int_equal(ap_model_save(path, net, NULL, AP_STORE_FLOAT32, false, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "--force"));
  assert_int_equal(
      ap_model_save(scratch_path("no/model"), net, NULL, AP_STORE_FLOAT32, false, &err), AP_ERR_IO);
  json_decref(number);
  ap_network_destroy(net);
}

static void test_find(void **state) {
  ap_network *net = NULL;
  char *path = NULL, *before = getcwd(NULL, 0);
  ap_error err;
  (void)state;
  assert_int_equal(ap_model_load("", &net, NULL, &err), AP_ERR_ARG);
  assert_int_equal(ap_model_load("no-such-model", &net, NULL, &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "results/models/no-such-model.apm"));
  assert_int_equal(ap_model_load("./no-such-model", &net, NULL, &err), AP_ERR_IO);
  assert_int_equal(chdir(scratch), 0);
  assert_int_equal(mkdir("results", 0700), 0);
  assert_int_equal(mkdir("results/models", 0700), 0);
  net = every_kind();
  assert_int_equal(
      ap_model_save("results/models/tiny:0.5_x.apm", net, NULL, AP_STORE_FLOAT32, false, &err),
      AP_OK);
  ap_network_destroy(net);
  assert_int_equal(ap_model_find("tiny:0.5_x", &path, &err), AP_OK);
  assert_string_equal(path, "results/models/tiny:0.5_x.apm");
  ap_free(path);
  net = load("tiny:0.5_x", NULL);
  ap_network_destroy(net);
  assert_int_equal(unlink("results/models/tiny:0.5_x.apm"), 0);
  assert_int_equal(rmdir("results/models"), 0);
  assert_int_equal(rmdir("results"), 0);
  assert_int_equal(chdir(before), 0);
  free(before);
}

/* ---- headers made by hand: checksums are right, so only the checks of the content refuse ---- */

#define CONV                                                                          \
  "{\"kind\":\"conv\",\"name\":\"c\",\"inputs\":[0],\"channels\":1,\"kernel\":[1,1]," \
  "\"stride\":[1,1],\"padding\":[0,0,0,0],\"groups\":1}"
#define TENSOR "{\"node\":1,\"role\":\"weight\",\"type\":\"float32\",\"offset\":0,\"count\":1}"
#define BIAS "{\"node\":1,\"role\":\"bias\",\"type\":\"float32\",\"offset\":4,\"count\":1}"
#define NORM "\"mean\":[0,0,0,0],\"std\":[1,1,1,1]"
#define HEADER(nodes, tensors) \
  "{\"name\":\"n\",\"input\":[1,1,1]," NORM ",\"nodes\":[" nodes "],\"tensors\":[" tensors "]}"

static void test_by_hand(void **state) {
  const float body[2] = {2.5f, -1.0f};
  const char *header = HEADER(CONV, TENSOR "," BIAS);
  (void)state;
  write_model("hand.apm", header, strlen(header), body, sizeof body);
  ap_network *net = load(scratch_path("hand.apm"), NULL);
  assert_int_equal(net->n_nodes, 2);
  assert_string_equal(net->nodes[1].name, "c");
  assert_true(net->nodes[1].weight[0] == 2.5f && net->nodes[1].bias[0] == -1.0f);
  ap_network_destroy(net);
  header = HEADER(CONV, TENSOR);
  write_model("hand.apm", header, strlen(header), body, 4);
  net = load(scratch_path("hand.apm"), NULL);
  assert_null(net->nodes[1].bias);
  ap_network_destroy(net);
}

static void test_header_refusals(void **state) {
  static const struct {
    const char *header, *text;
  } cases[] = {
      {"", "not valid JSON"},
      {"{", "not valid JSON"},
      {"[]", "an object"},
      {HEADER(CONV, TENSOR) " x", "not valid JSON"},
      {"{\"name\":\"n\",\"name\":\"n\"}", "not valid JSON"},
      {HEADER("", ""), "no nodes"},
      {HEADER(CONV, ""), "tensors[0]"},
      {HEADER(CONV, TENSOR "," TENSOR), "tensors[1] belongs to no node"},
      {HEADER(CONV, BIAS), "role \"bias\", expected \"weight\""},
      {HEADER(CONV, TENSOR "," BIAS), "tensors[1]: 1 values of 4 bytes at offset 4"},
      {HEADER("{\"kind\":\"relu\",\"name\":\"r\",\"inputs\":[0]}", TENSOR), "tensors[0] belongs"},
      {HEADER("{\"kind\":\"relu\",\"name\":\"r\",\"inputs\":[1]}", ""),
       "nodes[0]: r: input 0 is node 1"},
      {HEADER("{\"kind\":\"relu\",\"name\":\"r\",\"inputs\":[-1]}", ""), "element 0 of \"inputs\""},
      {HEADER("{\"kind\":\"relu\",\"name\":\"r\",\"inputs\":[0.5]}", ""),
       "element 0 of \"inputs\""},
      {HEADER("{\"kind\":\"relu\",\"name\":\"r\",\"inputs\":0}", ""), "inputs"},
      {HEADER("{\"kind\":\"relu\",\"name\":\"r\",\"inputs\":[]}", ""), "0 inputs"},
      {HEADER("{\"kind\":\"relu\",\"name\":\"\",\"inputs\":[0]}", ""), "no name"},
      {HEADER("{\"kind\":\"relu\",\"name\":\"input\",\"inputs\":[0]}", ""), "both named"},
      {HEADER("{\"kind\":\"relu\",\"name\":1,\"inputs\":[0]}", ""), "name"},
      {HEADER("{\"kind\":\"relu\",\"inputs\":[0]}", ""), "\"name\" is missing"},
      {HEADER("{\"kind\":\"relu\",\"name\":\"r\",\"inputs\":[0],\"ceiling\":0}", ""), "ceiling"},
      {HEADER("{\"kind\":\"relu\",\"name\":\"r\",\"inputs\":[0],\"ceiling\":1e-60}", ""),
       "ceiling"},
      {HEADER("{\"kind\":\"tanh\",\"name\":\"r\",\"inputs\":[0]}", ""),
       "unknown node kind \"tanh\""},
      {HEADER("{\"kind\":\"input\",\"name\":\"r\",\"inputs\":[0]}", ""), "unknown node kind"},
      {HEADER("1", ""), "nodes[0]"},
      {HEADER(
           "{\"kind\":\"avgpool\",\"name\":\"p\",\"inputs\":[0],\"kernel\":[1,1],\"stride\":[1,1],"
           "\"padding\":[0,0,0,0]}",
           ""),
       "count_padding"},
      {HEADER("{\"kind\":\"maxpool\",\"name\":\"p\",\"inputs\":[0],\"kernel\":[1],\"stride\":[1,1],"
              "\"padding\":[0,0,0,0]}",
              ""),
       "\"kernel\" has 1 elements"},
      {HEADER(
           "{\"kind\":\"maxpool\",\"name\":\"p\",\"inputs\":[0],\"kernel\":[2,2],\"stride\":[1,1],"
           "\"padding\":[0,0,0,0]}",
           ""),
       "does not fit"},
      /* sizes that must be refused before memory is asked for */
      {HEADER("{\"kind\":\"linear\",\"name\":\"f\",\"inputs\":[0],\"channels\":2147483647}",
              "{\"node\":1,\"role\":\"weight\",\"type\":\"float32\",\"offset\":0,\"count\":"
              "2147483647}"),
       "tensors[0]: 2147483647 values of 4 bytes"},
      {HEADER("{\"kind\":\"linear\",\"name\":\"f\",\"inputs\":[0],\"channels\":9999999999}", ""),
       "channels"},
      {HEADER(CONV,
              "{\"node\":1,\"role\":\"weight\",\"type\":\"float32\",\"offset\":1,\"count\":1}"),
       "offset"},
      {HEADER(CONV,
              "{\"node\":1,\"role\":\"weight\",\"type\":\"float32\",\"offset\":0,\"count\":2}"),
       "count"},
      {HEADER(CONV,
              "{\"node\":2,\"role\":\"weight\",\"type\":\"float32\",\"offset\":0,\"count\":1}"),
       "node"},
      {HEADER(CONV, "{\"node\":1,\"role\":\"weight\",\"type\":\"int8\",\"offset\":0,\"count\":1}"),
       "member \"bytes\" is missing"},
      {HEADER(CONV,
              "{\"node\":1,\"role\":\"weight\",\"type\":\"int8\",\"offset\":0,\"count\":1,"
              "\"bytes\":5}"),
       "bytes"},
      {HEADER(CONV,
              "{\"node\":1,\"role\":\"weight\",\"type\":\"int8\",\"offset\":0,\"count\":1,"
              "\"bytes\":4}"),
       "4 bytes for 1 scales and 1 codes"},
      {HEADER(CONV, "{\"node\":1,\"role\":\"weight\",\"type\":\"int9\",\"offset\":0,\"count\":1}"),
       "type \"int9\""},
      {HEADER(CONV,
              "{\"node\":1,\"role\":\"weight\",\"type\":\"float16\",\"offset\":0,\"count\":1}"),
       "4 bytes of tensors, expected 2"},
      {"{\"name\":\"n\",\"input\":[1,1]," NORM ",\"nodes\":[" CONV "],\"tensors\":[" TENSOR "]}",
       "input"},
      {"{\"name\":\"n\",\"input\":[9,1,1]," NORM ",\"nodes\":[" CONV "],\"tensors\":[" TENSOR "]}",
       "9 channels"},
      {"{\"name\":\"\",\"input\":[1,1,1]," NORM ",\"nodes\":[" CONV "],\"tensors\":[" TENSOR "]}",
       "name"},
      {"{\"name\":\"n\",\"input\":[1,1,1],\"mean\":[0,0,0],\"std\":[1,1,1,1],\"nodes\":[" CONV
       "],\"tensors\":[" TENSOR "]}",
       "mean"},
      {"{\"name\":\"n\",\"input\":[1,1,1],\"mean\":[0,0,0,1e300],\"std\":[1,1,1,1],\"nodes\":[" CONV
       "],\"tensors\":[" TENSOR "]}",
       "mean"},
      {"{\"name\":\"n\",\"input\":[1,1,1],\"mean\":[0,0,0,0],\"std\":[1,1,0,1],\"nodes\":[" CONV
       "],\"tensors\":[" TENSOR "]}",
       "std"},
      {"{\"name\":\"n\",\"input\":[1,1,1],\"metadata\":1," NORM ",\"nodes\":[" CONV
       "],\"tensors\":[" TENSOR "]}",
       "metadata"},
  };
  const float body[1] = {1.0f};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ap_network *net = NULL;
    json_t *metadata = NULL;
    ap_error err = {0};
    write_model("bad.apm", cases[i].header, strlen(cases[i].header), body, sizeof body);
    ap_status st = ap_model_load(scratch_path("bad.apm"), &net, &metadata, &err);
    if (st != AP_ERR_FORMAT || !strstr(err.text, cases[i].text) || !strstr(err.text, "bad.apm"))
      fail_msg("case %zu: status %d \"%s\" lacks \"%s\"", i, (int)st, err.text, cases[i].text);
    assert_null(net);
    assert_null(metadata);
  }
}

static void test_values_refused(void **state) {
  const char *header = HEADER(CONV, TENSOR);
  const float values[3] = {NAN, INFINITY, -INFINITY};
  ap_network *net = NULL;
  ap_error err;
  (void)state;
  for (int i = 0; i < 3; i++) {
    write_model("bad.apm", header, strlen(header), &values[i], 4);
    assert_int_equal(ap_model_load(scratch_path("bad.apm"), &net, NULL, &err), AP_ERR_FORMAT);
    assert_non_null(strstr(err.text, "nodes[0]: c: weight 0 is"));
  }
  header = "{\"name\":\"n\",\"input\":[1,1,1]," NORM
           ",\"nodes\":[{\"kind\":\"linear\",\"name\":\"f\",\"inputs\":[0],\"channels\":1}],"
           "\"tensors\":["
           "{\"node\":1,\"role\":\"weight\",\"type\":\"float16\",\"offset\":0,\"count\":1}]}";
  write_model("bad.apm", header, strlen(header), "\x00\x7c", 2); /* infinite */
  assert_int_equal(ap_model_load(scratch_path("bad.apm"), &net, NULL, &err), AP_ERR_FORMAT);
}

static void test_memory(void **state) {
  ap_network *net = every_kind(), *loaded = NULL;
  size_t failures = 0;
  ap_error err;
  (void)state;
  for (size_t n = 0;; n++) {
    ap_alloc_fail_after(n);
    ap_status st = ap_model_save(scratch_path("model.apm"), net, NULL, AP_STORE_INT8, true, &err);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) break;
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_int_equal(scratch_count(), 0);
  }
  for (size_t n = 0;; n++, failures++) {
    ap_alloc_fail_after(n);
    ap_status st = ap_model_load(scratch_path("model.apm"), &loaded, NULL, &err);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) break;
    assert_true(st == AP_ERR_MEMORY || n == 0); /* without memory for its path it is not found */
    assert_null(loaded);
  }
  assert_true(failures > 50);
  same_network(loaded, loaded);
  ap_network_destroy(loaded);
  ap_network_destroy(net);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void) {
  const struct CMUnitTest tests[] = {
      EACH(test_round_trip),     EACH(test_folded_round_trip),
      EACH(test_extreme_values), EACH(test_compact),
      EACH(test_integers),       EACH(test_codes),
      EACH(test_save_refusals),  EACH(test_find),
      EACH(test_by_hand),        EACH(test_header_refusals),
      EACH(test_values_refused), EACH(test_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
