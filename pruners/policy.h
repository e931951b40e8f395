/* pruners/policy.h - a policy on disk: how much of each layer is kept, and for whom it was made. */
#ifndef AP_PRUNERS_POLICY_H
#define AP_PRUNERS_POLICY_H
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/network.h"
#include "pruners/level_db.h"
#include "pruners/pruner.h"
#include "reram_model/array.h"
AP_EXTERN_C_BEGIN

typedef struct {
  ap_pruner pruner;
  size_t n_layers;
  struct ap_policy_layer {
    char *name;           /* of the node */
    double keep;          /* vectors kept / vectors */
    size_t n_kept;        /* vectors kept: what counts; keep has to agree within a vector */
    unsigned weight_bits; /* of its own (nn/network.h); 0: none */
    size_t n_vectors;     /* where vectors are named (plug-ins' masks, patterns) ... */
    uint8_t *kept; /* ... n_vectors bytes of 0 or 1; else NULL, and the best n_kept are meant */
  } * layers;
} ap_policy;

AP_NODISCARD ap_status ap_policy_from_levels(const ap_level_db *db, const uint32_t *levels,
                                             ap_policy **out, ap_error *err);
void ap_policy_destroy(ap_policy *policy);

/* JSON {"schema", "pruner", "granularity", "layers": [{"name", "keep", "vectors_kept"}], ...}, and
 * "weight_bits" of layers that have their own. Where vectors are named, a layer has {"vectors", "kept"}, the
 * kept vectors as hexadecimal digits, first vector in the highest bit; a plug-in's policy has {"plugin": ...}
 * and is read without the plug-in.
 * `extra` (may be NULL) members are added (provenance, result). */
AP_NODISCARD ap_status ap_policy_save(const char *path, const ap_policy *policy,
                                      const json_t *extra, bool force, ap_error *err);
/* FORMAT names file and member. */
AP_NODISCARD ap_status ap_policy_load(const char *path, ap_policy **out, ap_error *err);

/* The same kept fraction in every layer: the lowest level that keeps as much, out of levels so fine
 * that each costs an OU more. net: folded. */
AP_NODISCARD ap_status ap_policy_uniform(const ap_network *net, const ap_tech *tech,
                                         const ap_pruner *pruner, double keep, ap_policy **out,
                                         ap_error *err);

/* Gives the network the weight bits that the policy says; layers of which it says nothing keep theirs.
 * To be done before ap_policy_apply: vectors may depend on the bits. ARG when layers differ. */
AP_NODISCARD ap_status ap_policy_set_weight_bits(const ap_policy *policy, ap_network *net,
                                                 ap_error *err);

/* Prunes a folded network in place: per layer the n_kept best vectors by pruners/pruner.h stay, or
 * those that it names. With whole filters or input channels what they make useless in the neighbouring layers becomes 0, too.
 * ARG when layer names or vector counts do not fit the network on this array; or the two numbers of a layer
 * do not agree on how many vectors it has, as where the policy was made for another array. */
AP_NODISCARD ap_status ap_policy_apply(const ap_policy *policy, const ap_array_spec *array,
                                       ap_network *net, ap_error *err);

AP_EXTERN_C_END
#endif
