/* nn/dataset.h - labelled images in memory, and the fixed splits that every experiment uses.
 *
 * Formats: IDX (mnist, fashion-mnist; plain, .gz or .xz), the CIFAR-10 binary form (records of
 * 1 label byte + 3072 pixel bytes; plain or .xz), and .npy arrays of any size and number of classes
 * (docs/DATA.md), whose test images stay in their file and are read as they are needed. Read-only after
 * loading: safe from any thread. */
#ifndef AP_NN_DATASET_H
#define AP_NN_DATASET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef enum {
  AP_SPLIT_TRAIN,       /* what is left of the training files after the three below */
  AP_SPLIT_CALIBRATION, /* 1,000 images: repair, statistics */
  AP_SPLIT_SEARCH,      /* 2,500: what a searcher is rewarded on */
  AP_SPLIT_SELECTION,   /* 2,500: the final choice */
  AP_SPLIT_TEST,        /* the test files, whole: read once, at the end */
  AP_SPLIT_COUNT
} ap_split;
const char *ap_split_name(ap_split split); /* "train", "calibration", "search", ... */
AP_NODISCARD ap_status ap_split_parse(const char *name, ap_split *out, ap_error *err);

typedef struct ap_dataset ap_dataset;

/* name: "fashion-mnist", "mnist", "cifar10" (searched in $AUTOPRUNE_DATA, the user's cache and the
 * system's data folders; the error lists the places and how to get the data), or a directory with
 * files of one of the formats. Splits are drawn with a seed fixed in the code, so that they are
 * the same for everyone: the training images are shuffled once, the first are calibration, search
 * and selection, the rest is train; the test split keeps the files' order. With fewer than 12,000
 * training images the three splits take 1/60, 1/24 and 1/24 of them, at least 1 each; a folder of .npy
 * arrays may have none, then all splits but test are empty.
 * Errors: IO; FORMAT with file, byte offset and expectation (magic, counts that disagree, label out
 * of range, truncated or trailing bytes); MEMORY. */
AP_NODISCARD ap_status ap_dataset_open(const char *name, ap_dataset **out, ap_error *err);
void ap_dataset_destroy(ap_dataset *data);

typedef struct {
  size_t n_images, channels, height, width, classes;
} ap_dataset_info;
/* Do such images fit a network that takes [c, h, w]? They are of that size, or it takes a row [1, 1, w] of as many values: the
 * pixels in the order channels, rows, columns. */
bool ap_dataset_fits(const ap_dataset_info *info, size_t c, size_t h, size_t w);
const char *ap_dataset_name(const ap_dataset *data); /* as given to ap_dataset_open, clean text */
ap_dataset_info ap_dataset_describe(const ap_dataset *data, ap_split split);
/* SHA-256 over sizes, pixels and labels in the order of the splits. */
const char *ap_dataset_hash(const ap_dataset *data);
/* uint8 [n_images, channels, height, width] and labels of one split, owned by the data set. */
const uint8_t *ap_dataset_pixels(const ap_dataset *data, ap_split split);
const int32_t *ap_dataset_labels(const ap_dataset *data, ap_split split);
/* Mean and standard deviation per channel of the training split's pixels scaled to 0..1 (at most 4
 * channels; 0 and 1 for absent ones, 1 for a deviation of 0); what models trained here are
 * normalised with. */
void ap_dataset_statistics(const ap_dataset *data, float mean[4], float std[4]);

AP_EXTERN_C_END
#endif
