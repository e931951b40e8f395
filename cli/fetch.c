#include "cli/fetch.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "nn/dataset_places.h"

extern char **environ;

/* The binary version on the data set's page (cs.toronto.edu/~kriz/cifar.html). */
#define CIFAR10_URL "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
#define CIFAR10_BYTES ((size_t)170052171)
#define CIFAR10_SHA256 "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
#define CIFAR10_FOLDER "cifar-10-batches-bin" /* inside the archive, and in the cache */

/* Runs a program found in PATH. *missing: there is none of that name. */
static ap_status run_program(char *const argv[], bool *missing, ap_error *err) {
  pid_t child;
  int state = 0, failure = posix_spawnp(&child, argv[0], NULL, NULL, argv, environ);
  *missing = failure == ENOENT;
  if (failure) return ap_fail(err, AP_ERR_IO, "%s: %s", argv[0], strerror(failure));
  while (waitpid(child, &state, 0) < 0) {
    if (errno != EINTR) return ap_fail(err, AP_ERR_IO, "%s: %s", argv[0], strerror(errno));
  }
  if (WIFSIGNALED(state) && (WTERMSIG(state) == SIGINT || WTERMSIG(state) == SIGTERM)) {
    return ap_fail(err, AP_ERR_INTERRUPTED, "%s was interrupted", argv[0]);
  }
  if (!WIFEXITED(state) || WEXITSTATUS(state) == 127) *missing = true;
  if (state != 0) {
    return ap_fail(err, AP_ERR_IO, "%s failed (exit status %d)", argv[0], WEXITSTATUS(state));
  }
  return AP_OK;
}

static ap_status download(const char *url, char *path, bool quiet, ap_error *err) {
  char *link = ap_strdup(url), curl[] = "curl", wget[] = "wget", fail[] = "-fL", silent[] = "-sS",
       bar[] = "-#", to[] = "-o", to_file[] = "-O", hush[] = "-q", plain[] = "-nv";
  char *const with_curl[] = {curl, fail, quiet ? silent : bar, to, path, link, NULL};
  char *const with_wget[] = {wget, quiet ? hush : plain, to_file, path, link, NULL};
  bool missing = false;
  ap_status st;
  if (!link) return ap_fail(err, AP_ERR_MEMORY, "address of the download");
  st = run_program(with_curl, &missing, err);
  if (st && missing) st = run_program(with_wget, &missing, err);
  if (st && missing) {
    st = ap_fail(err, AP_ERR_IO, "neither curl nor wget is installed: apt-get install curl");
  } else if (st && st != AP_ERR_INTERRUPTED) {
    (void)ap_fail_context(err, st, "%s", url);
  }
  ap_free(link);
  return st;
}

static ap_status check_archive(const char *path, ap_error *err) {
  char *data = NULL, text[AP_SHA256_TEXT];
  size_t size = 0;
  ap_status st = ap_file_read(path, CIFAR10_BYTES, &data, &size, err);
  if (st) return st;
  ap_sha256(data, size, text);
  if (size != CIFAR10_BYTES || strcmp(text, CIFAR10_SHA256) != 0) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: %zu bytes with SHA-256 %s, expected %zu with %s",
                 CIFAR10_URL, size, text, CIFAR10_BYTES, CIFAR10_SHA256);
  }
  ap_free(data);
  return st;
}

static ap_status unpack(char *archive, char *into, ap_error *err) {
  char tar[] = "tar", extract[] = "-xzf", change[] = "-C";
  char *const argv[] = {tar, extract, archive, change, into, NULL};
  bool missing = false;
  ap_status st = ap_dir_create(into, err);
  return st ? st : run_program(argv, &missing, err);
}

static void remove_tree(char *path) {
  char rm[] = "rm", force[] = "-rf", end[] = "--";
  char *const argv[] = {rm, force, end, path, NULL};
  bool missing = false;
  (void)!run_program(argv, &missing, NULL);
}

static ap_status fetch_cifar10(bool quiet, char **dir, ap_error *err) {
  char *cache = NULL, *work = NULL, *archive = NULL, *unpacked = NULL, *target = NULL;
  const char *own = getenv("AUTOPRUNE_DATA");
  ap_status st = AP_OK;
  if (own && *own) {
    cache = ap_strdup(own);
    if (!cache) st = ap_fail(err, AP_ERR_MEMORY, "path of the data");
  } else {
    st = ap_dataset_cache_dir(&cache, err);
  }
  if (st) return st;
  work = ap_sprintf("%s/cifar10.%ld.tmp", cache, (long)getpid());
  if (work) {
    archive = ap_path_join(work, "archive.tar.gz");
    unpacked = ap_path_join(work, CIFAR10_FOLDER);
  }
  target = ap_path_join(cache, CIFAR10_FOLDER);
  if (!archive || !unpacked || !target) {
    st = ap_fail(err, AP_ERR_MEMORY, "paths of the download");
    goto done;
  }
  if (ap_dir_exists(target)) goto finish;
  st = ap_dir_create(work, err);
  if (!st) st = download(CIFAR10_URL, archive, quiet, err);
  if (!st) st = check_archive(archive, err);
  if (!st) st = unpack(archive, work, err);
  if (!st && rename(unpacked, target) != 0) {
    st = ap_fail(err, AP_ERR_IO, "%s: %s", target, strerror(errno));
  }
  remove_tree(work);
finish:
  if (!st) {
    *dir = target;
    target = NULL;
  }
done:
  ap_free(cache);
  ap_free(work);
  ap_free(archive);
  ap_free(unpacked);
  ap_free(target);
  return st;
}

ap_status ap_fetch(const char *name, bool quiet, char **dir, ap_error *err) {
  const char *advice = ap_dataset_advice(name);
  *dir = NULL;
  if (!advice) {
    return ap_fail(err, AP_ERR_ARG,
                   "unknown data set \"%s\" (known: fashion-mnist, mnist, cifar10)", name);
  }
  if (strcmp(name, "cifar10") != 0) {
    return ap_fail(err, AP_ERR_UNSUPPORTED, "%s is not downloaded here; to get it: %s", name,
                   advice);
  }
  return fetch_cifar10(quiet, dir, err);
}
