/* bench/site_impl.h - one network of a comparison, opened: its data, its weights, its hardware. */
#ifndef AP_BENCH_SITE_IMPL_H
#define AP_BENCH_SITE_IMPL_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "bench/suite_impl.h"
#include "bench/workbench.h"

/* Data sets by name, each opened once; sites borrow them. */
#define AP_STORE_MAX 8
typedef struct {
  char *names[AP_STORE_MAX];
  ap_dataset *data[AP_STORE_MAX];
  size_t n;
} ap_data_store;
void ap_data_store_close(ap_data_store *store);

#define AP_SITE_SIZES 4
typedef struct {
  const ap_suite_network *standard; /* the suite's entry */
  ap_suite_network entry;           /* with the run's changes */
  const char *hardware; /* in place of the entry's, its sizes included; NULL: the entry's */
  const ap_tech_change *changes; /* over the hardware: n_changes of them, */
  size_t n_changes;
  ap_tech_change sizes[AP_SITE_SIZES]; /* and over those what a sweep moves: n_sizes of them */
  size_t n_sizes;
  bool shipped;        /* the weights are the shipped checkpoint's */
  bool other_hardware; /* than the standard entry's */
  ap_network *net;
  ap_tech *tech;
  ap_workbench *bench;
} ap_site;

typedef struct {
  const char *out; /* folder of the results */
  const char *backend;
  size_t n_threads;
  bool anew, quiet; /* anew: shipped weights are not used */
  const json_t *provenance;
} ap_site_how;

/* Opens everything; trains the network if there are no weights (bench/trained_impl.h). Everything before
 * `shipped` is set by the caller. End with ap_site_close, also after an error. */
AP_NODISCARD ap_status ap_site_open(ap_site *site, const ap_site_how *how, ap_data_store *store,
                                    ap_error *err);
void ap_site_close(ap_site *site);
#endif
