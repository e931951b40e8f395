/* Operators as an ONNX file may not have them: every refusal has its code and names the file and the node. */
#include <math.h>

#include "tests/nn/onnx_refused.h"

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

int main(void) {
  SKIP_WITHOUT_ONNX();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_operators), cmocka_unit_test(test_channels),
      cmocka_unit_test(test_splits),    cmocka_unit_test(test_products),
      cmocka_unit_test(test_cuts),      cmocka_unit_test(test_activations),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
