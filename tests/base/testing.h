/* tests/base/testing.h - CMocka with the headers it needs, and a scratch folder per test program.
 */
#ifndef AP_TESTS_BASE_TESTING_H
#define AP_TESTS_BASE_TESTING_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after the four above, which it does not include itself */
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Holds the path of the scratch folder between scratch_make and scratch_remove. */
static char scratch[64];

static inline int scratch_make(void **state) {
  (void)state;
  (void)snprintf(scratch, sizeof scratch, "/tmp/autoprune-test-XXXXXX");
  return mkdtemp(scratch) ? 0 : -1;
}

/* Files and symbolic links of one folder; tests remove folders they make themselves. */
static inline size_t scratch_count(void) {
  size_t n = 0;
  DIR *dir = opendir(scratch);
  if (!dir) return 0;
  while (readdir(dir)) n++;
  (void)closedir(dir);
  return n - 2; /* . and .. */
}

static inline int scratch_remove(void **state) {
  struct dirent *entry;
  DIR *dir = opendir(scratch);
  (void)state;
  if (!dir) return -1;
  while ((entry = readdir(dir)) != NULL) {
    char path[sizeof scratch + sizeof entry->d_name + 1];
    (void)snprintf(path, sizeof path, "%s/%s", scratch, entry->d_name);
    (void)unlink(path);
  }
  (void)closedir(dir);
  return rmdir(scratch);
}

/* Path of a name in the scratch folder; valid until the fourth call after. */
static inline const char *scratch_path(const char *name) {
  static char paths[4][256];
  static unsigned next;
  char *path = paths[next++ % 4];
  (void)snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
  return path;
}

/* Writes bytes with the C library alone, not with the code under test. */
static inline void scratch_write(const char *name, const void *data, size_t size) {
  FILE *file = fopen(scratch_path(name), "wb");
  assert_non_null(file);
  assert_int_equal(size > 0 ? fwrite(data, 1, size, file) : 0, size);
  assert_int_equal(fclose(file), 0);
}
#endif
