/* What an ONNX file may not hold: every refusal has its code and names the file and the node. */
#include <math.h>
#include <sys/stat.h>

#include "tests/nn/onnx_writer.h"

static void refused(onnx_model *m, ap_status code, const char *says) {
  ap_network *net = NULL;
  ap_error err = {0};
  ap_status st = model_import(m, &net, &err);
  if (st != code || net || !strstr(err.text, says) || !strstr(err.text, "case.onnx"))
    fail_msg("%s expected with \"%s\", got %s: %s", ap_status_name(code), says, ap_status_name(st),
             err.text);
}

/* One node "n" of the operator on image -> h, then the head. */
static void refused_node(const char *op, wire *attrs, const char *inputs, ap_status code,
                         const char *says) {
  onnx_model m;
  model_begin(&m);
  model_floats(&m, "w", INTS(3, 3, 3, 3), NULL);
  model_floats(&m, "v3", INTS(3), NULL);
  model_floats(&m, "v4", INTS(4), NULL);
  model_floats(&m, "one", INTS(1), (const float[]){1});
  model_floats(&m, "seventeen", INTS(1), (const float[]){17});
  model_floats(&m, "matrix", INTS(3, 4), NULL);
  model_floats(&m, "full", INTS(3, 8, 8), NULL);
  model_ints(&m, "shape", INTS(0, 6, -1));
  model_ints(&m, "pads", INTS(0, 0, 1, 1, 0, 0, 1, 1));
  model_ints(&m, "two", INTS(1, 1));
  model_floats(&m, "nan", INTS(1), (const float[]){NAN});
  model_floats(&m, "lowest", INTS(1), (const float[]){-INFINITY});
  model_ints(&m, "i0", INTS(0));
  model_ints(&m, "i1", INTS(1));
  model_ints(&m, "i4", INTS(4));
  model_ints(&m, "i2", INTS(2));
  model_node(&m, "Relu", "first", "image", "r", NULL);
  model_node(&m, op, "n", inputs, "h", attrs);
  model_head(&m, "h", 3);
  refused(&m, code, says);
}

static wire ints_of(const char *name, const int64_t *values, size_t n) {
  wire attrs = {0};
  attr_ints(&attrs, name, values, n);
  return attrs;
}

static wire int_of(const char *name, int64_t value) {
  wire attrs = {0};
  attr_int(&attrs, name, value);
  return attrs;
}

static wire text_of(const char *name, const char *value) {
  wire attrs = {0};
  attr_text(&attrs, name, value);
  return attrs;
}

