/* ONNX files that contradict themselves, end early, reach out of their folder or ask for too much: every refusal has
 * its code and names the file and the place. */
#include <math.h>
#include <sys/stat.h>

#include "tests/nn/onnx_refused.h"

/* Graphs that contradict themselves. */
static void test_graphs(void **state) {
  onnx_model m;
  (void)state;
  model_begin(&m);
  model_node(&m, "Relu", "n", "later", "h", NULL);
  model_node(&m, "Relu", "o", "h", "later", NULL);
  model_head(&m, "h", 3);
  refused(&m, AP_ERR_FORMAT, "node n (Relu): its input later comes from no earlier node");
  model_begin(&m);
  model_node(&m, "Relu", "n", "image", "h", NULL);
  model_node(&m, "Relu", "o", "image", "h", NULL);
  model_head(&m, "h", 3);
  refused(&m, AP_ERR_FORMAT, "two sources of the value h");
  model_begin(&m);
  model_floats(&m, "twenty", INTS(1), (const float[]){20});
  model_node(&m, "GlobalAveragePool", "pool", "image", "p", NULL);
  model_node(&m, "Greater", "n", "p twenty", "y", NULL);
  refused(&m, AP_ERR_UNSUPPORTED, "node n (Greater): the output is a comparison");
  model_begin(&m);
  model_floats(&m, "w", INTS(1), NULL);
  model_floats(&m, "w", INTS(1), NULL);
  model_head(&m, "image", 3);
  refused(&m, AP_ERR_FORMAT, "two sources of the value w");
  model_begin(&m);
  model_value(&m, 11, "second", INTS(0, 3, 8, 8));
  model_head(&m, "image", 3);
  refused(&m, AP_ERR_UNSUPPORTED, "inputs image and second; one is supported");
  model_begin(&m);
  model_value(&m, 12, "image", INTS(0, 3, 8, 8));
  model_head(&m, "image", 3);
  refused(&m, AP_ERR_UNSUPPORTED, "2 outputs (y, ...); one is supported");
  model_begin(&m);
  refused(&m, AP_ERR_FORMAT, "output y comes from no node");
  model_begin(&m);
  model_node(&m, "", "n", "image", "y", NULL);
  refused(&m, AP_ERR_FORMAT, "node 0 (n) has no operator");
  for (int64_t opset = 1; opset < 40; opset++) {
    if (opset >= 7 && opset <= 28) continue;
    model_begin(&m);
    m.opset = opset;
    model_head(&m, "image", 3);
    refused(&m, AP_ERR_UNSUPPORTED, "7 to 28 are supported");
  }
  model_begin(&m);
  model_node(&m, "Softmax", "n", "image", "h", NULL);
  model_head(&m, "h", 3);
  refused(&m, AP_ERR_UNSUPPORTED, "node n (Softmax)");
}

/* Weights of no output, input or pixel. */
static void test_empty_weights(void **state) {
  static const int64_t dims[][4] = {{0, 3, 3, 3}, {4, 0, 3, 3}, {4, 3, 0, 3}};
  (void)state;
  for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
    onnx_model m;
    model_begin(&m);
    model_floats(&m, "w", dims[i], 4, NULL);
    model_node(&m, "Conv", "n", "image w", "h", NULL);
    model_head(&m, "h", 4);
    refused(&m, AP_ERR_FORMAT, "a dimension of 0");
  }
}

/* The default domain in two versions, under either of its names; the same version twice harms nothing. */
static void test_two_opsets(void **state) {
  static const char *const names[] = {"", "ai.onnx"};
  (void)state;
  for (int64_t version = 13; version <= 17; version += 4) {
    for (size_t i = 0; i < 2; i++) {
      onnx_model m;
      wire set = {0};
      ap_network *net = NULL;
      ap_error err = {0};
      model_begin(&m);
      model_head(&m, "image", 3);
      wire_text(&set, 1, names[i]);
      wire_int(&set, 2, version);
      wire_part(&m.props, 8, &set);
      if (version != 13) {
        refused(&m, AP_ERR_FORMAT, "opset_import of the default domain twice: 13 and 17");
        continue;
      }
      assert_int_equal(model_import(&m, &net, &err), AP_OK);
      ap_network_destroy(net);
    }
  }
}

