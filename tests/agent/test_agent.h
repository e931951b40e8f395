/* tests/agent/test_agent.h - what CMocka wants before its own header, and shared checks. */
#ifndef AP_TESTS_AGENT_TEST_AGENT_H
#define AP_TESTS_AGENT_TEST_AGENT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those four */
#include <cmocka.h>

#define assert_near(a, b, tolerance)                                                        \
  do {                                                                                      \
    double assert_a = (a), assert_b = (b);                                                  \
    if (!(assert_a - assert_b <= (tolerance) && assert_b - assert_a <= (tolerance))) {      \
      fail_msg("%s = %.17g, %s = %.17g: apart by more than %g", #a, assert_a, #b, assert_b, \
               (double)(tolerance));                                                        \
    }                                                                                       \
  } while (0)

#endif
