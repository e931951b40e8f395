/* tests/nn/answers.h - images whose labels are a network's own answers: that network is right on all of
 * them, and what is done to it costs accuracy. */
#ifndef AP_TESTS_NN_ANSWERS_H
#define AP_TESTS_NN_ANSWERS_H
#include "nn/infer.h"
#include "tests/nn/train_testing.h"

static inline void write_answers(const char *name, const float *logits, size_t n, size_t classes) {
  FILE *f = fopen(scratch_path(name), "wb");
  assert_non_null(f);
  put_u32(f, 0x801);
  put_u32(f, (uint32_t)n);
  for (size_t i = 0; i < n; ++i) {
    const float *z = logits + i * classes;
    size_t best = 0;
    for (size_t c = 1; c < classes; ++c)
      if (z[c] > z[best]) best = c;
    (void)fputc((int)best, f);
  }
  assert_int_equal(fclose(f), 0);
}

/* n test images in the scratch folder (and 240 training images with labels of their own). net: folded. */
static inline ap_dataset *answers_of(const ap_network *net, size_t n) {
  ap_dataset *first = NULL, *out = NULL;
  ap_backend *be = NULL;
  ap_score score;
  float *logits = ap_calloc(n * net->classes, sizeof *logits);
  assert_non_null(logits);
  write_images("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 240, 1);
  write_images("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", n, 2);
  must(ap_dataset_open(scratch, &first, &failure));
  must(ap_backend_open("cpu", 1, &be, &failure));
  must(ap_infer(be, net, first, AP_SPLIT_TEST, 0, &score, logits, &failure));
  write_answers("t10k-labels-idx1-ubyte", logits, n, net->classes);
  must(ap_dataset_open(scratch, &out, &failure));
  ap_backend_close(be);
  ap_dataset_destroy(first);
  ap_free(logits);
  return out;
}
#endif
