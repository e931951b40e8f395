/* tests/kernels/grouped_checks.h - what the groups of tests of the engine share: the engine under test,
 * comparisons with the oracle and of batches with single candidates. Not thread safe. */
#ifndef AP_TESTS_KERNELS_GROUPED_CHECKS_H
#define AP_TESTS_KERNELS_GROUPED_CHECKS_H
#include "tests/kernels/grouped_program.h"

enum { CANDIDATES = 64 };

/* Set by main. */
extern const char *engine_name;
extern bool engine_bf16;
extern bool engine_is_device; /* not emulated, which is slow */
extern ap_rng rng;
extern ap_error failure;

void must(ap_status st); /* 0, or the test fails with `failure` */
ap_engine_options options_with(size_t memory_bytes, size_t shared_bytes);
void add_levels(subject *s); /* three of every layer */
/* Outputs of `levels` against the oracle: equal, or within `tolerance` of the largest. */
void compare(const char *what, const subject *s, ap_engine *e, const uint32_t *levels,
             double tolerance);

typedef struct {
  size_t n, n_layers, row[CANDIDATES], resume[CANDIDATES];
  uint32_t levels[CANDIDATES * MOST_LAYERS]; /* [n][n_layers] */
} candidates;
/* Sorted candidates of layers with three levels, and where each begins to differ. */
void draw(candidates *c, size_t n, size_t n_layers);
/* Candidates together, twice, and each alone: the same bits. */
void compare_batch(ap_engine *e, const candidates *c);
/* The same for batches of many sizes; few: with little memory, for fewer candidates and images at a time. */
void compare_batches(const subject *s, bool few);

/* An engine of that program cannot be created. */
void refuse(subject *s, ap_status want);

/* CMocka's failures. few: what is worth a thread for every warp. */
int run_grouped_gates(void);
int run_grouped_joins(bool few);

#endif
