/* nn/model_find.c - where the file of a model is. */
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "nn/model_file.h"
#include "nn/onnx.h"

/* Takes ownership of `candidate`: true where it is a file, which goes to *path. */
static bool take(char *candidate, char **path) {
  if (candidate && ap_file_exists(candidate)) {
    *path = candidate;
    return true;
  }
  ap_free(candidate);
  return false;
}

static bool find_shipped(const char *name, char **path) {
  enum { LEVELS = 5 };
  char folder[4096];
  if (take(ap_sprintf("results/models/%s.apm", name), path)) return true;
  ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
  if (length <= 0) return false;
  folder[length] = '\0';
  for (int level = 0; level <= LEVELS; level++) {
    char *slash = strrchr(folder, '/');
    if (!slash) return false;
    *slash = '\0'; /* the program's folder, then those above */
    if (level == 1 && take(ap_sprintf("%s/share/autoprune/models/%s.apm", folder, name), path))
      return true;
    if (take(ap_sprintf("%s/results/models/%s.apm", folder, name), path)) return true;
  }
  return false;
}

/* A path, or the ending of a model file: not the name of a shipped one. */
static bool names_file(const char *name) {
  const size_t n = strlen(name);
  return strchr(name, '/') || ap_onnx_is_name(name) || (n > 4 && strcmp(name + n - 4, ".apm") == 0);
}

ap_status ap_model_find(const char *name, char **path, ap_error *err) {
  *path = NULL;
  if (!name || !*name) return ap_fail(err, AP_ERR_ARG, "a model needs a name or a file");
  if (take(ap_strdup(name), path)) return AP_OK;
  if (names_file(name)) return ap_file_absent(name, "", err);
  if (find_shipped(name, path)) return AP_OK;
  if (ap_dir_exists(name)) return ap_file_absent(name, "", err);
  return ap_fail(err, AP_ERR_IO,
                 "%s: neither a file nor a shipped model (results/models/%s.apm, "
                 "share/autoprune/models/%s.apm)",
                 name, name, name);
}
