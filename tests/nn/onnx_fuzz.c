/* Hostile ONNX files: cut at every length, every bit flipped, seeded mutations of the bytes, and graphs
 * that are put together at random from operators, attributes and constants that fit badly. None may
 * crash or take much memory; a file that is accepted must be a network that can be saved and read
 * back. Memory errors are the sanitizers' business.
 * usage: onnx_fuzz [SEED [ROUNDS [FOLDER]]]    FOLDER: random graphs that are accepted are kept there */
#include "tests/nn/model_testing.h"
#include "tests/nn/onnx_writer.h"

static unsigned long long seed = 1, rounds = 6000;
static const char *keep_in;

/* ---- valid files ---- */

static unsigned char *exported(size_t *size) {
  ap_network *net = every_kind();
  ap_error err;
  if (ap_onnx_export(scratch_path("valid.onnx"), net, NULL, true, &err)) fail_msg("%s", err.text);
  ap_network_destroy(net);
  return (unsigned char *)read_bytes(scratch_path("valid.onnx"), size);
}

/* Shape arithmetic, a transposed image, sliced and padded; normalisation in pieces. */
static unsigned char *by_hand(size_t *size) {
  onnx_model m = {0};
  wire a = {0};
  model_value(&m, 11, "image", INTS(0, 4, 4, 3));
  model_value(&m, 12, "y", INTS(0, 4));
  model_floats(&m, "w", INTS(4, 3, 3, 3), NULL);
  model_floats(&m, "s", INTS(4), NULL);
  model_floats(&m, "fc", INTS(16, 4), NULL);
  model_ints(&m, "i0", INTS(0));
  model_ints(&m, "far", INTS(1000));
  model_ints(&m, "a2", INTS(2));
  model_ints(&m, "pads", INTS(0, 0, 1, 1, 0, 0, 1, 1));
  model_ints(&m, "rest", INTS(-1));
  attr_ints(&a, "perm", INTS(0, 3, 1, 2));
  model_node(&m, "Transpose", "t", "image", "t", &a);
  model_node(&m, "Pad", "p", "t pads", "p", NULL);
  attr_ints(&a, "strides", INTS(1, 1));
  attr_text(&a, "auto_pad", "VALID");
  model_node(&m, "Conv", "c", "p w", "c", &a);
  attr_ints(&a, "perm", INTS(0, 2, 3, 1));
  model_node(&m, "Transpose", "u", "c", "u", &a);
  model_node(&m, "Mul", "m", "u s", "m", NULL);
  model_node(&m, "Add", "n", "m s", "n", NULL);
  model_node(&m, "Slice", "h", "n i0 far a2 a2", "h", NULL);
  model_node(&m, "Slice", "v", "h i0 far one a2", "v", NULL);
  model_node(&m, "Shape", "shape", "v", "shape", NULL);
  attr_int(&a, "axis", 0);
  model_node(&m, "Gather", "g", "shape i0", "g", &a);
  attr_int(&a, "axis", 0);
  model_node(&m, "Concat", "k", "g rest", "k", &a);
  model_node(&m, "Reshape", "r", "v k", "r", NULL);
  model_node(&m, "MatMul", "d", "r fc", "d", NULL);
  model_node(&m, "Softmax", "z", "d", "y", NULL);
  model_ints(&m, "one", INTS(1));
  return model_bytes(&m, size);
}

/* Channels shuffled, split and picked, a gate of channels that is repeated. */
static unsigned char *by_numbers(size_t *size) {
  onnx_model m = {0};
  wire a = {0};
  model_value(&m, 11, "image", INTS(0, 4, 3, 3));
  model_value(&m, 12, "y", INTS(0, 4));
  model_ints(&m, "cut", INTS(0, 2, 2, 3, 3));
  model_ints(&m, "join", INTS(0, -1, 3, 3));
  model_ints(&m, "sizes", INTS(1, 3));
  model_ints(&m, "list", INTS(2, -1, 0, 0));
  model_floats(&m, "slope", INTS(4, 1, 1), NULL);
  model_node(&m, "Reshape", "r", "image cut", "r", NULL);
  attr_ints(&a, "perm", INTS(0, 2, 1, 3, 4));
  model_node(&m, "Transpose", "t", "r", "t", &a);
  model_node(&m, "Reshape", "s", "t join", "s", NULL);
  attr_int(&a, "axis", 1);
  model_node(&m, "Split", "p", "s sizes", "p q", &a);
  attr_int(&a, "axis", 1);
  model_node(&m, "Concat", "c", "q p", "c", &a);
  attr_int(&a, "axis", 1);
  model_node(&m, "Gather", "g", "c list", "g", &a);
  model_node(&m, "PRelu", "l", "g slope", "l", NULL);
  model_node(&m, "GlobalAveragePool", "z", "l", "z", NULL);
  attr_float(&a, "alpha", 0.5F);
  model_node(&m, "HardSigmoid", "h", "z", "h", &a);
  model_node(&m, "Shape", "o", "l", "o", NULL);
  model_node(&m, "Expand", "e", "h o", "e", NULL);
  model_node(&m, "Mul", "m", "e l", "m", NULL);
  model_node(&m, "GlobalMaxPool", "x", "m", "x", NULL);
  model_node(&m, "Flatten", "f", "x", "y", NULL);
  return model_bytes(&m, size);
}

