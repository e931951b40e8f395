/* Files: limits, atomic replacement, a disk that is full, links and devices, folders. */
#include "base/file.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tests/base/testing.h"

static void expect_content(const char *name, const char *content) {
  char *data = NULL;
  size_t size = 0;
  ap_error err;
  if (ap_file_read(scratch_path(name), 1 << 20, &data, &size, &err)) fail_msg("%s", err.text);
  assert_int_equal(size, strlen(content));
  assert_string_equal(data, content); /* the added 0 ends it */
  ap_free(data);
}

static void test_read(void **state) {
  static char big[100000];
  char *data = NULL;
  size_t size = 0;
  ap_error err;
  (void)state;
  memset(big, 'b', sizeof big);
  scratch_write("empty", "", 0);
  expect_content("empty", "");
  scratch_write("zero", "a\0b", 3);
  assert_int_equal(ap_file_read(scratch_path("zero"), 3, &data, &size, &err), AP_OK);
  assert_int_equal(size, 3);
  assert_memory_equal(data, "a\0b\0", 4);
  ap_free(data);
  assert_int_equal(ap_file_read(scratch_path("zero"), 2, &data, &size, &err), AP_ERR_FORMAT);
  assert_null(data);
  scratch_write("big", big, sizeof big);
  assert_int_equal(ap_file_read(scratch_path("big"), sizeof big, &data, &size, &err), AP_OK);
  assert_int_equal(size, sizeof big);
  assert_memory_equal(data, big, sizeof big);
  ap_free(data);
}

static void test_read_errors(void **state) {
  char *data = NULL;
  size_t size = 0;
  ap_error err;
  (void)state;
  assert_int_equal(ap_file_read(scratch_path("none"), 10, &data, &size, &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "none: cannot open: "));
  assert_int_equal(ap_file_read(scratch, 10, &data, &size, &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "is a directory"));
  assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0); /* must not wait for a writer */
  assert_int_equal(ap_file_read(scratch_path("fifo"), 10, &data, &size, &err), AP_ERR_IO);
  assert_int_equal(ap_file_read("/dev/zero", 10, &data, &size, &err), AP_ERR_IO);
  assert_int_equal(ap_file_read("", 10, &data, &size, &err), AP_ERR_IO);
  assert_null(data);
}

static void test_why_a_file_is_absent(void **state) {
  ap_error err;
  (void)state;
  assert_int_equal(ap_file_absent(scratch_path("none"), "; look elsewhere", &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "none: no such file; look elsewhere"));
  assert_int_equal(ap_file_absent(scratch, "; look elsewhere", &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "is a directory"));
  assert_null(strstr(err.text, "elsewhere"));
  assert_int_equal(symlink("loop", scratch_path("loop")), 0);
  assert_false(ap_file_exists(scratch_path("loop")));
  assert_int_equal(ap_file_absent(scratch_path("loop"), "", &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, strerror(ELOOP)));
}

static void test_start(void **state) {
  char start[4] = "";
  size_t got = 0;
  ap_error err;
  (void)state;
  scratch_write("start", "abcdef", 6);
  assert_int_equal(ap_file_start(scratch_path("start"), start, sizeof start, &got, &err), AP_OK);
  assert_int_equal(got, 4);
  assert_memory_equal(start, "abcd", 4);
  scratch_write("start", "xy", 2);
  assert_int_equal(ap_file_start(scratch_path("start"), start, sizeof start, &got, &err), AP_OK);
  assert_int_equal(got, 2);
  assert_int_equal(ap_file_start(scratch_path("none"), start, sizeof start, &got, &err), AP_ERR_IO);
  assert_int_equal(got, 0);
}

/* /proc files claim 0 bytes; this one is longer than one step of growth. */
static void test_read_file_without_size(void **state) {
  char *data = NULL;
  size_t size = 0;
  ap_error err;
  (void)state;
  if (access("/proc/self/maps", R_OK) != 0) skip();
  assert_int_equal(ap_file_read("/proc/self/maps", 1 << 20, &data, &size, &err), AP_OK);
  assert_true(size > 0);
  assert_int_equal(strlen(data), size);
  ap_free(data);
  assert_int_equal(ap_file_read("/proc/self/maps", 16, &data, &size, &err), AP_ERR_FORMAT);
}

