#define _GNU_SOURCE
#include "files.h"

#include <fcntl.h>
#include <unistd.h>

int swarmlet_syncfs(int descriptor) { return syncfs(descriptor); }

void swarmlet_begin_writeback(int descriptor, int64_t offset, int64_t count) {
    (void)!sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
}
