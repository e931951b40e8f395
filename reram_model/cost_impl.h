/* reram_model/cost_impl.h - inside the room: rules that layers and the chip's table share. */
#ifndef AP_RERAM_MODEL_COST_IMPL_H
#define AP_RERAM_MODEL_COST_IMPL_H
#include "base/status.h"
#include "reram_model/tech.h"

/* Units that `crossbars` crossbars need of a part that is not a share of an IMA or tile. Of the added
 * parts: one a crossbar, where there is any. */
double ap_part_units(const ap_tech *tech, ap_part part, double crossbars);

/* Energy and area of a converter as wide as the array needs, relative to component.adc. Errors: ARG, which
 * no tech gives that was loaded. */
AP_NODISCARD ap_status ap_converter_factors(const ap_tech *tech, double *energy, double *area,
                                            ap_error *err);

/* One read of an OU: the array's cycle, or longer where its bitlines wait for the crossbar's converters. */
double ap_read_ns(const ap_tech *tech);

#endif
