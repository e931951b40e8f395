/* base/file.h - whole files: read with a limit, written under a temporary name and renamed, so that
 * a killed or full-disk run leaves the old file or none. */
#ifndef AP_BASE_FILE_H
#define AP_BASE_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* Reads all of a regular file. *data gets one more byte, 0, past its *size bytes; ap_free it.
 * Plain, .gz and .xz contents are recognised by their magic numbers only by ap_file_read_packed.
 * Errors: IO (with path and reason), FORMAT above max_bytes or for a damaged stream, MEMORY. */
AP_NODISCARD ap_status ap_file_read(const char *path, size_t max_bytes, char **data, size_t *size,
                                    ap_error *err);
AP_NODISCARD ap_status ap_file_read_packed(const char *path, size_t max_bytes, char **data,
                                           size_t *size, ap_error *err);

/* Opens a regular file for reading: *fd, which the caller closes, and its size. Errors: as ap_file_read;
 * directories, devices, pipes and sockets are refused without waiting for them. */
AP_NODISCARD ap_status ap_file_open(const char *path, size_t max_bytes, int *fd, size_t *size,
                                    ap_error *err);
/* The first n bytes of a file, *got of them where it has fewer. Errors: as ap_file_open. */
AP_NODISCARD ap_status ap_file_start(const char *path, char *start, size_t n, size_t *got,
                                     ap_error *err);

typedef struct ap_output ap_output; /* a file being written */
/* Opens PATH.<pid>.tmp beside path. force false: ARG if path exists ("use --force"). */
AP_NODISCARD ap_status ap_output_open(const char *path, bool force, ap_output **out, ap_error *err);
FILE *ap_output_stream(ap_output *output); /* write here; errors are seen by commit */
/* Flushes, fsyncs, renames. Ends the object in every case; on error the temporary is removed. */
AP_NODISCARD ap_status ap_output_commit(ap_output *output, ap_error *err);
void ap_output_abandon(ap_output *output); /* removes the temporary; NULL is allowed */

/* The three steps at once. */
AP_NODISCARD ap_status ap_file_write(const char *path, const void *data, size_t size, bool force,
                                     ap_error *err);

bool ap_file_exists(const char *path);
bool ap_dir_exists(const char *path);
/* Why a path that ap_file_exists denies is no file: IO, with the hint behind "no such file". */
AP_NODISCARD ap_status ap_file_absent(const char *path, const char *hint, ap_error *err);
/* mkdir -p. IO also where nothing can be written into it: found before long work, not after. */
AP_NODISCARD ap_status ap_dir_create(const char *path, ap_error *err);
/* dir + "/" + name; NULL when memory is out. ap_free it. */
char *ap_path_join(const char *dir, const char *name);

AP_EXTERN_C_END
#endif
