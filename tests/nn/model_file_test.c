/* Model files: round trips, compact files, shipped names, and every refusal of the header. */
#include <math.h>
#include <sys/stat.h>

#include "tests/nn/model_testing.h"

static ap_network *load(const char *path, json_t **metadata) {
  ap_network *net = NULL;
  ap_error err;
  if (ap_model_load(path, &net, metadata, &err)) fail_msg("%s", err.text);
  return net;
}

static void save(const char *name, const ap_network *net, const json_t *metadata, bool compact) {
  ap_error err;
  if (ap_model_save(scratch_path(name), net, metadata, compact, true, &err))
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
  save("model.apm", net, metadata, false);
  ap_network *loaded = load(scratch_path("model.apm"), &back);
  same_network(net, loaded);
  assert_int_equal(loaded->classes, 3);
  assert_true(json_equal(metadata, back));
  json_decref(back);
  ap_network_destroy(loaded);
  save("model.apm", net, NULL, false);
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
  save("folded.apm", folded, NULL, false);
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
  save("model.apm", net, NULL, false);
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
  save("full.apm", net, NULL, false);
  save("compact.apm", net, NULL, true);
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
  save("again.apm", loaded, NULL, true); /* what fits float16 is kept */
  ap_network *again = load(scratch_path("again.apm"), NULL);
  same_network(loaded, again);
  ap_network_destroy(again);
  ap_network_destroy(loaded);
  net->nodes[1].weight[3] = 65520.0f;
  assert_int_equal(ap_model_save(scratch_path("full.apm"), net, NULL, true, true, &err),
                   AP_ERR_ARG);
  assert_non_null(strstr(err.text, "conv: weight 3 is 65520"));
  loaded = load(scratch_path("full.apm"), NULL); /* the old file is still there */
  ap_network_destroy(loaded);
  net->nodes[1].weight[3] = 65519.0f;
  save("full.apm", net, NULL, true);
  ap_network_destroy(net);
}

static void test_save_refusals(void **state) {
  ap_network *net = every_kind();
  json_t *number = json_integer(1);
  ap_error err;
  const char *path = scratch_path("model.apm");
  (void)state;
  assert_int_equal(ap_model_save(path, net, number, false, true, &err), AP_ERR_ARG);
  net->nodes[net->n_nodes - 1].weight[2] = NAN;
  assert_int_equal(ap_model_save(path, net, NULL, false, true, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "fc: weight 2 is"));
  assert_int_equal(ap_model_save(path, net, NULL, true, true, &err), AP_ERR_ARG);
  net->nodes[net->n_nodes - 1].weight[2] = 0.0f;
  net->std[2] = 0.0f;
  assert_int_equal(ap_model_save(path, net, NULL, false, true, &err), AP_ERR_ARG);
  net->std[2] = 1.0f;
  assert_int_equal(scratch_count(), 0); /* nothing was left behind */
  save("model.apm", net, NULL, false);
  assert_int_equal(ap_model_save(path, net, NULL, false, false, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "--force"));
  assert_int_equal(ap_model_save(scratch_path("no/model"), net, NULL, false, false, &err),
                   AP_ERR_IO);
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
  assert_int_equal(ap_model_save("results/models/tiny:0.5_x.apm", net, NULL, false, false, &err),
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
       "type \"int8\""},
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
    ap_status st = ap_model_save(scratch_path("model.apm"), net, NULL, true, true, &err);
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
      EACH(test_round_trip), EACH(test_folded_round_trip), EACH(test_extreme_values),
      EACH(test_compact),    EACH(test_save_refusals),     EACH(test_find),
      EACH(test_by_hand),    EACH(test_header_refusals),   EACH(test_values_refused),
      EACH(test_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
