/* nn/dataset_published.c - published checksums, and data sets compared with them. */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "nn/dataset.h"
#include "nn/dataset_impl.h"
#include "nn/dataset_places.h"
#include "nn/fetch_impl.h"

#define CIFAR10_FILE_BYTES ((size_t)10000 * (1 + 3072)) /* of each of the six */

/* Of the six files in cifar-10-binary.tar.gz, https://www.cs.toronto.edu/~kriz/cifar.html. */
const ap_publication *ap_cifar10_publication(void) {
  static const ap_published_file files[] = {
      {"data_batch_1.bin", "aadd24acce27caa71bf4b10992e9e7b2d74c2540"},
      {"data_batch_2.bin", "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795"},
      {"data_batch_3.bin", "1dd00a74ab1d17a6e7d73e185b69dbf31242f295"},
      {"data_batch_4.bin", "aab85764eb3584312d3c7f65fd2fd016e36a258e"},
      {"data_batch_5.bin", "26e2849e66a845b7f1e4614ae70f4889ae604628"},
      {"test_batch.bin", "67eb016db431130d61cd03c7ad570b013799c88c"}};
  static const ap_publication cifar10 = {"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                                         "cifar-10-batches-bin", files,
                                         sizeof files / sizeof *files};
  return &cifar10;
}

const char *ap_published_sha1(const ap_publication *publication, const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  for (size_t i = 0; i < publication->n_files; i++) {
    const char *known = publication->files[i].name;
    size_t n = strlen(known);
    if (strncmp(name, known, n) == 0 &&
        (!name[n] || strcmp(name + n, ".xz") == 0 || strcmp(name + n, ".gz") == 0))
      return publication->files[i].sha1;
  }
  return NULL;
}

static ap_status sha1_of(const char *path, char text[AP_SHA1_TEXT], size_t *size, ap_error *err) {
  char *bytes;
  ap_status st = ap_file_read_packed(path, AP_DATASET_FILE_BYTES, &bytes, size, err);
  if (st) return st;
  ap_sha1(bytes, *size, text);
  ap_free(bytes);
  return AP_OK;
}

static ap_status differs(const char *path, const char *text, const char *published, ap_error *err) {
  return ap_fail(err, AP_ERR_FORMAT, "%s: SHA-1 %s, published is %s", path, text, published);
}

ap_status ap_check_sha1(const char *path, const char *expected, ap_error *err) {
  char text[AP_SHA1_TEXT];
  size_t size = 0;
  ap_status st = sha1_of(path, text, &size, err);
  if (st) return st;
  return strcmp(text, expected) == 0 ? AP_OK : differs(path, text, expected, err);
}

/* Appends one line about a file to *report. In somebody's own folder a file of a published name may
 * be another one; of the published size it is taken for a damaged one there, too. */
static ap_status report_file(const char *path, bool own, char **report, ap_error *err) {
  const char *published = ap_published_sha1(ap_cifar10_publication(), path);
  const char *remark = ", no published value of this name";
  char text[AP_SHA1_TEXT], *longer;
  size_t size = 0;
  ap_status st = sha1_of(path, text, &size, err);
  if (st) return st;
  if (published) {
    bool same = strcmp(text, published) == 0;
    if (!same && !(own && size != CIFAR10_FILE_BYTES)) return differs(path, text, published, err);
    remark = same ? ", as published" : ", not the published file of this name";
  }
  longer = ap_sprintf("%s%s: SHA-1 %s%s\n", *report, path, text, remark);
  if (!longer) return ap_fail(err, AP_ERR_MEMORY, "%s: report", path);
  ap_free(*report);
  *report = longer;
  return AP_OK;
}

ap_status ap_dataset_check(const char *name, char **report, ap_error *err) {
  static const char *const patterns[][2] = {{"data_batch", ".bin"},    {"test_batch", ".bin"},
                                            {"train-images", "ubyte"}, {"train-labels", "ubyte"},
                                            {"t10k-images", "ubyte"},  {"t10k-labels", "ubyte"}};
  ap_dataset *data = NULL;
  char *dir = NULL, *text = NULL;
  bool own = true; /* a folder, not a known data set */
  *report = NULL;
  for (size_t i = 0; ap_dataset_known(i); i++) own = own && strcmp(name, ap_dataset_known(i)) != 0;
  ap_status st = ap_dataset_find(name, &dir, err);
  if (!st) st = ap_dataset_open(name, &data, err);
  if (st) goto done;
  text = ap_strdup("");
  if (!text) st = ap_fail(err, AP_ERR_MEMORY, "%s: report", name);
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns && !st; i++) {
    ap_file_list files = {0};
    st = ap_file_list_find(dir, patterns[i][0], patterns[i][1], &files, err);
    for (size_t j = 0; j < files.n && !st; j++) st = report_file(files.paths[j], own, &text, err);
    ap_file_list_release(&files);
  }
  if (st) goto done;
  *report = text;
  text = NULL;
done:
  ap_free(text);
  ap_free(dir);
  ap_dataset_destroy(data);
  return st;
}