static void test_operators(void **state) {
  const ap_status u = AP_ERR_UNSUPPORTED, f = AP_ERR_FORMAT;
  wire a = {0};
  (void)state;
  refused_node("Sin", NULL, "r", u,
               "node n: operator Sin is not supported on the image; "
               "supported are Abs Add ArgMax AveragePool");
  refused_node("Div", NULL, "r r", u, "node n (Div): of two inputs that depend on the image");
  refused_node("ArgMax", NULL, "r", u, "node n (ArgMax): over the class scores [N, classes]");
  refused_node("Where", NULL, "r r r", u, "node n (Where): Where(x > a, x, Softplus(x))");
  refused_node("Where", NULL, "r r", f, "node n (Where): three inputs");
  refused_node("Greater", NULL, "r one", u, "it follows n, a comparison");
  refused_node("Greater", NULL, "r v3", u, "node n (Greater): a constant of 3 values");
  refused_node("Add", NULL, "r full", u, "node n (Add): a constant of 192 values");
  refused_node("Add", NULL, "r v4", u, "node n (Add): a constant of 4 values");
  refused_node("Add", NULL, "r", f, "node n (Add): two inputs");
  refused_node("Div", NULL, "one r", u, "node n (Div): a constant divided by the image");
  refused_node("Conv", NULL, "r", f, "node n (Conv): its weights is missing");
  refused_node("Conv", NULL, "r r", u, "node n (Conv): its weights depends on the image");
  refused_node("Conv", NULL, "r v3", u, "node n (Conv): weights of 1 dimensions");
  refused_node("Conv", NULL, "r w v4", f, "the bias 4 values");
  a = ints_of("dilations", INTS(2, 2));
  attr_ints(&a, "kernel_shape", INTS(2, 2));
  refused_node("MaxPool", &a, "r", u, "node n (MaxPool): dilations 2, 2; 1 is supported, others");
  a = ints_of("dilations", INTS(2147483647, 1));
  refused_node("Conv", &a, "r w", f, "node n (Conv): a kernel of 3 in steps of 2147483647");
  a = ints_of("dilations", INTS(4, 1));
  refused_node("Conv", &a, "r w", f, "node n (Conv): n: a 3 x 3 window does not fit");
  a = int_of("group", 2);
  refused_node("Conv", &a, "r w", f, "node n (Conv): weights for 2 groups of 3 channels");
  a = int_of("group", 0);
  refused_node("Conv", &a, "r w", u, "node n (Conv): attribute group is 0");
  a = text_of("group", "1");
  refused_node("Conv", &a, "r w", f, "node n (Conv): attribute group is not an integer");
  a = int_of("grouped", 1);
  refused_node("Conv", &a, "r w", u, "attribute grouped is not supported");
  a = ints_of("pads", INTS(0, 0, -1, 0));
  refused_node("Conv", &a, "r w", u, "node n (Conv): pads of 4 numbers, or negative");
  a = ints_of("strides", INTS(0, 1));
  refused_node("Conv", &a, "r w", f, "strides");
  a = ints_of("kernel_shape", INTS(5, 3));
  refused_node("Conv", &a, "r w", f, "kernel_shape is missing or differs");
  a = text_of("auto_pad", "SAME");
  refused_node("Conv", &a, "r w", f, "auto_pad is \"SAME\"");
  a = ints_of("kernel_shape", INTS(9, 9));
  refused_node("MaxPool", &a, "r", f, "does not fit");
  refused_node("MaxPool", NULL, "r", f, "kernel_shape is missing");
  refused_node("Pad", NULL, "image pads one", u, "node n (Pad): a value of 1; 0 is supported");
  a = text_of("mode", "reflect");
  refused_node("Pad", &a, "r pads", u, "node n (Pad): mode reflect; constant is supported");
  refused_node("Pad", NULL, "r pads nan", u, "node n (Pad): a value of nan");
  refused_node("Pad", NULL, "r shape - i1", f, "node n (Pad): pads of 3 numbers for 1 dimensions");
  refused_node("Pad", NULL, "r two - i4", f, "node n (Pad): axis 4 of a tensor of 4");
  refused_node("Pad", NULL, "r two lowest i1", u, "node n (Pad): dimension 1 is neither");
  refused_node("Pad", NULL, "r two lowest i2", u, "it follows n, which pads with minus infinity");
  refused_node("Slice", NULL, "r i1 i4 i2", u, "node n (Slice): from 1 in steps of 1, 3 of 8");
  refused_node("Slice", NULL, "r i2 i2 i1", u, "node n (Slice): it takes no channels");
  refused_node("Slice", NULL, "r r i2 i1", u, "its starts depend on the image");
  refused_node("Reshape", NULL, "r shape", u, "node n (Reshape): it cuts height, width");
  refused_node("Reshape", NULL, "r i4", f, "node n (Reshape): 192 values cannot");
  a = ints_of("perm", INTS(1, 0, 2, 3));
  refused_node("Transpose", &a, "r", u, "node n (Transpose): it moves images of the batch");
  a = ints_of("perm", INTS(0, 1, 2, 2));
  refused_node("Transpose", &a, "r", f, "axis 2 twice");
  a = ints_of("perm", INTS(0, 2, 3, 1));
  refused_node("Transpose", &a, "r", u, "node head.pool (GlobalAveragePool)");
  refused_node("Softmax", NULL, "r", u, "node n (Softmax): over axis 3 of an image");
  a = ints_of("axes", INTS(1));
  refused_node("ReduceMean", &a, "r", u,
               "node n (ReduceMean): over axis 1; the mean over height and width");
  a = ints_of("axes", INTS(3, -3));
  refused_node("ReduceMax", &a, "r", u, "node n (ReduceMax): over axis 1; the maximum over height");
  refused_node("ReduceMean", NULL, "r", u, "node n (ReduceMean): over all of the batch");
  a = ints_of("axes", INTS(0, 2, 3));
  refused_node("ReduceMean", &a, "r", u, "node n (ReduceMean): over all of the batch");
  refused_node("MatMul", NULL, "r matrix", f, "node n (MatMul): weights for 3 inputs, there are 8");
  a = int_of("transA", 1);
  refused_node("Gemm", &a, "r matrix", u, "node n (Gemm): attribute transA is 1");
  refused_node("Gemm", NULL, "r matrix", f, "node n (Gemm): matrices of 4 and 2 dimensions");
  refused_node("BatchNormalization", NULL, "r v3 v3 v3 v4", f,
               "node n (BatchNormalization): variance of 4 values for 3 channels");
  refused_node("Clip", NULL, "r v3", f, "node n (Clip): its min is not one number");
  refused_node("Clip", NULL, "r seventeen", u, "node n (Clip): bounds 17 and inf");
  refused_node("Clip", NULL, "r one one", u, "node n (Clip): bounds 1 and 1");
  refused_node("Max", NULL, "r seventeen", u, "node n (Max): bounds 17 and inf");
  refused_node("Max", NULL, "r v3", u, "node n (Max): a constant of 3 values");
  refused_node("Min", NULL, "image seventeen", u, "node n (Min): bounds -inf and 17");
  refused_node("Min", NULL, "r", u, "node n (Min): 1 inputs");
  refused_node("Min", NULL, "r i1", u, "node n (Min): its second input is of integers");
  refused_node("Sum", NULL, "r one", u, "node n (Sum): its input 1 is a constant");
  refused_node("Sum", NULL, "r -", f, "node n (Sum): input 1 is missing");
  a = int_of("to", 7);
  refused_node("Cast", &a, "r", u, "node n (Cast): a cast to element type 7");
  a = int_of("axis", 2);
  refused_node("Concat", &a, "r r", u, "node n (Concat): axis 2 is not the channels");
  refused_node("Relu", NULL, "v3", u, "node n (Relu): an operator that is not computed");
}

