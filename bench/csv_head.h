/* bench/csv_head.h - the provenance of a result on top of its CSV file. */
#ifndef AP_BENCH_CSV_HEAD_H
#define AP_BENCH_CSV_HEAD_H
#include <jansson.h>

#include "base/csv.h"
AP_EXTERN_C_BEGIN

/* One line "# key: value" for every member of a JSON object; objects and arrays as compact JSON. */
void ap_csv_head(ap_csv *csv, const json_t *provenance);

AP_EXTERN_C_END
#endif
