#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <unistd.h>

int swarmlet_syncfs(int descriptor) { return syncfs(descriptor); }

void swarmlet_begin_writeback(int descriptor, int64_t offset, int64_t count) {
    (void)!sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
}

/// Through memory, for file systems between which the kernel does not copy.
static int copy_by_hand(int from, int to, int64_t done, int64_t length) {
    static _Thread_local char buffer[128 * 1024];
    while (done < length) {
        int64_t left = length - done;
        ssize_t count = pread(from, buffer, left < (int64_t)sizeof buffer ? (size_t)left : sizeof buffer, done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -1;
        if (count == 0) return 0;
        for (ssize_t written = 0; written < count;) {
            ssize_t more = pwrite(to, buffer + written, (size_t)(count - written), done + written);
            if (more < 0 && errno == EINTR) continue;
            if (more < 0) return -1;
            written += more;
        }
        done += count;
    }
    return 0;
}

int clinux_copy_content(int from, int to, int64_t length) {
    if (length == 0) return 0;
    // Where the file system can share blocks nothing is copied at all. All of it: what was added meanwhile, too.
    if (ioctl(to, FICLONE, from) == 0) return ftruncate(to, length);
    int64_t done = 0;
    while (done < length) {
        off_t from_at = done, to_at = done;
        ssize_t count = copy_file_range(from, &from_at, to, &to_at, (size_t)(length - done), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM))
            return copy_by_hand(from, to, done, length);
        if (count < 0) return -1;
        // The file has become shorter, or is one of those that the kernel takes for empty.
        if (count == 0) return copy_by_hand(from, to, done, length);
        done += count;
    }
    return 0;
}

int clinux_open_as(const char *path, int flags, uint32_t user, uint32_t group) {
    // Of this thread alone; the rights to look anywhere go with it.
    int own_group = setfsgid(group), own_user = setfsuid(user);
    int file = open(path, flags);
    int error = errno;
    setfsuid((uid_t)own_user);
    setfsgid((gid_t)own_group);
    return file < 0 ? -error : file;
}
