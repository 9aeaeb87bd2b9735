// File system calls that Swift's Glibc module does not show.
#pragma once

// Writes everything of the file system that holds `descriptor` to its disk. 0, or -1 with errno.
int swarmlet_syncfs(int descriptor);
