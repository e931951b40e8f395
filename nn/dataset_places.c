/* nn/dataset_places.c - from a data set's name to its folder. */
#include "nn/dataset_places.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "nn/dataset_impl.h"

typedef struct {
  const char *name;
  const char *folders[5]; /* up to a NULL */
  bool (*present)(const char *dir);
  const char *advice;
} known_set;

static const known_set known[] = {
    {"fashion-mnist",
     {"fashion-mnist", "fashion_mnist", "FashionMNIST", "FashionMNIST/raw"},
     ap_idx_present,
     "apt-get install dataset-fashion-mnist"},
    {"mnist",
     {"mnist", "MNIST", "MNIST/raw"},
     ap_idx_present,
     "put the four IDX files (train-images-idx3-ubyte.gz, ...) into a folder mnist of "
     "$AUTOPRUNE_DATA"},
    {"cifar10",
     {"cifar10", "cifar-10-batches-bin", "cifar-10"},
     ap_cifar_present,
     "autoprune data fetch cifar10"},
};
#define N_KNOWN (sizeof known / sizeof *known)
#define N_PLACES 4

static const known_set *find_known(const char *name) {
  for (size_t i = 0; i < N_KNOWN; i++) {
    if (strcmp(known[i].name, name) == 0) return &known[i];
  }
  return NULL;
}

const char *ap_dataset_known(size_t i) { return i < N_KNOWN ? known[i].name : NULL; }

const char *ap_dataset_advice(const char *name) {
  const known_set *set = find_known(name);
  return set ? set->advice : NULL;
}

ap_status ap_dataset_cache_dir(char **dir, ap_error *err) {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  *dir = NULL;
  if (cache && cache[0] == '/') {
    *dir = ap_path_join(cache, "autoprune");
  } else if (home && *home) {
    *dir = ap_path_join(home, ".cache/autoprune");
  } else {
    return ap_fail(err, AP_ERR_IO, "neither HOME nor XDG_CACHE_HOME is set: no cache folder");
  }
  return *dir ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "path of the cache folder");
}

static void release_places(char *places[N_PLACES]) {
  for (size_t i = 0; i < N_PLACES; i++) ap_free(places[i]);
}

/* The folders to look in, in order; an entry is NULL where there is no such place. */
static ap_status list_places(char *places[N_PLACES], ap_error *err) {
  const char *set = getenv("AUTOPRUNE_DATA");
  memset(places, 0, N_PLACES * sizeof *places);
  if (set && *set && !(places[0] = ap_strdup(set))) goto memory;
  if (ap_dataset_cache_dir(&places[1], NULL) == AP_ERR_MEMORY) goto memory;
  places[2] = ap_strdup("/usr/local/share/datasets");
  places[3] = ap_strdup("/usr/share/datasets");
  if (!places[2] || !places[3]) goto memory;
  return AP_OK;
memory:
  release_places(places);
  return ap_fail(err, AP_ERR_MEMORY, "places of data sets");
}

/* *dir stays NULL where the set is in none of the places. */
static ap_status look(const known_set *set, char *const places[N_PLACES], char **dir,
                      ap_error *err) {
  *dir = NULL;
  for (size_t p = 0; p < N_PLACES; p++) {
    for (size_t f = 0; places[p] && set->folders[f]; f++) {
      char *path = ap_path_join(places[p], set->folders[f]);
      if (!path) return ap_fail(err, AP_ERR_MEMORY, "path of %s", set->name);
      if (set->present(path)) {
        *dir = path;
        return AP_OK;
      }
      ap_free(path);
    }
  }
  return AP_OK;
}

static ap_status find_folder(const char *name, char **dir, ap_error *err) {
  if (!ap_dir_exists(name))
    return ap_fail(err, AP_ERR_IO,
                   "%s: neither a folder nor a known data set (fashion-mnist, mnist, cifar10)",
                   name);
  *dir = ap_strdup(name);
  return *dir ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "path of %s", name);
}

ap_status ap_dataset_find(const char *name, char **dir, ap_error *err) {
  char *places[N_PLACES];
  const known_set *set;
  *dir = NULL;
  if (!name || !*name) return ap_fail(err, AP_ERR_ARG, "a data set needs a name or a folder");
  set = find_known(name);
  if (!set) return find_folder(name, dir, err);
  ap_status st = list_places(places, err);
  if (st) return st;
  st = look(set, places, dir, err);
  if (!st && !*dir)
    st = ap_fail(err, AP_ERR_IO,
                 "%s: not found under $AUTOPRUNE_DATA (%s), %s, %s, %s; to get it: %s", name,
                 places[0] ? places[0] : "not set", places[1] ? places[1] : "~/.cache/autoprune",
                 places[2], places[3], set->advice);
  release_places(places);
  return st;
}

ap_status ap_dataset_locations(char **text, ap_error *err) {
  char *places[N_PLACES], *so_far = ap_strdup("");
  *text = NULL;
  ap_status st = list_places(places, err);
  if (st) {
    ap_free(so_far);
    return st;
  }
  for (size_t i = 0; i < N_KNOWN && !st && so_far; i++) {
    char *dir = NULL, *longer;
    st = look(&known[i], places, &dir, err);
    if (st) break;
    longer = ap_sprintf("%s%-14s %s%s\n", so_far, known[i].name,
                        dir ? dir : "not found; to get it: ", dir ? "" : known[i].advice);
    ap_free(dir);
    ap_free(so_far);
    so_far = longer;
  }
  release_places(places);
  if (!st && !so_far) st = ap_fail(err, AP_ERR_MEMORY, "list of data sets");
  if (st) {
    ap_free(so_far);
    return st;
  }
  *text = so_far;
  return AP_OK;
}
