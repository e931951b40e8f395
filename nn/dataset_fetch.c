/* nn/dataset_fetch.c - download, unpack, check, rename. */
#include "nn/dataset_fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/progress.h"
#include "nn/dataset_places.h"
#include "nn/fetch_impl.h"

#define MAX_FILES 16 /* of a publication */

/* The temporary folder under the root, and what may be in it. */
typedef struct {
  const ap_publication *what;
  char *temporary, *archive, *unpacked, *replaced, *target;
} job;

/* Deletes the published files of a folder, then the folder if nothing else is in it. */
static void remove_files(const ap_publication *what, const char *dir) {
  for (size_t i = 0; i < what->n_files; i++) {
    char *path = ap_path_join(dir, what->files[i].name);
    if (path) (void)unlink(path);
    ap_free(path);
  }
  (void)rmdir(dir);
}

static void job_release(job *j) {
  if (j->archive) (void)unlink(j->archive);
  if (j->unpacked) remove_files(j->what, j->unpacked);
  if (j->temporary) (void)rmdir(j->temporary);
  ap_free(j->temporary);
  ap_free(j->archive);
  ap_free(j->unpacked);
  ap_free(j->replaced);
  ap_free(j->target);
}

/* Is the file there, plain or packed, with its published content? */
static bool is_published(const char *dir, const ap_published_file *file) {
  static const char *const endings[] = {"", ".xz", ".gz"};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    char *path = ap_sprintf("%s/%s%s", dir, file->name, endings[i]);
    bool there = path && ap_file_exists(path);
    bool good = there && !ap_check_sha1(path, file->sha1, NULL);
    ap_free(path);
    if (there) return good;
  }
  return false;
}

static bool complete(const ap_publication *what, const char *dir) {
  bool good = ap_dir_exists(dir);
  for (size_t i = 0; i < what->n_files && good; i++) good = is_published(dir, &what->files[i]);
  return good;
}

/* Makes the temporary folder, in the root so that renaming works. */
static ap_status job_begin(job *j, const char *root, ap_error *err) {
  ap_status st = ap_dir_create(root, err);
  if (st) return st;
  j->temporary = ap_path_join(root, ".fetch-XXXXXX");
  if (!j->temporary) return ap_fail(err, AP_ERR_MEMORY, "paths of %s", j->what->folder);
  if (!mkdtemp(j->temporary)) {
    st = ap_fail(err, AP_ERR_IO, "%s: cannot make a folder: %s", root, strerror(errno));
    ap_free(j->temporary);
    j->temporary = NULL;
    return st;
  }
  j->archive = ap_path_join(j->temporary, "archive.tar.gz");
  j->unpacked = ap_path_join(j->temporary, j->what->folder);
  j->replaced = ap_path_join(root, ".replaced-XXXXXX");
  if (!j->archive || !j->unpacked || !j->replaced)
    return ap_fail(err, AP_ERR_MEMORY, "paths of %s", j->what->folder);
  return AP_OK;
}

static ap_status download(const job *j, const char *url, bool bar, ap_error *err) {
  const char *const curl[] = {"curl",
                              "--fail",
                              "--location",
                              bar ? "--progress-bar" : "--silent",
                              "--show-error",
                              "--output",
                              j->archive,
                              "--",
                              url,
                              NULL};
  const char *const wget[] = {
      "wget", "--no-verbose", bar ? "--show-progress" : "--no-verbose", "-O", j->archive, "--", url,
      NULL};
  const char *const *const tools[] = {curl, wget};
  for (int i = 0; i < 2; i++) {
    bool started;
    int status;
    ap_status st = ap_run_program(tools[i], &started, &status, err);
    if (st) return st;
    if (!started) continue;
    if (ap_interrupted()) return ap_fail(err, AP_ERR_INTERRUPTED, "%s: interrupted", url);
    if (status == 0) return AP_OK;
    return ap_fail(
        err, AP_ERR_IO,
        "%s: %s failed with status %d: no network, or the server refuses; the archive can "
        "also be downloaded elsewhere and unpacked to %s",
        url, tools[i][0], status, j->target);
  }
  return ap_fail(err, AP_ERR_IO, "%s: neither curl nor wget is installed: apt-get install curl",
                 url);
}

