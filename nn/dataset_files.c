/* nn/dataset_files.c - the data files of a folder, in sorted order. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "nn/dataset_impl.h"

void ap_raw_images_release(ap_raw_images *raw) {
  ap_free(raw->pixels);
  ap_free(raw->labels);
  ap_free(raw->wide_labels);
  ap_npy_unmap(&raw->mapped);
  memset(raw, 0, sizeof *raw);
}

void ap_file_list_release(ap_file_list *list) {
  for (size_t i = 0; i < list->n; i++) ap_free(list->paths[i]);
  ap_free(list->paths);
  memset(list, 0, sizeof *list);
}

/* Length of a name without .gz or .xz. */
static size_t stem_length(const char *name) {
  size_t n = strlen(name);
  if (n > 3 && (strcmp(name + n - 3, ".gz") == 0 || strcmp(name + n - 3, ".xz") == 0)) n -= 3;
  return n;
}

static bool matches(const char *name, const char *prefix, const char *suffix) {
  size_t n = stem_length(name), before = strlen(prefix), after = strlen(suffix);
  return n >= before + after && strncmp(name, prefix, before) == 0 &&
         strncmp(name + n - after, suffix, after) == 0;
}

/* By stem, the plain file before its packed versions. */
static int by_stem(const void *a, const void *b) {
  const char *left = *(char *const *)a, *right = *(char *const *)b;
  size_t nl = stem_length(left), nr = stem_length(right);
  int order = strncmp(left, right, nl < nr ? nl : nr);
  if (order == 0) order = (nl > nr) - (nl < nr);
  return order ? order : strcmp(left, right);
}

static bool same_stem(const char *a, const char *b) {
  return stem_length(a) == stem_length(b) && strncmp(a, b, stem_length(a)) == 0;
}

static ap_status list_add(ap_file_list *list, const char *dir, const char *name, ap_error *err) {
  char **grown = ap_realloc(list->paths, list->n + 1, sizeof *grown);
  if (grown) {
    list->paths = grown;
    grown[list->n] = ap_path_join(dir, name);
    if (grown[list->n]) {
      list->n++;
      return AP_OK;
    }
  }
  return ap_fail(err, AP_ERR_MEMORY, "%s: list of files", dir);
}

ap_status ap_file_list_find(const char *dir, const char *prefix, const char *suffix,
                            ap_file_list *out, ap_error *err) {
  ap_status st = AP_OK;
  ap_file_list all = {0};
  struct dirent *entry;
  memset(out, 0, sizeof *out);
  DIR *stream = opendir(dir);
  if (!stream) return ap_fail(err, AP_ERR_IO, "%s: %s", dir, strerror(errno));
  while (!st && (errno = 0, entry = readdir(stream)) != NULL) {
    if (matches(entry->d_name, prefix, suffix)) st = list_add(&all, dir, entry->d_name, err);
  }
  if (!st && errno) st = ap_fail(err, AP_ERR_IO, "%s: %s", dir, strerror(errno));
  (void)closedir(stream);
  if (st) {
    ap_file_list_release(&all);
    return st;
  }
  if (all.n) qsort(all.paths, all.n, sizeof *all.paths, by_stem);
  size_t kept = 0;
  for (size_t i = 0; i < all.n; i++) {
    if (kept && same_stem(all.paths[kept - 1], all.paths[i])) {
      ap_free(all.paths[i]);
    } else {
      all.paths[kept++] = all.paths[i];
    }
  }
  all.n = kept;
  *out = all;
  return AP_OK;
}