typedef unsigned char *make_file(size_t *size);
static make_file *const makers[] = {exported, by_hand, by_numbers};
enum { N_FILES = 3 };

/* ---- what must hold of every input ---- */

static bool check(const unsigned char *bytes, size_t size) {
  ap_network *net = NULL, *again = NULL;
  json_t *metadata = NULL;
  ap_error err = {0};
  static size_t accepted;
  write_new("case.onnx", bytes, size);
  ap_status st = ap_onnx_import(scratch_path("case.onnx"), &net, &metadata, &err);
  if (st) {
    assert_null(net);
    assert_null(metadata);
    assert_int_equal(err.code, st);
    if (st == AP_ERR_ARG || st == AP_ERR_INTERNAL) fail_msg("%s", err.text);
    return false;
  }
  if (accepted++ % 64 == 0) {
    char left[65], right[65];
    if (ap_model_save(scratch_path("again.apm"), net, metadata, AP_STORE_FLOAT32, true, &err) ||
        ap_model_load(scratch_path("again.apm"), &again, NULL, &err) ||
        ap_onnx_export(scratch_path("again.onnx"), net, metadata, true, &err))
      fail_msg("%s", err.text);
    assert_int_equal(ap_network_hash(net, left, NULL), AP_OK);
    assert_int_equal(ap_network_hash(again, right, NULL), AP_OK);
    assert_string_equal(left, right);
    ap_network_destroy(again);
  }
  json_decref(metadata);
  ap_network_destroy(net);
  return true;
}

/* ---- bytes ---- */

static void test_cut_and_flipped(void **state) {
  (void)state;
  for (size_t f = 0; f < N_FILES; f++) {
    size_t size, accepted = 0;
    unsigned char *bytes = makers[f](&size);
    assert_true(check(bytes, size)); /* it is valid to begin with */
    for (size_t n = 0; n < size; n++) accepted += check(bytes, n);
    for (size_t i = 0; i < size; i++) {
      bytes[i] = (unsigned char)(bytes[i] ^ (1U << (i % 8)));
      accepted += check(bytes, size);
      bytes[i] = (unsigned char)(bytes[i] ^ (1U << (i % 8)));
    }
    print_message("file %zu: %zu bytes, %zu of %zu damaged ones are still valid\n", f, size,
                  accepted, 2 * size);
    assert_true(accepted < 2 * size);
    free(bytes);
  }
}

