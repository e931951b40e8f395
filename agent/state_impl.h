/* agent/state_impl.h - values in a row in memory: the body of a search's state file. Errors stick,
 * so that only the end has to be looked at. Native byte order and float formats. Private to agent/.
 */
#ifndef AP_AGENT_STATE_IMPL_H
#define AP_AGENT_STATE_IMPL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  char *data; /* ap_free it */
  size_t size, capacity;
  bool failed; /* memory was out: the content is not complete */
} ap_state_writer;

void ap_state_put(ap_state_writer *w, const void *bytes, size_t size);
void ap_state_put_size(ap_state_writer *w, size_t value);
void ap_state_put_number(ap_state_writer *w, double value);
void ap_state_put_text(ap_state_writer *w, const char *text);

typedef struct {
  const char *data;
  size_t size, at;
  bool failed; /* the data ended early or a value was impossible: what was read is zeros */
} ap_state_reader;

void ap_state_get(ap_state_reader *r, void *bytes, size_t size);
size_t ap_state_get_size(ap_state_reader *r);
double ap_state_get_number(ap_state_reader *r);
/* true when the next text is this one; it is passed over in any case. */
bool ap_state_get_text_is(ap_state_reader *r, const char *text);

#endif
