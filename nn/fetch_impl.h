/* nn/fetch_impl.h - what is published, as data; stays in this folder and its tests. */
#ifndef AP_NN_FETCH_IMPL_H
#define AP_NN_FETCH_IMPL_H
#include <stdbool.h>
#include <stddef.h>

#include "nn/dataset_fetch.h"
AP_EXTERN_C_BEGIN

typedef struct {
  const char *name; /* within the archive's folder */
  const char *sha1; /* of the unpacked file */
} ap_published_file;

typedef struct {
  const char *url;    /* of a .tar.gz */
  const char *folder; /* in the archive, and under the root */
  const ap_published_file *files;
  size_t n_files;
} ap_publication;

const ap_publication *ap_cifar10_publication(void);

/* Published SHA-1 of a file by its name without folder and .xz or .gz; NULL where there is none. */
const char *ap_published_sha1(const ap_publication *publication, const char *path);

/* SHA-1 of a file's unpacked content against `expected`: FORMAT with both where they differ. */
AP_NODISCARD ap_status ap_check_sha1(const char *path, const char *expected, ap_error *err);

/* ap_dataset_fetch for any publication, into root/folder. */
AP_NODISCARD ap_status ap_fetch_publication(const ap_publication *publication, const char *root,
                                            const ap_fetch_options *options, char **dir,
                                            ap_error *err);

/* Runs argv[0] (looked up in $PATH) to its end, stdout joined to stderr. *started false: there is no
 * such program. *status: its exit status (128 + signal when killed). */
AP_NODISCARD ap_status ap_run_program(const char *const *argv, bool *started, int *status,
                                      ap_error *err);

AP_EXTERN_C_END
#endif