static void refused_image(const int64_t *dims, size_t n, ap_status code, const char *says) {
  onnx_model m = {0};
  model_value(&m, 11, "image", dims, n);
  model_value(&m, 12, "y", INTS(0, 4));
  model_head(&m, "image", 3);
  refused(&m, code, says);
}

static void test_images(void **state) {
  (void)state;
  refused_image(INTS(0, 5, 8, 8), AP_ERR_UNSUPPORTED, "1 to 4 channels");
  refused_image(INTS(0, 3, 0, 8), AP_ERR_UNSUPPORTED, "dimension 2 is not fixed");
  refused_image(INTS(0, 3, -8, 8), AP_ERR_UNSUPPORTED, "dimension 2 is not fixed");
  refused_image(INTS(0, 3, 8), AP_ERR_UNSUPPORTED, "3 dimensions");
  refused_image(INTS(0, 3, 1 << 30, 1 << 30), AP_ERR_FORMAT, "empty or too large");
  refused_image(INTS(0, 3, INT64_MAX, INT64_MAX), AP_ERR_FORMAT, "empty or too large");
  refused_image(INTS(INT64_MAX, 3, 8, 8), AP_ERR_UNSUPPORTED, "a batch of");
  for (int64_t type = 0; type < 24; type++) { /* undefined, text, bool, complex, float8, 4 bits */
    if ((type >= 1 && type <= 7) || (type >= 10 && type <= 13) || type == 16) continue;
    onnx_model m = {0};
    model_typed_value(&m, 11, "image", type, INTS(0, 3, 8, 8));
    model_value(&m, 12, "y", INTS(0, 4));
    model_head(&m, "image", 3);
    refused(&m, AP_ERR_UNSUPPORTED, "input image: element type");
  }
}

/* A tensor "w" of these fields as the weights of a convolution. */
static void refused_tensor(wire t, ap_status code, const char *says) {
  onnx_model m;
  model_begin(&m);
  wire_part(&m.graph, 5, &t);
  model_node(&m, "Conv", "n", "image w", "h", NULL);
  model_head(&m, "h", 3);
  refused(&m, code, says);
}

static wire with_bytes(wire t, size_t n) {
  char zeros[512] = {0};
  wire_block(&t, 9, zeros, n);
  return t;
}

static wire outside(const char *location, const char *offset, const char *length) {
  const char *const keys[] = {"location", "offset", "length"}, *const values[] = {location, offset,
                                                                                  length};
  wire t = tensor_head("w", 1, INTS(3, 3, 1, 1));
  for (size_t i = 0; i < 3; i++) {
    wire entry = {0};
    if (!values[i]) continue;
    wire_text(&entry, 1, keys[i]);
    wire_text(&entry, 2, values[i]);
    wire_part(&t, 13, &entry);
  }
  wire_int(&t, 14, 1);
  return t;
}

static void test_tensors(void **state) {
  const ap_status f = AP_ERR_FORMAT;
  (void)state;
  refused_tensor(with_bytes(tensor_head("w", 1, INTS(3, 3, 1, 1)), 32), f, "tensor w: 9 elements");
  refused_tensor(with_bytes(tensor_head("w", 1, INTS(3, 3, 1, 1)), 40), f, "tensor w: 40 bytes");
  refused_tensor(tensor_head("w", 1, INTS(3, 3, 1, 1)), f, "tensor w: 9 elements, 0 values");
  refused_tensor(with_bytes(tensor_head("w", 1, INTS(-3, 3)), 36), f, "dimension 0 is -3");
  refused_tensor(with_bytes(tensor_head("w", 1, INTS(1 << 20, 1 << 20)), 36), f,
                 "dimension 1 is 1048576: not a size, or too large");
  refused_tensor(with_bytes(tensor_head("w", 1, INTS(INT64_MAX)), 36), f, "not a size");
  refused_tensor(with_bytes(tensor_head("w", 8, INTS(9)), 36), AP_ERR_UNSUPPORTED,
                 "tensor w: element type 8");
  refused_tensor(with_bytes(tensor_head("w", -1, INTS(9)), 36), AP_ERR_UNSUPPORTED,
                 "element type -1");
  refused_tensor(with_bytes(tensor_head("w", 1, INTS(1, 1, 1, 1, 1, 1, 1, 1, 9)), 36),
                 AP_ERR_UNSUPPORTED, "9 dimensions");
  refused_tensor(with_bytes(tensor_head("", 1, INTS(9)), 36), f, "without a name");
  wire nan = tensor_head("w", 1, INTS(3, 3, 1, 1));
  const float values[9] = {0, 1, NAN};
  wire_block(&nan, 9, values, sizeof values);
  refused_tensor(nan, f, "node n (Conv): n: weight 2 is ");
}

