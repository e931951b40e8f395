#include "nn/checkpoint.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

#define MAGIC "APCKPT01"
#define MAGIC_BYTES 8
#define HEAD_BYTES (MAGIC_BYTES + sizeof(uint64_t))
#define HASH_BYTES (AP_SHA256_TEXT - 1)
#define MAX_HEADER_BYTES 65536

static char *header_text(json_t *run, const ap_train_progress *p) {
  char *text = NULL;
  json_t *header =
      json_pack("{s:O, s:{s:I, s:f, s:I, s:I, s:f}}", "run", run, "progress", "step",
                (json_int_t)p->step, "loss", p->loss, "correct", (json_int_t)p->correct, "images",
                (json_int_t)p->images, "seconds", p->seconds);
  if (header) text = json_dumps(header, JSON_COMPACT | JSON_REAL_PRECISION(17));
  json_decref(header);
  return text;
}

ap_status ap_checkpoint_write(const char *path, json_t *run, const ap_train_progress *progress,
                              const float *state, size_t count, ap_error *err) {
  ap_status st = AP_OK;
  char *text = header_text(run, progress), *file = NULL;
  size_t length = text ? strlen(text) : 0;
  size_t body = HEAD_BYTES + length + count * sizeof *state;
  char hash[AP_SHA256_TEXT];
  uint64_t stored = length;
  if (text) file = ap_calloc(body + HASH_BYTES, 1);
  if (!file) {
    st = ap_fail(err, AP_ERR_MEMORY, "checkpoint of %zu bytes", body);
    goto done;
  }
  memcpy(file, MAGIC, MAGIC_BYTES);
  memcpy(file + MAGIC_BYTES, &stored, sizeof stored);
  memcpy(file + HEAD_BYTES, text, length);
  if (count > 0) memcpy(file + HEAD_BYTES + length, state, count * sizeof *state);
  ap_sha256(file, body, hash);
  memcpy(file + body, hash, HASH_BYTES);
  st = ap_file_write(path, file, body + HASH_BYTES, true, err);
done:
  ap_free(file);
  free(text);
  return st;
}

static void value_text(const json_t *value, char text[128]) {
  char *dump = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
  (void)snprintf(text, 128, "%s", dump ? dump : "absent");
  free(dump);
}

static ap_status compare_runs(const char *path, const json_t *theirs, json_t *ours, ap_error *err) {
  const char *key;
  json_t *value;
  json_object_foreach(ours, key, value) {
    json_t *other = json_object_get(theirs, key);
    char there[128], here[128];
    if (other && json_equal(other, value)) continue;
    value_text(other, there);
    value_text(value, here);
    return ap_fail(err, AP_ERR_FORMAT,
                   "%s: a checkpoint of another run: its %s is %s, this run's is %s", path, key,
                   there, here);
  }
  return AP_OK;
}

static ap_status read_progress(const char *path, const json_t *object, ap_train_progress *p,
                               ap_error *err) {
  const double most = 1e300;
  const size_t many = SIZE_MAX / 4;
  ap_status st = AP_OK;
  st = ap_json_size(object, "step", 0, many, path, &p->step, err);
  if (!st) st = ap_json_number(object, "loss", -most, most, path, &p->loss, err);
  if (!st) st = ap_json_size(object, "correct", 0, many, path, &p->correct, err);
  if (!st) st = ap_json_size(object, "images", 0, many, path, &p->images, err);
  if (!st) st = ap_json_number(object, "seconds", 0, most, path, &p->seconds, err);
  return st;
}

/* Where the state begins in a file whose checksum is right. */
static ap_status check_file(const char *path, const char *file, size_t size, size_t *header_bytes,
                            ap_error *err) {
  char hash[AP_SHA256_TEXT];
  uint64_t stored;
  if (size < HEAD_BYTES + HASH_BYTES || memcmp(file, MAGIC, MAGIC_BYTES) != 0) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: not a checkpoint (it begins without %s)", path, MAGIC);
  }
  ap_sha256(file, size - HASH_BYTES, hash);
  if (memcmp(hash, file + size - HASH_BYTES, HASH_BYTES) != 0) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: damaged: the checksum does not match", path);
  }
  memcpy(&stored, file + MAGIC_BYTES, sizeof stored);
  if (stored > MAX_HEADER_BYTES || stored > size - HEAD_BYTES - HASH_BYTES) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: header of %llu bytes in a file of %zu", path,
                   (unsigned long long)stored, size);
  }
  *header_bytes = (size_t)stored;
  return AP_OK;
}

ap_status ap_checkpoint_read(const char *path, json_t *run, ap_train_progress *progress,
                             float *state, size_t count, ap_error *err) {
  ap_status st = AP_OK;
  char *file = NULL;
  json_t *header = NULL;
  size_t size = 0, length = 0, state_bytes = count * sizeof *state;
  ap_train_progress p = {0};
  st = ap_file_read(path, SIZE_MAX / 4, &file, &size, err);
  if (!st) st = check_file(path, file, size, &length, err);
  if (!st) st = ap_json_parse(file + HEAD_BYTES, length, path, &header, err);
  if (!st) st = compare_runs(path, json_object_get(header, "run"), run, err);
  if (!st) st = read_progress(path, json_object_get(header, "progress"), &p, err);
  if (!st && size - HEAD_BYTES - length - HASH_BYTES != state_bytes) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: %zu bytes of state, this network has %zu", path,
                 size - HEAD_BYTES - length - HASH_BYTES, state_bytes);
  }
  if (!st) {
    if (state_bytes > 0) memcpy(state, file + HEAD_BYTES + length, state_bytes);
    *progress = p;
  }
  json_decref(header);
  ap_free(file);
  return st;
}
