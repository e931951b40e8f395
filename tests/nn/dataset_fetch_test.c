/* Fetching, from an archive made here: success, and all that can go wrong on the way. */
#include "nn/dataset_fetch.h"

#include <stdbool.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "nn/fetch_impl.h"
#include "tests/base/testing.h"

/* SHA-1 of "abc" (FIPS 180 example) and of nothing. */
#define SHA1_ABC "a9993e364706816aba3e25717850c26c9cd0d89d"
#define SHA1_EMPTY "da39a3ee5e6b4b0d3255bfef95601890afd80709"

static const ap_published_file two_files[] = {{"a.bin", SHA1_ABC}, {"b.bin", SHA1_EMPTY}};
static const ap_publication two = {"file:///nowhere", "set", two_files, 2};

static void run(const char *const *argv) {
  bool started;
  int status;
  assert_int_equal(ap_run_program(argv, &started, &status, NULL), AP_OK);
  assert_true(started);
  assert_int_equal(status, 0);
}

static bool have(const char *program) {
  const char *const argv[] = {program, "--version", NULL};
  bool started;
  int status;
  assert_int_equal(ap_run_program(argv, &started, &status, NULL), AP_OK);
  return started;
}

/* scratch/set.tgz holds set/a.bin, set/b.bin with these contents, and a file too many. */
static void make_archive(const char *a, const char *b) {
  assert_int_equal(mkdir(scratch_path("set"), 0700), 0);
  scratch_write("set/a.bin", a, strlen(a));
  if (b) scratch_write("set/b.bin", b, strlen(b));
  scratch_write("set/other", "x", 1);
  const char *const tar[] = {"tar", "-czf", scratch_path("set.tgz"), "-C", scratch, "set", NULL};
  run(tar);
  const char *const rm[] = {"rm", "-r", scratch_path("set"), NULL};
  run(rm);
}

static ap_status fetch(bool force, char **dir, ap_error *err) {
  char url[300], root[300];
  (void)snprintf(url, sizeof url, "file://%s", scratch_path("set.tgz"));
  (void)snprintf(root, sizeof root, "%s", scratch_path("root/deep"));
  const ap_fetch_options options = {.url = url, .force = force, .quiet = true};
  return ap_fetch_publication(&two, root, &options, dir, err);
}

/* Number of entries of root/deep: nothing temporary may stay. */
static size_t entries(void) {
  size_t n = 0;
  DIR *dir = opendir(scratch_path("root/deep"));
  if (!dir) return 0;
  while (readdir(dir)) n++;
  (void)closedir(dir);
  return n - 2;
}

static int clean(void **state) {
  const char *const rm[] = {"rm", "-rf", scratch_path("root"), scratch_path("bin"), NULL};
  run(rm);
  return scratch_remove(state);
}

static void test_success(void **state) {
  char *dir = NULL;
  ap_error err;
  (void)state;
  if (!have("curl")) skip(); /* wget does not read file:// */
  make_archive("abc", "");
  if (fetch(false, &dir, &err)) fail_msg("%s", err.text);
  assert_string_equal(dir, scratch_path("root/deep/set"));
  ap_free(dir);
  assert_int_equal(entries(), 1);
  assert_true(ap_file_exists(scratch_path("root/deep/set/a.bin")));
  assert_true(ap_file_exists(scratch_path("root/deep/set/b.bin")));
  assert_false(ap_file_exists(scratch_path("root/deep/set/other")));
  /* Again: nothing is downloaded, the archive is not even there. */
  assert_int_equal(unlink(scratch_path("set.tgz")), 0);
  if (fetch(false, &dir, &err)) fail_msg("%s", err.text);
  ap_free(dir);
  /* Other content is kept, unless forced. */
  scratch_write("root/deep/set/a.bin", "abd", 3);
  assert_int_equal(fetch(false, &dir, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "--force"));
  assert_int_equal(fetch(true, &dir, &err), AP_ERR_IO); /* the archive is gone */
  assert_true(ap_file_exists(scratch_path("root/deep/set/a.bin")));
  make_archive("abc", "");
  if (fetch(true, &dir, &err)) fail_msg("%s", err.text);
  ap_free(dir);
  assert_int_equal(entries(), 1);
  assert_int_equal(ap_check_sha1(scratch_path("root/deep/set/a.bin"), SHA1_ABC, &err), AP_OK);
}