static void test_outside(void **state) {
  static const char *const escapes[] = {"../secret", "/etc/passwd",  "a/../../b", "..",
                                        "./x",       "a//b",         "",          "link",
                                        "a\\b",      "folder/../out"};
  float values[20];
  ap_network *net = NULL;
  ap_error err;
  onnx_model m;
  (void)state;
  for (size_t i = 0; i < 20; i++) values[i] = (float)i;
  scratch_write("out", values, sizeof values);
  (void)unlink(scratch_path("link"));
  assert_int_equal(symlink("/etc/passwd", scratch_path("link")), 0);
  for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++)
    refused_tensor(outside(escapes[i], NULL, NULL), AP_ERR_FORMAT,
                   "a relative path within the model's folder expected");
  refused_tensor(outside(NULL, NULL, NULL), AP_ERR_FORMAT, "without a location");
  refused_tensor(outside("absent", NULL, NULL), AP_ERR_IO, "No such file");
  refused_tensor(outside("out", "48", NULL), AP_ERR_FORMAT, "36 bytes at 48, the file has 80");
  refused_tensor(outside("out", "-8", NULL), AP_ERR_FORMAT, "offset is \"-8\"");
  refused_tensor(outside("out", "9223372036854775807", NULL), AP_ERR_FORMAT, "the file has 80");
  refused_tensor(outside("out", "99999999999999999999", NULL), AP_ERR_FORMAT, "offset is");
  refused_tensor(outside("out", "1e3", NULL), AP_ERR_FORMAT, "offset is \"1e3\"");
  refused_tensor(outside("out", NULL, "35"), AP_ERR_FORMAT, "external data of 35 bytes");
  model_begin(&m);
  wire t = outside("out", "40", "36");
  wire_part(&m.graph, 5, &t);
  model_node(&m, "Conv", "n", "image w", "h", NULL);
  model_head(&m, "h", 3);
  if (model_import(&m, &net, &err)) fail_msg("%s", err.text);
  for (size_t i = 0; i < 9; i++) assert_true(net->nodes[1].weight[i] == (float)(10 + i));
  ap_network_destroy(net);
}