static wire float_of(const char *name, float value) {
  wire attrs = {0};
  attr_float(&attrs, name, value);
  return attrs;
}

/* Channels by number: on the channels alone, with constants. */
static void test_channels(void **state) {
  const ap_status u = AP_ERR_UNSUPPORTED, f = AP_ERR_FORMAT;
  wire a = {0};
  (void)state;
  refused_node("Gather", NULL, "r i0", u, "node n (Gather): of dimension 0; lists of channels");
  a = int_of("axis", 2);
  refused_node("Gather", &a, "r two", u, "node n (Gather): of dimension 2; lists of channels");
  a = int_of("axis", 1);
  refused_node("Gather", &a, "r r", u, "node n (Gather): its indices depend on the image");
  a = int_of("axis", 1);
  refused_node("Gather", &a, "r", u, "node n (Gather): its indices depend on the image, or are");
  a = int_of("axis", 1);
  refused_node("Gather", &a, "r one", u, "node n (Gather): its indices are no list of integers");
  a = int_of("axis", 1);
  refused_node("Gather", &a, "r i4", f, "node n (Gather): index 4 of 3");
  a = int_of("axis", 4);
  refused_node("Gather", &a, "r i0", f, "node n (Gather): axis 4 of a tensor of 4");
  refused_node("Gather", NULL, "matrix r", u, "node n (Gather): its input 0 is a constant");
}

/* One node "n" of several outputs, the first of which goes on. */
static void refused_split(wire *attrs, const char *inputs, const char *outputs, int64_t opset,
                          ap_status code, const char *says) {
  onnx_model m;
  model_begin(&m);
  m.opset = opset;
  model_ints(&m, "parts", INTS(1, 2));
  model_ints(&m, "less", INTS(1, 1));
  model_ints(&m, "more", INTS(2, 2));
  model_ints(&m, "minus", INTS(4, -1));
  model_ints(&m, "nothing", INTS(0, 3));
  model_node(&m, "Split", "n", inputs, outputs, attrs);
  model_head(&m, "h", 3);
  refused(&m, code, says);
}

