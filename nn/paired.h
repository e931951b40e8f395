/* nn/paired.h - is a network worse than another by more than a limit? Judged from some of the images of a
 * split, drawn without repetition, on which both were asked.
 *
 * Only images on which exactly one of the two is right tell them apart (McNemar 1947). Among all N images
 * there are B that only the reference gets right (lost) and C that only the candidate does (gained). Null
 * hypothesis: B - C <= most. Of M = B + C such images m were seen; given M and m, the number of lost ones among
 * them is hypergeometric, exactly. M is unknown: it is taken from a Clopper-Pearson-like interval that misses it
 * with a small probability, which is added to the largest probability inside (Berger and Boos,
 * JASA 89, 1994). Nothing is approximated, so the error is at most what is asked for. */
#ifndef AP_NN_PAIRED_H
#define AP_NN_PAIRED_H
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct {
  size_t population;     /* images of the whole split */
  double *log_factorial; /* [population + 1] */
} ap_paired;

AP_NODISCARD ap_status ap_paired_init(ap_paired *p, size_t population, ap_error *err);
void ap_paired_release(ap_paired *p);

/* P value of the hypothesis that among all images lost - gained <= most, after n <= population images of which
 * `lost` only the reference and `gained` only the candidate got right (lost + gained <= n). interval: probability
 * with which the interval of M may miss it, in (0, 1); it is part of the result. */
double ap_paired_p_value(const ap_paired *p, size_t n, size_t lost, size_t gained, double most,
                         double interval);

AP_EXTERN_C_END
#endif
