/* bench/cell_check_impl.h - whether a stored cell has all that is read of it, of the right kind. */
#ifndef AP_BENCH_CELL_CHECK_IMPL_H
#define AP_BENCH_CELL_CHECK_IMPL_H
#include <jansson.h>

#include "base/status.h"

/* cell: with the "config" that was looked for, whose hash is given; path: of its file.
 * Errors: FORMAT naming file, member, and what is expected there. */
AP_NODISCARD ap_status ap_cell_check(const json_t *cell, const char *hash, const char *path,
                                     ap_error *err);
#endif