/* Takes the published files out of the archive, no others, and checks them. */
static ap_status unpack(const job *j, const char *url, ap_error *err) {
  const char *argv[8 + MAX_FILES] = {
      "tar", "-xzf", j->archive, "-C", j->temporary, "--no-same-owner", "--"};
  char *members[MAX_FILES] = {0};
  bool started = false;
  int status = 0;
  ap_status st = AP_OK;
  for (size_t i = 0; i < j->what->n_files && !st; i++) {
    argv[7 + i] = members[i] = ap_path_join(j->what->folder, j->what->files[i].name);
    if (!members[i]) st = ap_fail(err, AP_ERR_MEMORY, "list of files");
  }
  if (!st) st = ap_run_program(argv, &started, &status, err);
  for (size_t i = 0; i < j->what->n_files; i++) ap_free(members[i]);
  if (st) return st;
  if (!started) return ap_fail(err, AP_ERR_IO, "tar is not installed: apt-get install tar");
  if (ap_interrupted()) return ap_fail(err, AP_ERR_INTERRUPTED, "%s: interrupted", url);
  if (status != 0)
    return ap_fail(err, AP_ERR_FORMAT, "%s: tar failed with status %d: not the expected archive",
                   url, status);
  for (size_t i = 0; i < j->what->n_files && !st; i++) {
    char *path = ap_path_join(j->unpacked, j->what->files[i].name);
    st = path ? ap_check_sha1(path, j->what->files[i].sha1, err)
              : ap_fail(err, AP_ERR_MEMORY, "path of %s", j->what->files[i].name);
    ap_free(path);
  }
  return st;
}

/* Renames the checked folder to its place; a folder that is there steps aside first. */
static ap_status put_in_place(job *j, ap_error *err) {
  bool aside = false;
  if (ap_dir_exists(j->target)) {
    if (!mkdtemp(j->replaced) || rename(j->target, j->replaced) != 0)
      return ap_fail(err, AP_ERR_IO, "%s: cannot be replaced: %s", j->target, strerror(errno));
    aside = true;
  }
  if (rename(j->unpacked, j->target) != 0) {
    int reason = errno;
    if (aside) (void)rename(j->replaced, j->target);
    return ap_fail(err, AP_ERR_IO, "%s: cannot be renamed to: %s", j->target, strerror(reason));
  }
  if (aside) remove_files(j->what, j->replaced); /* files of other names are kept there */
  return AP_OK;
}

ap_status ap_fetch_publication(const ap_publication *publication, const char *root,
                               const ap_fetch_options *options, char **dir, ap_error *err) {
  const ap_fetch_options none = {0};
  job j = {.what = publication};
  *dir = NULL;
  if (!options) options = &none;
  if (publication->n_files > MAX_FILES)
    return ap_fail(err, AP_ERR_INTERNAL, "%s: too many files", publication->folder);
  const char *url = options->url ? options->url : publication->url;
  ap_status st = AP_OK;
  j.target = ap_path_join(root, publication->folder);
  if (!j.target) return ap_fail(err, AP_ERR_MEMORY, "path of %s", publication->folder);
  if (!complete(publication, j.target)) {
    if (ap_dir_exists(j.target) && !options->force) {
      st =
          ap_fail(err, AP_ERR_ARG,
                  "%s: exists, and is not the published data; use --force to replace it", j.target);
      goto done;
    }
    st = job_begin(&j, root, err);
    if (!st) st = download(&j, url, !options->quiet && isatty(STDERR_FILENO), err);
    if (!st) st = unpack(&j, url, err);
    if (!st) st = put_in_place(&j, err);
    if (st) goto done;
  }
  *dir = j.target;
  j.target = NULL;
done:
  job_release(&j);
  return st;
}

ap_status ap_dataset_fetch(const char *name, const ap_fetch_options *options, char **dir,
                           ap_error *err) {
  const char *set = getenv("AUTOPRUNE_DATA"), *advice = name ? ap_dataset_advice(name) : NULL;
  char *root = NULL;
  ap_status st = AP_OK;
  *dir = NULL;
  if (!name || strcmp(name, "cifar10") != 0)
    return ap_fail(err, AP_ERR_UNSUPPORTED, "%s: only cifar10 can be fetched%s%s",
                   name ? name : "(none)", advice ? "; to get this set: " : "",
                   advice ? advice : "");
  if (set && *set) {
    root = ap_strdup(set);
    if (!root) st = ap_fail(err, AP_ERR_MEMORY, "path of the data folder");
  } else {
    st = ap_dataset_cache_dir(&root, err);
  }
  if (!st) st = ap_fetch_publication(ap_cifar10_publication(), root, options, dir, err);
  ap_free(root);
  return st;
}
