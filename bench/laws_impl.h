/* bench/laws_impl.h - one network priced under every converter law: a conclusion that holds under one
 * law alone is a conclusion about that law (docs/NUMBERS.md#adc-laws). */
#ifndef AP_BENCH_LAWS_IMPL_H
#define AP_BENCH_LAWS_IMPL_H
#include <jansson.h>

#include "base/status.h"
#include "mapper/vectors.h"
#include "nn/network.h"
#include "reram_model/tech.h"

/* [{"law", "area_mm2", "energy_uj"}, ...], the technology's own law first; laws that do not cover its
 * converter's width are left out. net: folded. *out is a new reference. */
AP_NODISCARD ap_status ap_law_prices(const ap_network *net, const ap_tech *tech,
                                     ap_granularity granularity, json_t **out, ap_error *err);
#endif
