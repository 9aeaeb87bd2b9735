// Calls of the event loop that glibc declares only under _GNU_SOURCE.
#pragma once

/// accept4(2) without the address, non-blocking and close-on-exec; -1 and errno on failure.
int swarmlet_accept(int listener);
/// Names the calling thread (at most 15 bytes are kept).
void swarmlet_name_thread(const char *name);