static void mutate(ap_rng *rng, unsigned char *bytes, size_t *size, size_t room) {
  static const unsigned char numbers[][11] = {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                                              "\xff\xff\xff\xff\x07", "\x80\x80\x80\x80\x10",
                                              "\x00", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"};
  size_t at = *size > 0 ? ap_rng_below(rng, *size) : 0, n;
  switch (ap_rng_below(rng, 6)) {
    case 0:
      if (*size) bytes[at] = (unsigned char)(bytes[at] ^ (1U << ap_rng_below(rng, 8)));
      return;
    case 1:
      if (*size) bytes[at] = (unsigned char)ap_rng_below(rng, 256);
      return;
    case 2: /* removed */
      n = *size > at ? ap_rng_below(rng, *size - at) % 16 : 0;
      memmove(bytes + at, bytes + at + n, *size - at - n);
      *size -= n;
      return;
    case 3: /* doubled */
      n = ap_rng_below(rng, 64);
      if (n > *size - at) n = *size - at;
      if (n > room - *size) n = room - *size;
      memmove(bytes + at + n, bytes + at, *size - at);
      *size += n;
      return;
    case 4: { /* an extreme number */
      const unsigned char *word = numbers[ap_rng_below(rng, sizeof numbers / sizeof *numbers)];
      n = strlen((const char *)word);
      if (n <= *size - at) memcpy(bytes + at, word, n);
      return;
    }
    default: /* bytes of elsewhere */
      n = ap_rng_below(rng, 32);
      if (n <= *size - at) memmove(bytes + at, bytes + ap_rng_below(rng, *size - n + 1), n);
  }
}

static void test_mutations(void **state) {
  size_t accepted = 0;
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, seed, 0);
  for (size_t f = 0; f < N_FILES; f++) {
    size_t size, room;
    unsigned char *valid = makers[f](&size);
    room = size + 1024;
    unsigned char *bytes = malloc(room);
    assert_non_null(bytes);
    for (unsigned long long i = 0; i < rounds; i++) {
      size_t n = size, changes = 1 + ap_rng_below(&rng, 4);
      memcpy(bytes, valid, size);
      for (size_t c = 0; c < changes; c++) mutate(&rng, bytes, &n, room);
      accepted += check(bytes, n);
    }
    free(bytes);
    free(valid);
  }
  print_message("seed %llu: %zu of %llu mutated files are still valid\n", seed, accepted,
                N_FILES * rounds);
  assert_true(accepted > 0 && accepted < N_FILES * rounds);
}

/* ---- graphs at random ---- */

static int64_t some_number(ap_rng *rng) {
  static const int64_t odd[] = {-1, 0, INT64_MAX, INT64_MIN, 1 << 30, -(1LL << 31), 4096};
  return ap_rng_below(rng, 8) ? (int64_t)ap_rng_below(rng, 5) - (ap_rng_below(rng, 6) == 0)
                              : odd[ap_rng_below(rng, sizeof odd / sizeof *odd)];
}

static void some_attributes(ap_rng *rng, wire *a) {
  static const char *const ints[] = {"kernel_shape", "strides", "pads", "dilations", "perm",
                                     "axes",         "starts",  "ends", "split"};
  static const char *const one[] = {"axis",        "group",     "transB",   "ceil_mode",
                                    "keepdims",    "allowzero", "to",       "count_include_pad",
                                    "transA",      "start",     "epsilon_", "noop_with_empty_axes",
                                    "num_outputs", "num_groups"};
  static const char *const modes[] = {"SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "SAME"};
  size_t n = ap_rng_below(rng, 4);
  for (size_t k = 0; k < n; k++) {
    int64_t values[4] = {0};
    size_t count = ap_rng_below(rng, 3) ? 2 : 1 + ap_rng_below(rng, 4);
    for (size_t i = 0; i < count; i++) values[i] = some_number(rng);
    switch (ap_rng_below(rng, 5)) {
      case 0:
      case 1:
        attr_ints(a, ints[ap_rng_below(rng, sizeof ints / sizeof *ints)], values, count);
        break;
      case 2:
        attr_int(a, one[ap_rng_below(rng, sizeof one / sizeof *one)], values[0]);
        break;
      case 3:
        attr_text(a, "auto_pad", modes[ap_rng_below(rng, sizeof modes / sizeof *modes)]);
        break;
      default:
        attr_float(a, ap_rng_below(rng, 2) ? "alpha" : "epsilon", (float)values[0]);
    }
  }
}

static void some_constants(onnx_model *m, ap_rng *rng) {
  static const int64_t shapes[][4] = {{3, 3, 3, 3}, {4, 3, 1, 1}, {3, 1, 2, 2}, {3, 3, 1, 1}};
  for (int i = 0; i < 4; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "c%d", i);
    model_floats(m, name, shapes[i], 4, NULL);
  }
  model_floats(m, "c4", INTS(3), NULL);
  model_floats(m, "c5", INTS(1, 3, 1, 1), NULL);
  model_floats(m, "c6", INTS(3, 4), NULL);
  model_floats(m, "c7", NULL, 0, NULL);
  model_floats(m, "c8", INTS(192, 3), NULL);
  model_ints(m, "cut", INTS(0, -1, 2, 8, 8));
  model_ints(m, "join", INTS(0, -1, 8, 8));
  for (int i = 9; i < 16; i++) {
    char name[16];
    int64_t values[8] = {0};
    size_t n = ap_rng_below(rng, 3) ? ap_rng_below(rng, 3) : 8;
    (void)snprintf(name, sizeof name, "c%d", i);
    for (size_t k = 0; k < n; k++) values[k] = some_number(rng);
    model_ints(m, name, values, n);
  }
}

