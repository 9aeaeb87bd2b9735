// What the command line needs of the C library and Swift's Glibc module does not show.
#pragma once
#include <sys/types.h>

/// Starts a program in a session of its own: `input` as stdin (-1: nothing), stdout and stderr appended to `log` (mode 0600), no other
/// descriptor open, no signal blocked, `/` as its directory. Returns 0 or an errno.
int swarmlet_spawn_detached(const char *program, char *const arguments[], int input, const char *log, pid_t *process);

/// Removes a directory and everything in it, depth first and without following links. Returns 0 or the first errno.
int swarmlet_remove_tree(const char *path);

/// Asks for a signal when the process that started this one ends. Returns 0, ESRCH when it has ended already, or an errno.
int swarmlet_end_with_parent(int signal);
