/* bench/search_job.h - one search from model to files: what `autoprune search` does. */
#ifndef AP_BENCH_SEARCH_JOB_H
#define AP_BENCH_SEARCH_JOB_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/dataset.h"
#include "nn/network.h"
#include "pruners/level_db.h"
#include "reram_model/tech.h"
AP_EXTERN_C_BEGIN

typedef struct {
  const char *searcher; /* agent/searcher.h */
  const char *reward;   /* agent/reward.h */
  ap_level_db_options levels;
  bool repair;     /* least-squares repair of the levels */
  double max_loss; /* absolute accuracy loss allowed on the search split, >= 0 */
  double budget;   /* dense-equivalent image-forwards; 0: by episodes alone */
  size_t episodes; /* 0: the searcher's default */
  size_t parallel; /* 0: the searcher's default */
  size_t images;   /* of the search split; 0: all */
  double
      race_error; /* > 0: candidates that cannot be the best are stopped early, each wrongly with at
                      * most this probability; 0: every candidate sees all images */
  uint64_t seed;
  size_t n_threads;
  const char *backend;   /* of dense passes and candidates: "cpu" */
  const char *precision; /* of candidates on a GPU: "fp32" or "bf16" (nn/evaluator.h) */
  bool integer;          /* candidates are judged in the hardware's integers, else in floats */
  bool force, resume, quiet;
} ap_search_job;
ap_search_job ap_search_job_defaults(void);

/* Writes dir/policy.json (best policy), dir/episodes.csv (all candidates), dir/summary.json
 * (result, times of agent, evaluator, mapper and model apart, provenance); keeps dir/state while
 * unfinished. net: as loaded (BatchNorm unfolded or not). provenance: a JSON object put into every
 * file. *summary (may be NULL): a new reference. *feasible: the best policy meets max_loss. */
AP_NODISCARD ap_status ap_search_job_run(const ap_search_job *job, const ap_network *net,
                                         const ap_dataset *data, const ap_tech *tech,
                                         const char *dir, const json_t *provenance,
                                         json_t **summary, bool *feasible, ap_error *err);

AP_EXTERN_C_END
#endif
