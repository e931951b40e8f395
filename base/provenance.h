/* base/provenance.h - where a result comes from: the build, the machine, the command. */
#ifndef AP_BASE_PROVENANCE_H
#define AP_BASE_PROVENANCE_H
#include <jansson.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

const char *ap_build_version(void);  /* "0.1.0" */
const char *ap_build_commit(void);   /* 40 hex digits, "+dirty" appended; "unknown" without git */
const char *ap_build_compiler(void); /* name, version, build type */

/* A new JSON object: schema, version, commit, compiler, cpu (model and vector extensions), threads
 * of the machine, os, date (UTC), command (argv joined with shell quoting). NULL out of memory. */
json_t *ap_provenance(int argc, char *const *argv);

/* SHA-256 of a JSON value in canonical form (sorted members, compact): the hash of a configuration.
 */
AP_NODISCARD ap_status ap_config_hash(const json_t *config, char text[65], ap_error *err);

AP_EXTERN_C_END
#endif