static void test_write_and_replace(void **state) {
  ap_error err;
  size_t files = scratch_count();
  (void)state;
  assert_int_equal(ap_file_write(scratch_path("w"), "one", 3, false, &err), AP_OK);
  expect_content("w", "one");
  assert_int_equal(ap_file_write(scratch_path("w"), "two", 3, false, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "--force"));
  expect_content("w", "one");
  assert_int_equal(chmod(scratch_path("w"), 0640), 0);
  assert_int_equal(ap_file_write(scratch_path("w"), "three", 5, true, &err), AP_OK);
  expect_content("w", "three");
  {
    struct stat info;
    assert_int_equal(stat(scratch_path("w"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
  }
  assert_int_equal(ap_file_write(scratch_path("e"), NULL, 0, false, &err), AP_OK);
  expect_content("e", "");
  assert_int_equal(scratch_count(), files + 2); /* no temporaries are left */
}

static void test_old_file_lives_until_commit(void **state) {
  ap_output *output = NULL;
  ap_error err;
  size_t files;
  (void)state;
  scratch_write("o", "old", 3);
  files = scratch_count();
  assert_int_equal(ap_output_open(scratch_path("o"), true, &output, &err), AP_OK);
  (void)fputs("new", ap_output_stream(output));
  (void)fflush(ap_output_stream(output));
  expect_content("o", "old");
  ap_output_abandon(output);
  expect_content("o", "old");
  assert_int_equal(scratch_count(), files);
  ap_output_abandon(NULL);
}

/* Someone else makes the file between open and commit: without force it is not replaced. */
static void test_no_overwriting_race(void **state) {
  ap_output *output = NULL;
  ap_error err;
  size_t files = scratch_count();
  (void)state;
  assert_int_equal(ap_output_open(scratch_path("r"), false, &output, &err), AP_OK);
  (void)fputs("ours", ap_output_stream(output));
  scratch_write("r", "theirs", 6);
  assert_int_equal(ap_output_commit(output, &err), AP_ERR_ARG);
  expect_content("r", "theirs");
  assert_int_equal(scratch_count(), files + 1);
}

static void test_stale_temporary(void **state) {
  char name[64];
  ap_error err;
  (void)state;
  (void)snprintf(name, sizeof name, "s.%ld.tmp", (long)getpid());
  scratch_write(name, "left by a killed process", 24);
  assert_int_equal(ap_file_write(scratch_path("s"), "x", 1, false, &err), AP_OK);
  expect_content("s", "x");
  assert_false(ap_file_exists(scratch_path(name)));
}

/* A limit on file sizes acts like a full disk: a write fails in the middle. Both ways to see it:
 * at the last flush, and earlier, when the stream's buffer overflows. */
static void test_full_disk(void **state) {
  static char big[50000];
  struct rlimit old, small;
  ap_error err;
  size_t files;
  (void)state;
  scratch_write("full", "old", 3);
  files = scratch_count();
  (void)signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
  small = old;
  small.rlim_cur = 1000;
  for (size_t size = 1001; size <= sizeof big; size += sizeof big - 1001) {
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    {
      ap_status st = ap_file_write(scratch_path("full"), big, size, true, &err);
      assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
      assert_int_equal(st, AP_ERR_IO);
    }
    assert_non_null(strstr(err.text, "full: cannot write: "));
    assert_non_null(strstr(err.text, strerror(EFBIG)));
    expect_content("full", "old");
    assert_int_equal(scratch_count(), files);
  }
}

static void test_links_and_devices(void **state) {
  struct stat info;
  ap_error err;
  (void)state;
  scratch_write("target", "old", 3);
  assert_int_equal(symlink("target", scratch_path("link")), 0);
  assert_int_equal(ap_file_write(scratch_path("link"), "new", 3, true, &err), AP_OK);
  expect_content("target", "new");
  assert_int_equal(lstat(scratch_path("link"), &info), 0);
  assert_true(S_ISLNK(info.st_mode));
  /* A device must not be replaced by a file, by name or through a link. */
  assert_int_equal(symlink("/dev/full", scratch_path("device")), 0);
  assert_int_equal(ap_file_write(scratch_path("device"), "x", 1, true, &err), AP_ERR_ARG);
  assert_int_equal(ap_file_write("/dev/null", "x", 1, true, &err), AP_ERR_ARG);
  assert_int_equal(stat("/dev/null", &info), 0);
  assert_true(S_ISCHR(info.st_mode));
  assert_int_equal(ap_file_write(scratch, "x", 1, true, &err), AP_ERR_ARG);
  assert_int_equal(ap_file_write("", "x", 1, true, &err), AP_ERR_ARG);
  assert_int_equal(ap_file_write(scratch_path("no/such/dir"), "x", 1, true, &err), AP_ERR_IO);
}

static void test_folders(void **state) {
  char path[200];
  ap_error err;
  (void)state;
  (void)snprintf(path, sizeof path, "%s/a//b/c/", scratch);
  assert_int_equal(ap_dir_create(path, &err), AP_OK);
  assert_int_equal(ap_dir_create(path, &err), AP_OK); /* again */
  assert_true(ap_dir_exists(scratch_path("a/b/c")));
  assert_false(ap_file_exists(scratch_path("a")));
  scratch_write("a/f", "", 0);
  assert_true(ap_file_exists(scratch_path("a/f")));
  assert_false(ap_dir_exists(scratch_path("a/f")));
  assert_int_equal(ap_dir_create(scratch_path("a/f/g"), &err), AP_ERR_IO);
  assert_int_equal(ap_dir_create("", &err), AP_ERR_ARG);
  assert_int_equal(symlink("nowhere", scratch_path("dangling")), 0);
  assert_int_equal(ap_dir_create(scratch_path("dangling"), &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "cannot create directory: File exists")); /* mkdir's reason */
  assert_int_equal(unlink(scratch_path("dangling")), 0);
  if (geteuid() != 0) { /* whom no mode stops */
    assert_int_equal(chmod(scratch_path("a/b/c"), 0500), 0);
    assert_int_equal(ap_dir_create(path, &err), AP_ERR_IO);
    assert_non_null(strstr(err.text, "cannot write into it: Permission denied"));
  }
  assert_int_equal(unlink(scratch_path("a/f")), 0);
  assert_int_equal(rmdir(scratch_path("a/b/c")), 0);
  assert_int_equal(rmdir(scratch_path("a/b")), 0);
  assert_int_equal(rmdir(scratch_path("a")), 0);
}

static void test_path_join(void **state) {
  char *a = ap_path_join("d", "f"), *b = ap_path_join("d/", "f"), *c = ap_path_join("/", "f");
  (void)state;
  assert_string_equal(a, "d/f");
  assert_string_equal(b, "d/f");
  assert_string_equal(c, "/f");
  ap_free(a);
  ap_free(b);
  ap_free(c);
}

static void test_failing_allocations(void **state) {
  size_t failures = 0, files;
  (void)state;
  scratch_write("alloc", "x", 1);
  files = scratch_count();
  for (size_t n = 0;; n++, failures++) {
    ap_error err;
    ap_status st;
    ap_output *output = NULL;
    ap_alloc_fail_after(n);
    st = ap_output_open(scratch_path("alloc"), true, &output, &err);
    ap_alloc_fail_after(SIZE_MAX);
    if (st == AP_OK) {
      assert_int_equal(ap_output_commit(output, &err), AP_OK);
      break;
    }
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(output);
    assert_int_equal(scratch_count(), files);
  }
  assert_int_equal(failures, 3); /* the record and two names */
}

/* A killed process leaves its temporary; the next one that writes the file removes it, and neither
 * a living process's nor other files. */
static void test_leftovers(void **state) {
  ap_output *output = NULL;
  ap_error err;
  FILE *file;
  char name[64];
  pid_t child = fork();
  (void)state;
  assert_true(child >= 0);
  if (child == 0) _exit(0);
  assert_int_equal(waitpid(child, NULL, 0), child);
  (void)snprintf(name, sizeof name, "k.%ld.tmp", (long)child);
  file = fopen(scratch_path(name), "w");
  assert_non_null(file);
  assert_int_equal(fclose(file), 0);
  file = fopen(scratch_path("k.1.tmp"), "w");
  assert_non_null(file);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(ap_output_open(scratch_path("kk"), false, &output, &err), AP_OK);
  ap_output_abandon(output);
  assert_true(ap_file_exists(scratch_path(name)));
  assert_int_equal(ap_output_open(scratch_path("k"), false, &output, &err), AP_OK);
  assert_false(ap_file_exists(scratch_path(name)));
  assert_true(ap_file_exists(scratch_path("k.1.tmp")));
  assert_int_equal(ap_output_commit(output, &err), AP_OK);
  assert_int_equal(remove(scratch_path("k.1.tmp")), 0);
  assert_int_equal(remove(scratch_path("k")), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_read),
      cmocka_unit_test(test_read_errors),
      cmocka_unit_test(test_why_a_file_is_absent),
      cmocka_unit_test(test_start),
      cmocka_unit_test(test_read_file_without_size),
      cmocka_unit_test(test_write_and_replace),
      cmocka_unit_test(test_old_file_lives_until_commit),
      cmocka_unit_test(test_no_overwriting_race),
      cmocka_unit_test(test_stale_temporary),
      cmocka_unit_test(test_leftovers),
      cmocka_unit_test(test_full_disk),
      cmocka_unit_test(test_links_and_devices),
      cmocka_unit_test(test_folders),
      cmocka_unit_test(test_path_join),
      cmocka_unit_test(test_failing_allocations),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
