/* base/status.h - what every fallible function returns: a code, and a text for the user.
 * A failure fills the ap_error once, where it is seen; callers pass it on untouched. */
#ifndef AP_BASE_STATUS_H
#define AP_BASE_STATUS_H

#ifdef __cplusplus
#define AP_EXTERN_C_BEGIN extern "C" {
#define AP_EXTERN_C_END }
#else
#define AP_EXTERN_C_BEGIN
#define AP_EXTERN_C_END
#endif

#if defined(__GNUC__)
#define AP_NODISCARD __attribute__((warn_unused_result))
#define AP_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define AP_NODISCARD
#define AP_PRINTF(fmt, first)
#endif

AP_EXTERN_C_BEGIN

/* Codes differ only where a caller acts differently. */
typedef enum {
  AP_OK = 0,
  AP_ERR_ARG,         /* the caller asked for something impossible (usage, sizes, ranges) */
  AP_ERR_MEMORY,      /* an allocation failed */
  AP_ERR_IO,          /* the system refused a file operation */
  AP_ERR_FORMAT,      /* a file's content is not what it should be */
  AP_ERR_UNSUPPORTED, /* valid, but not offered by this build or device */
  AP_ERR_DEVICE,      /* an accelerator reported a fault */
  AP_ERR_INTERRUPTED, /* stopped by the user; the state on disk can be resumed */
  AP_ERR_INTERNAL,    /* an invariant of ours does not hold */
  AP_ERR_PLUGIN       /* a user's plug-in crashed, hung or gave a wrong answer */
} ap_status;

typedef struct {
  ap_status code;
  char text[512]; /* one line, no newline; names the file or place, the value, the expectation */
} ap_error;

/* Fills *err (may be NULL) with `code` and the formatted text (cut at the buffer's end, one clean line:
 * ap_text_clean); returns `code`, so that `return ap_fail(...)` reads as one thought. */
AP_PRINTF(3, 4)
ap_status ap_fail(ap_error *err, ap_status code, const char *format, ...);

#ifdef __clang_analyzer__ /* it cannot see into status.c that a failure is never AP_OK */
#define ap_fail(err, code, ...) ((void)(ap_fail)(err, code, __VA_ARGS__), (code))
#endif

/* Puts "prefix: " before a text already in *err (NULL allowed); returns `code` unchanged. */
AP_PRINTF(3, 4)
ap_status ap_fail_context(ap_error *err, ap_status code, const char *format, ...);

/* A constant name such as "ARG". */
const char *ap_status_name(ap_status code);

AP_EXTERN_C_END
#endif