static void test_damage(void **state) {
  char *dir = NULL;
  ap_error err;
  (void)state;
  if (!have("curl")) skip();
  assert_int_equal(fetch(false, &dir, &err), AP_ERR_IO);           /* no archive */
  assert_non_null(strstr(err.text, "curl failed with status 37")); /* cannot read the file */
  make_archive("abd", "");
  assert_int_equal(fetch(false, &dir, &err), AP_ERR_FORMAT);
  assert_non_null(strstr(err.text, "a.bin: SHA-1 "));
  assert_non_null(strstr(err.text, "published is " SHA1_ABC));
  make_archive("abc", NULL);
  assert_int_equal(fetch(false, &dir, &err), AP_ERR_FORMAT);
  assert_non_null(strstr(err.text, "tar failed"));
  scratch_write("set.tgz", "no archive", 10);
  assert_int_equal(fetch(false, &dir, &err), AP_ERR_FORMAT);
  assert_null(dir);
  assert_int_equal(entries(), 0);
  assert_int_equal(chmod(scratch_path("root/deep"), 0500), 0);
  if (geteuid() != 0) assert_int_equal(fetch(false, &dir, &err), AP_ERR_IO);
  assert_int_equal(chmod(scratch_path("root/deep"), 0700), 0);
}

/* $PATH with only what a test puts there. */
static void test_programs(void **state) {
  char *dir = NULL, *path = strdup(getenv("PATH")), script[600];
  ap_error err;
  (void)state;
  make_archive("abc", "");
  assert_int_equal(mkdir(scratch_path("bin"), 0700), 0);
  assert_int_equal(setenv("PATH", scratch_path("bin"), 1), 0);
  assert_int_equal(fetch(false, &dir, &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "neither curl nor wget is installed"));
  /* A wget that copies: its arguments are --no-verbose --no-verbose -O FILE -- URL. */
  int n = snprintf(script, sizeof script, "#!/bin/sh\nexec /bin/cp %s \"$4\"\n",
                   scratch_path("set.tgz"));
  scratch_write("bin/wget", script, (size_t)n);
  assert_int_equal(chmod(scratch_path("bin/wget"), 0700), 0);
  assert_int_equal(fetch(false, &dir, &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "tar is not installed"));
  (void)snprintf(script, sizeof script, "%s:/usr/bin:/bin", scratch_path("bin"));
  assert_int_equal(setenv("PATH", script, 1), 0);
  /* A curl that fails stands for a network that does. */
  scratch_write("bin/curl", "#!/bin/sh\nexit 6\n", 17);
  assert_int_equal(chmod(scratch_path("bin/curl"), 0700), 0);
  assert_int_equal(fetch(false, &dir, &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "curl failed with status 6: no network"));
  scratch_write("bin/curl", "#!/bin/sh\nkill -9 $$\n", 21);
  assert_int_equal(fetch(false, &dir, &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "status 137"));
  assert_int_equal(entries(), 0);
  assert_int_equal(setenv("PATH", path, 1), 0);
  free(path);
}

static void test_names(void **state) {
  char *dir = NULL;
  ap_error err;
  (void)state;
  assert_int_equal(ap_dataset_fetch("fashion-mnist", NULL, &dir, &err), AP_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.text, "apt-get install dataset-fashion-mnist"));
  assert_int_equal(ap_dataset_fetch("imagenet", NULL, &dir, &err), AP_ERR_UNSUPPORTED);
  assert_int_equal(ap_dataset_fetch(NULL, NULL, &dir, &err), AP_ERR_UNSUPPORTED);
  assert_null(dir);
  const ap_publication *cifar = ap_cifar10_publication();
  assert_int_equal(cifar->n_files, 6);
  for (size_t i = 0; i < 6; i++) assert_int_equal(strlen(cifar->files[i].sha1), 40);
  assert_string_equal(ap_published_sha1(cifar, "x/test_batch.bin.xz"),
                      "67eb016db431130d61cd03c7ad570b013799c88c");
  assert_non_null(ap_published_sha1(cifar, "data_batch_3.bin"));
  assert_null(ap_published_sha1(cifar, "data_batch_3.bin.old"));
  assert_null(ap_published_sha1(cifar, "test_batch_first1000.bin"));
}