/* Small files that ask for much memory or many steps. */
static void test_bombs(void **state) {
  onnx_model m;
  wire a = {0}, nested = {0};
  (void)state;
  model_begin(&m);
  model_ints(&m, "huge", INTS(1 << 15, 1 << 15));
  model_node(&m, "ConstantOfShape", "n", "huge", "h", NULL);
  model_node(&m, "Add", "o", "image h", "x", NULL);
  model_head(&m, "x", 3);
  refused(&m, AP_ERR_UNSUPPORTED, "node n (ConstantOfShape): a computed constant of more than");
  model_begin(&m);
  model_floats(&m, "a", INTS(1 << 12, 1), NULL);
  model_floats(&m, "b", INTS(1, 1 << 12), NULL);
  model_node(&m, "Mul", "n", "a b", "h", NULL);
  model_node(&m, "Add", "o", "image h", "x", NULL);
  model_head(&m, "x", 3);
  refused(&m, AP_ERR_UNSUPPORTED, "node n (Mul): a computed constant of more than");
  model_begin(&m); /* each of 4 MiB elements, until all together are too many */
  model_ints(&m, "large", INTS(1 << 22));
  for (int i = 0; i < 8; i++) {
    char name[16], in[16], out[40];
    (void)snprintf(name, sizeof name, "n%d", i);
    (void)snprintf(in, sizeof in, "%s", "large");
    (void)snprintf(out, sizeof out, "h%d", i);
    model_node(&m, "ConstantOfShape", name, in, out, NULL);
  }
  model_node(&m, "Concat", "o", "h0 h1 h2 h3 h4 h5 h6 h7", "h", NULL);
  model_node(&m, "Add", "p", "image h", "x", NULL);
  model_head(&m, "x", 3);
  refused(&m, AP_ERR_UNSUPPORTED, "elements of computed constants");
  model_begin(&m); /* channels that are picked over and over */
  model_ints(&m, "large", INTS(1 << 22));
  model_node(&m, "ConstantOfShape", "o", "large", "zeros", NULL);
  a = int_of("to", 7);
  model_node(&m, "Cast", "p", "zeros", "list", &a);
  model_node(&m, "Identity", "q", "image", "h0", NULL);
  for (int i = 0; i < 5; i++) {
    char name[16], in[24], out[16];
    (void)snprintf(name, sizeof name, "n%d", i);
    (void)snprintf(in, sizeof in, "h%d list", i);
    (void)snprintf(out, sizeof out, "h%d", i + 1);
    a = int_of("axis", 1);
    model_node(&m, "Gather", name, in, out, &a);
  }
  model_head(&m, "h5", 3);
  refused(&m, AP_ERR_UNSUPPORTED, "node n4 (Gather): more than 16777216 channels are picked");
  model_begin(&m);
  a = ints_of("pads", INTS(INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX));
  model_floats(&m, "w", INTS(3, 3, 3, 3), NULL);
  model_node(&m, "Conv", "n", "image w", "h", &a);
  model_head(&m, "h", 3);
  refused(&m, AP_ERR_FORMAT, "node n (Conv)");
  for (unsigned i = 0; i < 9000; i++) { /* a graph in an attribute of a node in a graph ... */
    static const unsigned fields[] = {6, 5, 1};
    wire outer = {0};
    wire_part(&outer, fields[i % 3], &nested);
    nested = outer;
  }
  model_begin(&m);
  wire_raw(&m.graph, nested.bytes, nested.n);
  free(nested.bytes);
  model_head(&m, "image", 3);
  refused(&m, AP_ERR_FORMAT, "nested too deeply");
}

static void test_files(void **state) {
  ap_network *net = NULL;
  ap_error err;
  (void)state;
  assert_int_equal(ap_onnx_import(scratch_path("none.onnx"), &net, NULL, &err), AP_ERR_IO);
  scratch_write("empty.onnx", "", 0);
  assert_int_equal(ap_onnx_import(scratch_path("empty.onnx"), &net, NULL, &err), AP_ERR_FORMAT);
  assert_non_null(strstr(err.text, "no graph"));
  scratch_write("text.onnx", "hello, world", 12);
  assert_int_equal(ap_onnx_import(scratch_path("text.onnx"), &net, NULL, &err), AP_ERR_FORMAT);
  assert_non_null(strstr(err.text, "text.onnx: byte"));
  assert_null(net);
  assert_true(ap_onnx_is_name("a.onnx") && ap_onnx_is_name("A.ONNX"));
  assert_false(ap_onnx_is_name(".onnx") || ap_onnx_is_name("onnx") ||
               ap_onnx_is_name("a.onnx.apm"));
}

int main(void) {
  SKIP_WITHOUT_ONNX();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_graphs),        cmocka_unit_test(test_two_opsets),
      cmocka_unit_test(test_empty_weights), cmocka_unit_test(test_images),
      cmocka_unit_test(test_tensors),       cmocka_unit_test(test_outside),
      cmocka_unit_test(test_bombs),         cmocka_unit_test(test_files),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
