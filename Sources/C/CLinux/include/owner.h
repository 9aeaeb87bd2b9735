// What shows that the owner of a host is there.
#pragma once
#include <stdint.h>

// Whether this is a keyboard, a mouse or something else that people touch, and no sensor.
int clinux_is_touched_by_people(int descriptor);

// When a terminal with a login was last typed on, or a login began, in nanoseconds since the Unix epoch; 0: there is none.
// The kernel keeps that time to within 8 seconds. Not for two threads at once.
int64_t clinux_last_terminal_input(void);
