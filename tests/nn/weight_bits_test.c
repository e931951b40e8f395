/* The text that gives layers their weight bits, and where the bits go from there: copies, folded networks,
 * model files, the network's hash. */
#include "nn/model_file.h"
#include "tests/nn/train_testing.h"

enum { LAYERS = 32 };

static ap_network *resnet(void) {
  ap_network *net = NULL;
  must(ap_network_builtin("resnet8", (ap_shape3){1, SIDE, SIDE}, 10, 3, &net, &failure));
  return net;
}

/* Bits of the layers as digits, '.' for none: "8.44". */
static void expect(const ap_network *net, const char *digits) {
  ap_layer_info info[LAYERS];
  size_t n = ap_network_layers(net, info, LAYERS);
  char text[LAYERS + 1];
  for (size_t i = 0; i < n; i++) {
    text[i] = info[i].weight_bits ? (char)('0' + info[i].weight_bits) : '.';
    assert_int_equal(info[i].weight_bits, net->nodes[info[i].node].weight_bits);
  }
  text[n] = 0;
  assert_string_equal(text, digits);
}

static void refuse(ap_network *net, const char *text, const char *why) {
  char before[65], after[65];
  must(ap_network_hash(net, before, &failure));
  assert_int_equal(ap_network_set_weight_bits(net, text, &failure), AP_ERR_ARG);
  if (!strstr(failure.text, why)) fail_msg("\"%s\" does not say: %s", failure.text, why);
  must(ap_network_hash(net, after, &failure));
  assert_string_equal(before, after);
}

static void texts(void **state) {
  ap_network *net = resnet();
  ap_layer_info info[LAYERS];
  size_t n = ap_network_layers(net, info, LAYERS);
  char text[200], bits[LAYERS + 1];
  (void)state;
  memset(bits, '.', n);
  bits[n] = 0;
  expect(net, bits);
  must(ap_network_set_weight_bits(net, "4", &failure));
  memset(bits, '4', n);
  expect(net, bits);
  (void)snprintf(text, sizeof text, "%s=8", info[0].name); /* of the others nothing is said */
  must(ap_network_set_weight_bits(net, text, &failure));
  bits[0] = '8';
  expect(net, bits);
  (void)snprintf(text, sizeof text, "6,%s=7,%s=2,%s=3", info[1].name, info[n - 1].name,
                 info[1].name);
  must(ap_network_set_weight_bits(net, text, &failure)); /* later items hold */
  memset(bits, '6', n);
  bits[1] = '3';
  bits[n - 1] = '2';
  expect(net, bits);
  must(ap_network_set_weight_bits(net, "*=5", &failure));
  memset(bits, '5', n);
  expect(net, bits);
  refuse(net, "", "BITS or LAYER=BITS");
  refuse(net, "4,", "BITS or LAYER=BITS");
  refuse(net, ",4", "BITS or LAYER=BITS");
  refuse(net, "1", "\"1\" is no number of 2 to 16");
  refuse(net, "17", "\"17\" is no number");
  refuse(net, "4,nosuch=8", "no layer is called \"nosuch\"");
  refuse(net, "4,nosuch=8", info[0].name);
  refuse(net, "*=", "\"\" is no number");
  refuse(net, "*=four", "\"four\" is no number");
  refuse(net, "=4", "no layer is called \"\"");
  refuse(net, "*=+4", "\"+4\" is no number");
  ap_network_destroy(net);
}

/* Any bytes are taken or refused, never more than that. */
static void noise(void **state) {
  ap_network *net = resnet();
  ap_rng rng;
  size_t taken = 0;
  (void)state;
  ap_rng_seed(&rng, 77, 0);
  for (size_t i = 0; i < 20000; i++) {
    static const char letters[] = "0123456789,,,===*?[]-convfc.";
    char text[300];
    size_t length = ap_rng_below(&rng, i % 50 ? 12 : sizeof text);
    for (size_t j = 0; j < length; j++) {
      text[j] = letters[ap_rng_below(&rng, sizeof letters - 1)];
    }
    text[length] = 0;
    taken += ap_network_set_weight_bits(net, text, &failure) == AP_OK;
  }
  assert_true(taken > 10);
  ap_network_destroy(net);
}

static void bits_are_part_of_the_network(void **state) {
  ap_network *net = resnet(), *folded = NULL, *copy = NULL, *back = NULL;
  char plain[65], with[65], again[65];
  ap_layer_info info[LAYERS];
  size_t n = ap_network_layers(net, info, LAYERS), index;
  (void)state;
  must(ap_network_hash(net, plain, &failure));
  must(ap_network_set_weight_bits(net, "4", &failure));
  net->nodes[info[n - 1].node].weight_bits = 8;
  must(ap_network_hash(net, with, &failure));
  assert_string_not_equal(plain, with);
  must(ap_network_copy(net, &copy, &failure));
  must(ap_network_fold(net, &folded, &failure));
  must(ap_model_save(scratch_path("m.apm"), net, NULL, AP_STORE_FLOAT32, true, &failure));
  must(ap_model_load(scratch_path("m.apm"), &back, NULL, &failure));
  must(ap_network_hash(back, again, &failure));
  assert_string_equal(with, again);
  for (size_t i = 0; i < n; i++) {
    ap_layer_info a[LAYERS], b[LAYERS];
    (void)ap_network_layers(copy, a, LAYERS);
    (void)ap_network_layers(folded, b, LAYERS);
    assert_int_equal(a[i].weight_bits, i + 1 < n ? 4 : 8);
    assert_int_equal(b[i].weight_bits, i + 1 < n ? 4 : 8);
  }
  { /* nodes that have none, and numbers that are none */
    char name[] = "extra";
    size_t last = net->n_nodes - 1;
    ap_node node = {
        .kind = AP_NODE_RELU, .name = name, .inputs = &last, .n_inputs = 1, .weight_bits = 4};
    assert_int_equal(ap_network_append(net, &node, &index, &failure), AP_ERR_ARG);
    assert_non_null(strstr(failure.text, "no layer"));
    node = (ap_node){.kind = AP_NODE_LINEAR,
                     .name = name,
                     .inputs = &last,
                     .n_inputs = 1,
                     .shape.c = 10,
                     .weight_bits = 17};
    assert_int_equal(ap_network_append(net, &node, &index, &failure), AP_ERR_ARG);
    assert_non_null(strstr(failure.text, "want 2 to 16"));
  }
  ap_network_destroy(back);
  ap_network_destroy(folded);
  ap_network_destroy(copy);
  ap_network_destroy(net);
  assert_int_equal(unlink(scratch_path("m.apm")), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(texts), cmocka_unit_test(noise),
                                     cmocka_unit_test(bits_are_part_of_the_network)};
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