static void test_splits(void **state) {
  const ap_status u = AP_ERR_UNSUPPORTED, f = AP_ERR_FORMAT;
  wire a = int_of("axis", 1);
  (void)state;
  refused_split(&a, "image", "h i", 13, f, "node n (Split): 3 values in 2 equal parts");
  a = int_of("axis", 1);
  refused_split(&a, "image less", "h i", 13, f, "node n (Split): 1 of 3 values are left over");
  a = int_of("axis", 1);
  refused_split(&a, "image more", "h i", 13, f, "node n (Split): part 1 is of 2 of 1 values");
  a = int_of("axis", 1);
  refused_split(&a, "image minus", "h i", 13, f, "node n (Split): part 0 is of 4 of 3");
  a = int_of("axis", 1);
  refused_split(&a, "image parts", "h i j", 13, f, "node n (Split): 3 outputs for 2 parts");
  a = int_of("axis", 1);
  refused_split(&a, "image nothing", "h i", 13, u, "node n (Split): it takes no channels");
  a = int_of("axis", 1);
  attr_int(&a, "num_outputs", 3);
  refused_split(&a, "image", "h i", 18, f, "node n (Split): 2 outputs for 3 parts");
  a = int_of("axis", 1);
  refused_split(&a, "image image", "h i", 13, u, "node n (Split): its split depend on the image");
  a = int_of("axis", 2);
  refused_split(&a, "image", "h i", 13, u,
                "node n (Split): of dimension 2; channels are supported");
  refused_split(NULL, "image", "h i", 13, f, "node n (Split): 1 values in 2 equal parts");
}

/* Two nodes behind a Relu "r" of 3 x 8 x 8: "k" of values that differ from it, then "n" of both. */
static void refused_pair(const char *op, const char *inputs, wire *attrs, const char *product,
                         ap_status code, const char *says) {
  onnx_model m;
  model_begin(&m);
  model_ints(&m, "larger", INTS(1, 3, 9, 8));
  model_ints(&m, "wide", INTS(1, 3, 8, 9));
  model_ints(&m, "batch", INTS(5, 3, 1, 1));
  model_ints(&m, "rank", INTS(1, 1, 3, 8, 8));
  model_ints(&m, "zero", INTS(0));
  model_ints(&m, "flat", INTS(0, -1));
  model_ints(&m, "same", INTS(1, 3, 8, 8));
  model_node(&m, "Relu", "relu", "image", "r", NULL);
  model_node(&m, "GlobalMaxPool", "pool", "r", "g", NULL);
  model_node(&m, op, "k", inputs, "k", attrs);
  model_node(&m, "Mul", "n", product, "h", NULL);
  model_head(&m, "h", 3);
  refused(&m, code, says);
}

/* Products of what does not fit, or fits only by another rule of broadcasting. */
static void test_products(void **state) {
  const ap_status u = AP_ERR_UNSUPPORTED, f = AP_ERR_FORMAT;
  wire a = {0};
  (void)state;
  a = ints_of("perm", INTS(0, 2, 3, 1));
  refused_pair("Transpose", "r", &a, "r k", u, "node n (Mul): images of 3 x 8 x 8 and 3 x 8 x 8");
  a = ints_of("kernel_shape", INTS(8, 1));
  refused_pair("MaxPool", "r", &a, "r k", u, "node n (Mul): images of 3 x 8 x 8 and 3 x 1 x 8");
  refused_pair("Reshape", "g flat", NULL, "r k", u,
               "node n (Mul): images of 3 x 8 x 8 and 3 x 1 x 1 in 4 and 2 dimensions; one shape");
  refused_pair("Reshape", "r flat", NULL, "r k", u, "node n (Mul): images");
  refused_pair("Expand", "g wide", NULL, "r k", u, "node n (Mul): images of 3 x 8 x 8");
  refused_pair("Expand", "g same", NULL, "k k", u, "node n (Mul): images of 3 x 1 x 1");
  refused_pair("Expand", "g same", NULL, "g k", u, "node n (Mul): images of 3 x 1 x 1");
  refused_pair("Expand", "g batch", NULL, "r k", u, "node k (Expand): it repeats the batch");
  refused_pair("Expand", "g rank", NULL, "r k", u,
               "node k (Expand): it repeats the batch, or adds");
  refused_pair("Expand", "g zero", NULL, "r k", f,
               "node k (Expand): dimension 0 of its shape is 0");
  refused_pair("Expand", "r larger", NULL, "r k", f, "node k (Expand): sizes 8 and 9 do not fit");
  refused_pair("Expand", "g g", NULL, "r k", u, "node k (Expand): its shape depend on the image");
  onnx_model m;
  model_begin(&m);
  model_ints(&m, "same", INTS(1, 3, 8, 8));
  model_node(&m, "GlobalMaxPool", "pool", "image", "g", NULL);
  model_node(&m, "Expand", "k", "g same", "k", NULL);
  model_head(&m, "k", 3);
  refused(&m, u, "node head.pool (GlobalAveragePool): it follows k, which repeats values; Mul may");
}

