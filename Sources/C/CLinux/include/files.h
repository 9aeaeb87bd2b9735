// File system calls that Swift's Glibc module does not show.
#pragma once
#include <stdint.h>

// Writes everything of the file system that holds `descriptor` to its disk. 0, or -1 with errno.
int swarmlet_syncfs(int descriptor);

// Begins to write these bytes of the page cache to the disk and does not wait; a hint, where the file system takes one.
void swarmlet_begin_writeback(int descriptor, int64_t offset, int64_t count);

// The first `length` bytes of one open file into another, empty one: by sharing them where the file system can, else by
// copying. 0, or -1 with errno.
int clinux_copy_content(int from, int to, int64_t length);

// Opens a file with the rights of another user, without that one's other groups; needs root. The descriptor, or -errno.
int clinux_open_as(const char *path, int flags, uint32_t user, uint32_t group);