/* The official place, through $AUTOPRUNE_DATA, replaced by one that is not there. */
static void test_fetch_cifar10(void **state) {
  char *dir = NULL;
  ap_error err;
  const ap_fetch_options options = {.url = "file:///no/such/archive", .quiet = true};
  (void)state;
  assert_int_equal(setenv("AUTOPRUNE_DATA", scratch, 1), 0);
  assert_int_equal(ap_dataset_fetch("cifar10", &options, &dir, &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "file:///no/such/archive"));
  assert_int_equal(scratch_count(), 0);
  assert_int_equal(unsetenv("AUTOPRUNE_DATA"), 0);
}

static void test_check(void **state) {
  static unsigned char records[4 * 3073];
  char *report = NULL;
  ap_error err;
  (void)state;
  scratch_write("data_batch_own.bin", records, sizeof records);
  scratch_write("test_batch_own.bin", records, 3073);
  assert_int_equal(ap_dataset_check(scratch, &report, &err), AP_OK);
  assert_non_null(strstr(report, "data_batch_own.bin: SHA-1 "));
  assert_non_null(strstr(report, "test_batch_own.bin: SHA-1 "));
  assert_non_null(strstr(report, ", no published value"));
  assert_null(strstr(report, "as published"));
  ap_free(report);
  scratch_write("test_batch.bin", records, 3073); /* somebody's own */
  assert_int_equal(ap_dataset_check(scratch, &report, &err), AP_OK);
  assert_non_null(strstr(report, ", not the published file of this name"));
  ap_free(report);
  scratch_write("test_batch.bin", records, 3072);
  assert_int_equal(ap_dataset_check(scratch, &report, &err), AP_ERR_FORMAT);
  assert_non_null(strstr(err.text, "byte 3072"));
}

/* What is found under the data set's name has to be what was published. */
static void test_check_by_name(void **state) {
  static unsigned char records[4 * 3073];
  char *report = NULL, *folder = ap_path_join(scratch, "cifar-10-batches-bin");
  ap_error err;
  (void)state;
  assert_int_equal(ap_dir_create(folder, &err), AP_OK);
  scratch_write("cifar-10-batches-bin/data_batch_1.bin", records, sizeof records);
  scratch_write("cifar-10-batches-bin/test_batch.bin", records, 3073);
  assert_int_equal(setenv("AUTOPRUNE_DATA", scratch, 1), 0);
  assert_int_equal(ap_dataset_check("cifar10", &report, &err), AP_ERR_FORMAT);
  assert_non_null(strstr(err.text, "published is aadd24acce27caa71bf4b10992e9e7b2d74c2540"));
  assert_null(report);
  assert_int_equal(ap_dataset_check(folder, &report, &err), AP_OK);
  ap_free(report);
  assert_int_equal(unsetenv("AUTOPRUNE_DATA"), 0);
  assert_int_equal(unlink(scratch_path("cifar-10-batches-bin/data_batch_1.bin")), 0);
  assert_int_equal(unlink(scratch_path("cifar-10-batches-bin/test_batch.bin")), 0);
  assert_int_equal(rmdir(folder), 0);
  ap_free(folder);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, scratch_make, clean)

int main(void) {
  const struct CMUnitTest tests[] = {
      EACH(test_success),       EACH(test_damage), EACH(test_programs),      EACH(test_names),
      EACH(test_fetch_cifar10), EACH(test_check),  EACH(test_check_by_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
