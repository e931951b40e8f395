/* nn/dataset_fetch.h - getting cifar10, and comparing data files with their published checksums.
 *
 * Downloading runs `curl` or, without it, `wget`, and `tar`, directly and without a shell; their
 * messages go to stderr. Only the six published files are taken out of the archive. */
#ifndef AP_NN_DATASET_FETCH_H
#define AP_NN_DATASET_FETCH_H
#include <stdbool.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct {
  const char *url; /* NULL: the official one; another place of the same archive (also file://) */
  bool force;      /* replace a folder that is there but is not the published data */
  bool quiet;      /* no progress bar */
} ap_fetch_options;

/* Brings a data set ("cifar10") to cifar-10-batches-bin under $AUTOPRUNE_DATA or, where that is not
 * set, the user's cache. Everything is downloaded, unpacked and checked in a temporary folder beside
 * it and renamed at the end: a run that fails or is killed leaves what was there. A forced run
 * deletes the published files that it replaces; files of other names stay beside, in .replaced-*.
 * Nothing is done where the published files are already there, plain or packed.
 * *dir: the folder (ap_free it).
 * Errors: UNSUPPORTED (a set that is not fetched; says how to get it), ARG (the folder exists with
 * other content and not force), IO (no program to download with, no network, disk), FORMAT (the
 * archive is damaged, or a file differs from its published SHA-1), INTERRUPTED, MEMORY. */
AP_NODISCARD ap_status ap_dataset_fetch(const char *name, const ap_fetch_options *options,
                                        char **dir, ap_error *err);

/* Reads a whole data set and compares its files with published SHA-1s where there are any (CIFAR-10:
 * of the unpacked content). *report: a line for every file, ap_free it.
 * Errors: as ap_dataset_open; FORMAT also for a file that has a published name and another SHA-1, in a
 * folder that was named as such only where it has the published size, too: others are somebody's own. */
AP_NODISCARD ap_status ap_dataset_check(const char *name, char **report, ap_error *err);

AP_EXTERN_C_END
#endif