static void keep(unsigned long long number, const unsigned char *bytes, size_t size) {
  char path[4096];
  (void)snprintf(path, sizeof path, "%s/graph%llu.onnx", keep_in, number);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

/* Channels in groups of two, which change places with their number. */
static void shuffle(onnx_model *m, const char *inputs, const char *output) {
  char group[40], swapped[40], back[64];
  wire a = {0};
  (void)snprintf(group, sizeof group, "%s.groups", output);
  (void)snprintf(swapped, sizeof swapped, "%s.swapped", output);
  (void)snprintf(back, sizeof back, "%s join", swapped);
  model_node(m, "Reshape", group, inputs, group, NULL);
  attr_ints(&a, "perm", INTS(0, 2, 1, 3, 4));
  model_node(m, "Transpose", swapped, group, swapped, &a);
  model_node(m, "Reshape", output, back, output, NULL);
}

/* The first or the second of two or three parts. */
static void split(onnx_model *m, ap_rng *rng, const char *inputs, const char *output) {
  char outputs[80];
  wire a = {0};
  size_t form = ap_rng_below(rng, 3);
  if (form == 0) {
    (void)snprintf(outputs, sizeof outputs, "%s %s.2", output, output);
  } else if (form == 1) {
    (void)snprintf(outputs, sizeof outputs, "%s.1 %s", output, output);
  } else {
    (void)snprintf(outputs, sizeof outputs, "%s.1 %s %s.3", output, output, output);
  }
  attr_int(&a, "axis", 1);
  model_node(m, "Split", output, inputs, outputs, &a);
}

static void test_graphs(void **state) {
  static const char *const ops[] = {"Add",
                                    "AveragePool",
                                    "BatchNormalization",
                                    "Cast",
                                    "Clip",
                                    "Concat",
                                    "Conv",
                                    "Div",
                                    "Dropout",
                                    "Flatten",
                                    "Gemm",
                                    "GlobalAveragePool",
                                    "Identity",
                                    "MatMul",
                                    "MaxPool",
                                    "Mul",
                                    "Pad",
                                    "ReduceMean",
                                    "Relu",
                                    "Reshape",
                                    "Slice",
                                    "Softmax",
                                    "Squeeze",
                                    "Sub",
                                    "Transpose",
                                    "Unsqueeze",
                                    "Shape",
                                    "Gather",
                                    "Range",
                                    "ConstantOfShape",
                                    "Expand",
                                    "Where",
                                    "Equal",
                                    "Neg",
                                    "ReduceProd",
                                    "Size",
                                    "Constant",
                                    "Pow",
                                    "Mod",
                                    "Min",
                                    "Max",
                                    "Sum",
                                    "ReduceMax",
                                    "ReduceMin",
                                    "ReduceL2",
                                    "Sigmoid",
                                    "HardSigmoid",
                                    "HardSwish",
                                    "Swish",
                                    "Tanh",
                                    "LeakyRelu",
                                    "PRelu",
                                    "Split",
                                    "Erf",
                                    "Exp",
                                    "Elu",
                                    "Gelu",
                                    "Mish",
                                    "Softplus",
                                    "Softsign",
                                    "Abs",
                                    "Reciprocal",
                                    "LRN",
                                    "Greater",
                                    "ArgMax",
                                    "ReduceSum",
                                    "CastLike",
                                    "GroupNormalization",
                                    "InstanceNormalization",
                                    "LayerNormalization"};
  static const char *const fitting[][2] = {
      {"Conv", " c0"},   {"Conv", " c3 c4"},
      {"Add", " c5"},    {"Mul", " c7"},
      {"Sub", " c5"},    {"Relu", ""},
      {"Add", " v0"},    {"BatchNormalization", " c4 c4 c4 c4"},
      {"Concat", ""},    {"Flatten", ""},
      {"Cast", ""},      {"GlobalAveragePool", ""},
      {"MatMul", " c8"}, {"Gemm", " c6"},
      {"Softmax", ""},   {"ReduceMean", ""},
      {"Sum", " v0"},    {"ReduceMax", ""},
      {"Min", " c7"},    {"Identity", ""},
      {"Conv", " c1"},   {"Mul", " v0"},
      {"Sigmoid", ""},   {"Tanh", ""},
      {"Erf", ""},       {"Elu", ""},
      {"Softplus", ""},  {"Exp", ""},
      {"Softsign", ""},  {"Abs", ""},
      {"Neg", ""},       {"Min", " c5"},
      {"LeakyRelu", ""}, {"PRelu", " c5"},
      {"Gather", " c9"}, {"Slice", " c9 c10 c11"},
      {"Split", ""},     {"Reshape", " cut"},
      {"Max", " v0"},    {"InstanceNormalization", " c4 c4"},
      {"ReduceSum", ""}, {"GroupNormalization", " c4 c4"},
      {"Div", " v0"},    {"LayerNormalization", " c7"}};
  size_t accepted = 0;
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, seed, 1);
  for (unsigned long long i = 0; i < 4 * rounds; i++) {
    onnx_model m = {0};
    size_t n = 1 + ap_rng_below(&rng, 4), size;
    const int64_t opsets[] = {8, 9, 11, 13, 18, 21};
    m.opset = opsets[ap_rng_below(&rng, 6)];
    m.producer = ap_rng_below(&rng, 4) ? "writer" : "autoprune";
    model_value(&m, 11, "v0", INTS(0, 3, 8, 8));
    model_value(&m, 12, "y", INTS(0, 4));
    some_constants(&m, &rng);
    for (size_t k = 1; k <= n; k++) {
      char inputs[64], output[24];
      wire a = {0};
      (void)snprintf(output, sizeof output, "v%zu", k);
      if (ap_rng_below(&rng, 3)) { /* one that fits, often */
        const char *const *fit = fitting[ap_rng_below(&rng, sizeof fitting / sizeof *fitting)];
        (void)snprintf(inputs, sizeof inputs, "v%zu%s", k - 1, fit[1]);
        if (ap_rng_below(&rng, 8) == 0) some_attributes(&rng, &a);
        if (strcmp(fit[0], "Concat") == 0 || strcmp(fit[0], "Gather") == 0 ||
            strcmp(fit[0], "LayerNormalization") == 0)
          attr_int(&a, "axis", 1);
        if (strcmp(fit[0], "GroupNormalization") == 0) attr_int(&a, "num_groups", 3);
        if (strcmp(fit[0], "Reshape") == 0) {
          shuffle(&m, inputs, output);
        } else if (strcmp(fit[0], "Split") == 0) {
          split(&m, &rng, inputs, output);
        } else {
          model_node(&m, fit[0], output, inputs, output, &a);
        }
        free(a.bytes);
        continue;
      }
      size_t n_inputs = 1 + ap_rng_below(&rng, 3);
      /* mostly the last image first, then constants */
      int used = snprintf(inputs, sizeof inputs, "v%zu",
                          ap_rng_below(&rng, 5) ? k - 1 : ap_rng_below(&rng, k));
      for (size_t j = 1; j < n_inputs; j++) {
        bool image = ap_rng_below(&rng, 5) == 0;
        used += snprintf(inputs + used, sizeof inputs - (size_t)used, " %c%zu", image ? 'v' : 'c',
                         ap_rng_below(&rng, image ? k : 16));
      }
      some_attributes(&rng, &a);
      model_node(&m, ops[ap_rng_below(&rng, sizeof ops / sizeof *ops)], output, inputs, output, &a);
    }
    char last[24];
    (void)snprintf(last, sizeof last, "v%zu", n);
    if (ap_rng_below(&rng, 2)) {
      model_node(&m, "GlobalAveragePool", "pool", last, "p", NULL);
      model_node(&m, "Flatten", "flat", "p", "y", NULL);
    } else {
      model_node(&m, "Identity", "end", last, "y", NULL);
    }
    unsigned char *bytes = model_bytes(&m, &size);
    bool good = check(bytes, size);
    if (good && keep_in) keep(i, bytes, size);
    accepted += good;
    free(bytes);
  }
  print_message("seed %llu: %zu of %llu random graphs are networks\n", seed, accepted, 4 * rounds);
  assert_true(accepted > rounds / 20 && accepted < 4 * rounds);
}

int main(int argc, char **argv) {
  SKIP_WITHOUT_ONNX();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cut_and_flipped),
      cmocka_unit_test(test_mutations),
      cmocka_unit_test(test_graphs),
  };
  if (argc > 1) seed = strtoull(argv[1], NULL, 10);
  if (argc > 2) rounds = strtoull(argv[2], NULL, 10);
  if (argc > 3) keep_in = argv[3];
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
