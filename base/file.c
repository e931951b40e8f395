#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static ap_status io_error(ap_error *err, const char *path, const char *action, int reason) {
  return ap_fail(err, AP_ERR_IO, "%s: cannot %s: %s", path, action, strerror(reason));
}

ap_status ap_file_open(const char *path, size_t max_bytes, int *out, size_t *size, ap_error *err) {
  struct stat info;
  /* Without O_NONBLOCK a FIFO would wait for its writer before it can be refused. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  *out = -1;
  if (fd < 0) return io_error(err, path, "open", errno);
  if (fstat(fd, &info) != 0) {
    int reason = errno;
    (void)close(fd);
    return io_error(err, path, "stat", reason);
  }
  if (!S_ISREG(info.st_mode)) {
    (void)close(fd);
    return ap_fail(err, AP_ERR_IO, "%s: %s, a regular file was expected", path,
                   S_ISDIR(info.st_mode) ? "is a directory" : "is a device, pipe or socket");
  }
  if (info.st_size < 0 || (uint64_t)info.st_size > max_bytes) {
    (void)close(fd);
    return ap_fail(err, AP_ERR_FORMAT, "%s: %lld bytes, at most %zu are accepted", path,
                   (long long)info.st_size, max_bytes);
  }
  *out = fd;
  *size = (size_t)info.st_size;
  return AP_OK;
}

ap_status ap_file_read(const char *path, size_t max_bytes, char **data, size_t *size,
                       ap_error *err) {
  char *bytes = NULL;
  size_t used = 0, room = 0;
  int fd = -1;
  ap_status st;
  *data = NULL;
  *size = 0;
  st = ap_file_open(path, max_bytes, &fd, &room, err);
  if (st) return st;
  bytes = ap_calloc(room + 1, 1);
  if (!bytes) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s: %zu bytes", path, room);
    goto done;
  }
  /* Read up to the end, not up to the size seen: the file may be growing, and files under /proc
   * claim to have none. The byte past the size shows the end. */
  for (;;) {
    ssize_t got;
    if (used > room) {
      char *grown = ap_realloc(bytes, room + room / 2 + 4096 + 1, 1);
      if (!grown) {
        st = ap_fail(err, AP_ERR_MEMORY, "%s: more than %zu bytes", path, room);
        goto done;
      }
      bytes = grown;
      room += room / 2 + 4096;
    }
    got = read(fd, bytes + used, room + 1 - used);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      st = io_error(err, path, "read", errno);
      goto done;
    }
    used += (size_t)got;
    if (used > max_bytes) {
      st = ap_fail(err, AP_ERR_FORMAT, "%s: more than the %zu bytes that are accepted", path,
                   max_bytes);
      goto done;
    }
  }
  bytes[used] = '\0';
  *data = bytes;
  *size = used;
  bytes = NULL;
done:
  (void)close(fd);
  ap_free(bytes);
  return st;
}

bool ap_file_exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

ap_status ap_file_absent(const char *path, const char *hint, ap_error *err) {
  struct stat info;
  const int reason = stat(path, &info) == 0 ? 0 : errno;
  if (!reason && S_ISDIR(info.st_mode)) {
    return ap_fail(err, AP_ERR_IO, "%s: is a directory, a regular file was expected", path);
  }
  if (reason && reason != ENOENT) return io_error(err, path, "open", reason);
  return ap_fail(err, AP_ERR_IO, "%s: no such file%s", path, hint);
}

ap_status ap_file_start(const char *path, char *start, size_t n, size_t *got, ap_error *err) {
  size_t size = 0;
  ssize_t one = 1;
  int fd = -1;
  ap_status st = ap_file_open(path, SIZE_MAX, &fd, &size, err);
  *got = 0;
  if (st) return st;
  while (*got < n && one != 0 && !st) {
    one = read(fd, start + *got, n - *got);
    if (one > 0) *got += (size_t)one;
    if (one < 0 && errno != EINTR) st = io_error(err, path, "read", errno);
  }
  (void)close(fd);
  return st;
}

bool ap_dir_exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

ap_status ap_dir_create(const char *path, ap_error *err) {
  char *part;
  size_t length = strlen(path);
  ap_status st = AP_OK;
  if (length == 0) return ap_fail(err, AP_ERR_ARG, "the name of a directory is empty");
  part = ap_strdup(path);
  if (!part) return ap_fail(err, AP_ERR_MEMORY, "%s: path", path);
  for (size_t i = 1; i <= length && !st; i++) {
    if (i < length && part[i] != '/') continue;
    part[i] = '\0';
    if (mkdir(part, 0777) != 0) {
      int reason = errno; /* ap_dir_exists has one of its own */
      if (!ap_dir_exists(part)) st = io_error(err, part, "create directory", reason);
    }
    if (i < length) part[i] = '/';
  }
  ap_free(part);
  if (!st && access(path, W_OK | X_OK) != 0) st = io_error(err, path, "write into it", errno);
  return st;
}

char *ap_path_join(const char *dir, const char *name) {
  size_t length = strlen(dir);
  return ap_sprintf("%s%s%s", dir, length > 0 && dir[length - 1] == '/' ? "" : "/", name);
}
