/* bench/claims_impl.h - what a claim is. */
#ifndef AP_BENCH_CLAIMS_IMPL_H
#define AP_BENCH_CLAIMS_IMPL_H
#include <jansson.h>
#include <stddef.h>

#include "base/status.h"

typedef enum {
  AP_CLAIM_UP_TO, /* the best network's mean reaches the published value */
  AP_CLAIM_EVERY, /* each network's mean reaches it */
  AP_CLAIM_OVER /* on each network the method's mean is above that of the method `against`, and the intervals
                     do not touch; the value is the ratio of the means */
} ap_claim_kind;

/* Tables of one folder. */
typedef struct {
  json_t *summary; /* rows of summary.csv */
  json_t *laws;    /* of laws.csv, or NULL */
} ap_claim_tables;

typedef struct ap_claim ap_claim;
/* Appends texts that the tables back, on why the claim fails on a network. MEMORY alone can go wrong. */
typedef ap_status ap_claim_reason(const ap_claim *claim, const ap_claim_tables *tables,
                                  const char *network, json_t *reasons, ap_error *err);

struct ap_claim {
  const char *id, *text, *source;
  const char *rule; /* how it is computed from summary.csv, and when it counts as reproduced */
  ap_claim_kind kind;
  const char *method, *against; /* against: of OVER */
  const char *column;           /* of summary.csv */
  double published;             /* EVERY, OVER: the least value that holds */
  const char *unit;             /* behind a number: "x", " points" */
  double scale;                 /* of printed numbers */
  ap_claim_reason *reason;      /* or NULL */
};

extern const ap_claim ap_claims[];
extern const size_t ap_n_claims;

/* The row of a network and method; NULL. */
const json_t *ap_claim_row(const ap_claim_tables *tables, const char *network, const char *method);

/* Reasons (bench/claims_reasons.c). */
ap_claim_reason ap_reason_compression, ap_reason_area, ap_reason_energy, ap_reason_overlap;
#endif