/* Slopes and gates that are no numbers, or no constants. */
static void test_activations(void **state) {
  const ap_status u = AP_ERR_UNSUPPORTED, f = AP_ERR_FORMAT;
  wire a = float_of("alpha", INFINITY);
  (void)state;
  refused_node("LeakyRelu", &a, "r", u, "node n (LeakyRelu): a slope of inf; sizes up to 16");
  a = float_of("alpha", NAN);
  refused_node("LeakyRelu", &a, "r", f, "node n (LeakyRelu): attribute alpha is not a number");
  a = float_of("alpha", -INFINITY);
  refused_node("HardSigmoid", &a, "r", f, "node n (HardSigmoid): alpha -inf");
  a = float_of("alpha", INFINITY);
  refused_node("Swish", &a, "r", f, "node n (Swish): alpha is inf");
  a = float_of("gamma", 1);
  refused_node("HardSwish", &a, "r", u, "node n (HardSwish): attribute gamma is not supported");
  refused_node("PRelu", NULL, "r r", u, "node n (PRelu): its slope depends on the image");
  refused_node("PRelu", NULL, "r", f, "node n (PRelu): its slope is missing");
  refused_node("PRelu", NULL, "r v4", u, "node n (PRelu): a constant of 4 values");
  refused_node("PRelu", NULL, "r full", u, "node n (PRelu): a constant of 192 values");
  refused_node("PRelu", NULL, "r nan", u, "node n (PRelu): a slope of nan");
  refused_node("PRelu", NULL, "r i1", u, "node n (PRelu): its slope is of integers");
  refused_node("Tanh", NULL, "r r", f, "node n (Tanh): 2 inputs");
}

/* Channels that are cut, moved and cut again: what two parts can say. */
static void refused_cut(const int64_t *to, size_t n_to, const int64_t *perm, size_t n_perm,
                        const int64_t *back, size_t n_back, const char *says) {
  onnx_model m;
  wire a = {0};
  model_begin(&m);
  model_floats(&m, "w", INTS(12, 3, 1, 1), NULL);
  model_ints(&m, "to", to, n_to);
  model_ints(&m, "back", back, n_back);
  model_node(&m, "Conv", "conv", "image w", "x", NULL);
  model_node(&m, "Reshape", "cut", "x to", "a", NULL);
  attr_ints(&a, "perm", perm, n_perm);
  model_node(&m, "Transpose", "move", "a", "b", &a);
  model_node(&m, "Reshape", "join", "b back", "h", NULL);
  model_head(&m, "h", 12);
  refused(&m, AP_ERR_UNSUPPORTED, says);
}

static void test_cuts(void **state) {
  (void)state;
  refused_cut(INTS(0, 2, 2, 3, 64), INTS(0, 1, 2, 3, 4), INTS(0, 12, 8, 8), "node cut (Reshape)");
  refused_cut(INTS(0, 24, 4, 8), INTS(0, 1, 2, 3), INTS(0, 12, 8, 8), "node cut (Reshape)");
  refused_cut(INTS(3, 4, 8, 8), INTS(0, 1, 2, 3), INTS(0, 12, 8, 8),
              "node cut (Reshape): it moves images of the batch");
  refused_cut(INTS(0, 3, 4, 64), INTS(1, 0, 2, 3), INTS(0, 12, 8, 8),
              "node move (Transpose): it moves images of the batch");
  refused_cut(INTS(0, 3, 4, 64), INTS(0, 1, 3, 2), INTS(0, 12, 8, 8), "node join (Reshape)");
  refused_cut(INTS(0, 3, 4, 64), INTS(0, 2, 3, 1), INTS(0, 4, 64, 3), "node head.pool");
}

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
      cmocka_unit_test(test_operators),  cmocka_unit_test(test_graphs),
      cmocka_unit_test(test_two_opsets), cmocka_unit_test(test_empty_weights),
      cmocka_unit_test(test_images),     cmocka_unit_test(test_tensors),
      cmocka_unit_test(test_outside),    cmocka_unit_test(test_bombs),
      cmocka_unit_test(test_files),      cmocka_unit_test(test_channels),
      cmocka_unit_test(test_splits),     cmocka_unit_test(test_products),
      cmocka_unit_test(test_cuts),       cmocka_unit_test(test_activations),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
