/* Hashes against the examples of FIPS 180: "abc", the two-block message, one million 'a'. */
#include "base/hash.h"

#include "base/alloc.h"
#include "tests/base/testing.h"

#define TWO_BLOCKS "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"

static void test_examples(void **state) {
  char text[AP_SHA256_TEXT], text1[AP_SHA1_TEXT];
  (void)state;
  ap_sha256("", 0, text);
  assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  ap_sha256("abc", 3, text);
  assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  ap_sha256(TWO_BLOCKS, 56, text);
  assert_string_equal(text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  ap_sha1("abc", 3, text1);
  assert_string_equal(text1, "a9993e364706816aba3e25717850c26c9cd0d89d");
  ap_sha1(NULL, 0, text1);
  assert_string_equal(text1, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

static void test_running(void **state) {
  char chunk[1000], text[AP_SHA256_TEXT];
  ap_hash *hash = NULL;
  (void)state;
  memset(chunk, 'a', sizeof chunk);
  assert_int_equal(ap_hash_create(&hash, NULL), AP_OK);
  ap_hash_add(hash, "abc", 3);
  ap_hash_text(hash, text); /* does not end the running hash */
  assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  ap_hash_add(hash, TWO_BLOCKS + 3, 0);
  ap_hash_add(hash, TWO_BLOCKS + 3, 53);
  ap_hash_text(hash, text);
  assert_string_equal(text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  ap_hash_destroy(hash);

  assert_int_equal(ap_hash_create(&hash, NULL), AP_OK);
  for (int i = 0; i < 1000; i++) ap_hash_add(hash, chunk, sizeof chunk);
  ap_hash_text(hash, text);
  assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  ap_hash_destroy(hash);
}

static void test_no_memory(void **state) {
  ap_hash *hash = NULL;
  (void)state;
  ap_alloc_fail_after(0);
  assert_int_equal(ap_hash_create(&hash, NULL), AP_ERR_MEMORY);
  ap_alloc_fail_after(SIZE_MAX);
  assert_null(hash);
  ap_hash_destroy(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_examples),
      cmocka_unit_test(test_running),
      cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
