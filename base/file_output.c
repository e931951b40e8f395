/* ap_output: a file written under a temporary name and renamed when it is complete. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

struct ap_output {
  char *path; /* symbolic links resolved, so that a link stays a link */
  char *temporary;
  FILE *stream;
  bool force;
  bool made; /* the temporary exists */
};

static ap_status exists_error(ap_error *err, const char *path) {
  return ap_fail(err, AP_ERR_ARG, "%s: the file exists; use --force to replace it", path);
}

/* Where the file is to lie. Renaming over a device such as /dev/null would replace the device. */
static ap_status resolve(const char *path, bool force, char **out, mode_t *mode, ap_error *err) {
  struct stat info;
  char *resolved;
  *mode = 0;
  if (path[0] == '\0') return ap_fail(err, AP_ERR_ARG, "the name of an output file is empty");
  if (stat(path, &info) != 0) {
    *out = ap_strdup(path);
    return *out ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "%s: path", path);
  }
  if (!S_ISREG(info.st_mode)) {
    return ap_fail(err, AP_ERR_ARG, "%s: %s, a regular file was expected", path,
                   S_ISDIR(info.st_mode) ? "is a directory" : "is a device, pipe or socket");
  }
  if (!force) return exists_error(err, path);
  *mode = info.st_mode & 0777;
  resolved = realpath(path, NULL);
  *out = ap_strdup(resolved ? resolved : path);
  free(resolved);
  return *out ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "%s: path", path);
}

/* Is `name` a temporary of `base`, BASE.NUMBER.tmp, of a process that is not there any more? */
static bool is_leftover(const char *name, const char *base) {
  size_t n = strlen(base);
  char *end;
  long process;
  if (strncmp(name, base, n) != 0 || name[n] != '.') return false;
  if (!isdigit((unsigned char)name[n + 1])) return false;
  errno = 0;
  process = strtol(name + n + 1, &end, 10);
  if (errno || process <= 0 || strcmp(end, ".tmp") != 0) return false;
  return kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

/* Removes what killed processes left of this file. A process of another machine or container has a
 * number that means nothing here, but holds a lock on what it writes. */
static void remove_leftovers(const char *path) {
  const char *slash = strrchr(path, '/');
  char folder[4096] = ".";
  const struct dirent *entry;
  DIR *dir;
  if (slash && (size_t)(slash - path) + 2 > sizeof folder) return;
  if (slash) (void)snprintf(folder, sizeof folder, "%.*s/", (int)(slash - path), path);
  dir = opendir(folder);
  while (dir && (entry = readdir(dir)) != NULL) {
    int fd = -1;
    if (!is_leftover(entry->d_name, slash ? slash + 1 : path)) continue;
    fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) continue;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) (void)unlinkat(dirfd(dir), entry->d_name, 0);
    (void)close(fd);
  }
  if (dir) (void)closedir(dir);
}

ap_status ap_output_open(const char *path, bool force, ap_output **out, ap_error *err) {
  ap_output *output;
  mode_t mode;
  int fd = -1;
  ap_status st;
  *out = NULL;
  output = ap_calloc(1, sizeof *output);
  if (!output) return ap_fail(err, AP_ERR_MEMORY, "%s: output record", path);
  output->force = force;
  st = resolve(path, force, &output->path, &mode, err);
  if (st) goto done;
  output->temporary = ap_sprintf("%s.%ld.tmp", output->path, (long)getpid());
  if (!output->temporary) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s: path", path);
    goto done;
  }
  /* One of this name was left by a killed process with our number. */
  (void)unlink(output->temporary);
  remove_leftovers(output->path);
  fd = open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) {
    st = ap_fail(err, AP_ERR_IO, "%s: cannot create: %s", path, strerror(errno));
    goto done;
  }
  output->made = true;
  (void)flock(fd, LOCK_EX | LOCK_NB); /* says to remove_leftovers that somebody is writing */
  if (mode) (void)fchmod(fd, mode);
  output->stream = fdopen(fd, "wb");
  if (!output->stream) {
    st = ap_fail(err, AP_ERR_IO, "%s: cannot open a stream: %s", path, strerror(errno));
    goto done;
  }
  fd = -1;
  *out = output;
  output = NULL;
done:
  if (fd >= 0) (void)close(fd);
  ap_output_abandon(output);
  return st;
}

FILE *ap_output_stream(ap_output *output) { return output->stream; }

/* Everything written so far on the disk; 0, or the reason as an errno. */
static int flush(FILE *stream) {
  if (ferror(stream)) {
    /* The reason of an earlier failure is lost; the file is too, so one more byte may ask again. */
    clearerr(stream);
    errno = 0;
    if (fputc(0, stream) == EOF || fflush(stream) != 0) return errno ? errno : EIO;
    return EIO;
  }
  if (fflush(stream) != 0) return errno;
  /* EINVAL, ENOTSUP: a file system that has no such operation. */
  if (fsync(fileno(stream)) != 0 && errno != EINVAL && errno != ENOTSUP) return errno;
  return 0;
}

static int move_into_place(const ap_output *output) {
  if (!output->force) {
    if (renameat2(AT_FDCWD, output->temporary, AT_FDCWD, output->path, RENAME_NOREPLACE) == 0) {
      return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) return errno;
  }
  return rename(output->temporary, output->path) == 0 ? 0 : errno;
}

/* Makes the new name last through a power cut; a file system that refuses keeps working. */
static void sync_folder(const char *path) {
  char *folder = ap_strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
  int fd;
  if (slash) slash[slash == folder ? 1 : 0] = '\0';
  fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    (void)fsync(fd);
    (void)close(fd);
  }
  ap_free(folder);
}

ap_status ap_output_commit(ap_output *output, ap_error *err) {
  ap_status st = AP_OK;
  int reason = flush(output->stream);
  if (fclose(output->stream) != 0 && !reason) reason = errno;
  output->stream = NULL;
  if (reason) {
    st = ap_fail(err, AP_ERR_IO, "%s: cannot write: %s", output->path, strerror(reason));
    goto done;
  }
  reason = move_into_place(output);
  if (reason == EEXIST) {
    st = exists_error(err, output->path);
  } else if (reason) {
    st = ap_fail(err, AP_ERR_IO, "%s: cannot rename: %s", output->path, strerror(reason));
  } else {
    output->made = false;
    sync_folder(output->path);
  }
done:
  ap_output_abandon(output);
  return st;
}

void ap_output_abandon(ap_output *output) {
  if (!output) return;
  if (output->stream) (void)fclose(output->stream);
  if (output->temporary && output->made) (void)unlink(output->temporary);
  ap_free(output->path);
  ap_free(output->temporary);
  ap_free(output);
}

ap_status ap_file_write(const char *path, const void *data, size_t size, bool force,
                        ap_error *err) {
  ap_output *output = NULL;
  ap_status st = ap_output_open(path, force, &output, err);
  if (st) return st;
  if (size > 0) (void)fwrite(data, 1, size, ap_output_stream(output));
  return ap_output_commit(output, err);
}
