/* Damaged model files: cut at every length, one bit flipped everywhere, and seeded mutations whose
 * checksum is repaired, so that they get as far as the header and the tensors. None may be taken
 * for the original; a mutation that is accepted must be a valid network, which is saved and read
 * back. Memory errors are the sanitizers' business. */
#include "tests/nn/model_testing.h"

enum { MUTATIONS = 10000 };

static char *valid;
static size_t valid_size, header_size;

static int setup_as(void **state, unsigned stored_bits) {
  if (scratch_make(state)) return -1;
  header_size = 0;
  ap_network *net = every_kind();
  json_t *metadata = json_pack("{s:i}", "epochs", 3);
  assert_int_equal(ap_model_save(scratch_path("valid"), net, metadata, stored_bits, false, NULL),
                   AP_OK);
  json_decref(metadata);
  ap_network_destroy(net);
  valid = read_bytes(scratch_path("valid"), &valid_size);
  for (int i = 7; i >= 0; i--) header_size = header_size << 8 | (unsigned char)valid[8 + i];
  return 0;
}

static int setup(void **state) { return setup_as(state, AP_STORE_FLOAT16); }
static int setup_integers(void **state) { return setup_as(state, AP_STORE_INT8); }

static int teardown(void **state) {
  free(valid);
  return scratch_remove(state);
}

static ap_status try_load(ap_network **net, ap_error *err) {
  ap_status st = ap_model_load(scratch_path("case"), net, NULL, err);
  if (st) {
    assert_null(*net);
    assert_int_equal(err->code, st);
    assert_non_null(strstr(err->text, "case"));
  }
  return st;
}

static void test_cut(void **state) {
  ap_network *net = NULL;
  ap_error err;
  (void)state;
  for (size_t size = 0; size < valid_size; size++) {
    write_new("case", valid, size);
    assert_int_equal(try_load(&net, &err), AP_ERR_FORMAT);
  }
}

static void test_flipped_bits(void **state) {
  ap_network *net = NULL;
  ap_error err;
  (void)state;
  for (size_t i = 0; i < valid_size; i++) {
    valid[i] = (char)(valid[i] ^ (1 << (i % 8)));
    write_new("case", valid, valid_size);
    assert_int_equal(try_load(&net, &err), AP_ERR_FORMAT);
    valid[i] = (char)(valid[i] ^ (1 << (i % 8)));
  }
}

/* Changes 1..4 places of the header (digits for digits, mostly, so that it stays JSON) or of the
 * tensors. */
static void mutate(ap_rng *rng, char *header, size_t *n_header, char *body, size_t n_body) {
  size_t changes = 1 + ap_rng_below(rng, 4);
  for (size_t i = 0; i < changes; i++) {
    size_t at = ap_rng_below(rng, *n_header), what = ap_rng_below(rng, 8);
    if (what < 5) {
      while (header[at] < '0' || header[at] > '9') at = ap_rng_below(rng, *n_header);
      header[at] = (char)('0' + ap_rng_below(rng, 10));
    } else if (what == 5) {
      header[at] = (char)ap_rng_below(rng, 256);
    } else if (what == 6) {
      memmove(header + at, header + at + 1, *n_header - at - 1);
      --*n_header;
    } else {
      body[ap_rng_below(rng, n_body)] = (char)ap_rng_below(rng, 256);
    }
  }
}

static void test_mutations(void **state) {
  size_t n_body = valid_size - 16 - header_size - 32, accepted = 0;
  char *header = malloc(header_size), *body = malloc(n_body);
  ap_network *net = NULL, *again = NULL;
  char left[65], right[65];
  ap_error err;
  ap_rng rng;
  (void)state;
  assert_true(header && body);
  ap_rng_seed(&rng, 2021, 0);
  for (size_t i = 0; i < MUTATIONS; i++) {
    size_t n_header = header_size;
    memcpy(header, valid + 16, header_size);
    memcpy(body, valid + 16 + header_size, n_body);
    mutate(&rng, header, &n_header, body, n_body);
    write_model("case", header, n_header, body, n_body);
    ap_status st = try_load(&net, &err);
    if (st && st != AP_ERR_FORMAT) fail_msg("mutation %zu: %s", i, err.text);
    if (st) continue;
    accepted++;
    if (accepted % 512 == 0) {
      if (ap_model_save(scratch_path("again"), net, NULL, AP_STORE_FLOAT32, true, &err))
        fail_msg("%s", err.text);
      if (ap_model_load(scratch_path("again"), &again, NULL, &err)) fail_msg("%s", err.text);
      assert_int_equal(ap_network_hash(net, left, NULL), AP_OK);
      assert_int_equal(ap_network_hash(again, right, NULL), AP_OK);
      assert_string_equal(left, right);
      ap_network_destroy(again);
    }
    ap_network_destroy(net);
    net = NULL;
  }
  print_message("%d mutations, %zu of them valid\n", MUTATIONS, accepted);
  assert_true(accepted > 0 && accepted < MUTATIONS);
  free(header);
  free(body);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cut),
      cmocka_unit_test(test_flipped_bits),
      cmocka_unit_test(test_mutations),
  };
  const int floats = cmocka_run_group_tests_name("float16", tests, setup, teardown);
  return cmocka_run_group_tests_name("int8", tests, setup_integers, teardown) + floats;
}
