#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"
#include "mount_calls.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITABLE_MAXIMUM = 16 };

static struct clinux_refusal refusal(int layer, int error) {
    return (struct clinux_refusal){.layer = layer, .step = -1, .error = error};
}

static int make_directories(const char *path) {
    char part[4096];
    size_t length = strlen(path);
    if (length >= sizeof part) return ENAMETOOLONG;
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != 0) continue;
        char kept = part[i];
        part[i] = 0;
        if (mkdir(part, 0755) < 0 && errno != EEXIST) return errno;
        part[i] = kept;
    }
    return 0;
}

static int mount_private(const char *target) {
    return mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0 ? errno : 0;
}

static int is_directory(const char *path) {
    struct stat facts;
    return lstat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

struct clinux_refusal clinux_build_mounts(const struct clinux_attempt *attempt) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return refusal(CLINUX_LAYER_PRIVATE_MOUNTS, errno);
    // Copies of the writable directories, taken before the host root turns read-only and before /tmp is covered.
    int trees[WRITABLE_MAXIMUM];
    int count = 0;
    for (; attempt->writable[count]; count++) {
        if (count == WRITABLE_MAXIMUM) return refusal(CLINUX_LAYER_WRITABLE_DIRECTORY, E2BIG);
        // The root writable would make everything writable.
        if (strcmp(attempt->writable[count], "/") == 0) return refusal(CLINUX_LAYER_WRITABLE_DIRECTORY, EPERM);
        trees[count] = (int)syscall(SYS_open_tree, AT_FDCWD, attempt->writable[count],
                                    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (trees[count] < 0) {
            int missing = errno == ENOENT || errno == ENOTDIR || errno == EACCES;
            return refusal(missing ? CLINUX_LAYER_WORKING_DIRECTORY : CLINUX_LAYER_WRITABLE_DIRECTORY, errno);
        }
    }
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &read_only, sizeof read_only) < 0)
        return refusal(CLINUX_LAYER_READ_ONLY_ROOT, errno);
    static const char *const private[] = {"/tmp", "/dev/shm", "/var/tmp"};
    for (size_t i = 0; i < sizeof private / sizeof private[0]; i++) {
        int error = is_directory(private[i]) ? mount_private(private[i]) : 0;
        if (error) return refusal(CLINUX_LAYER_PRIVATE_TMP, error);
    }
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) return refusal(CLINUX_LAYER_PROC, errno);
    for (int i = 0; i < count; i++) {
        const char *target = attempt->writable[i];
        if (!is_directory(target)) {
            int error = make_directories(target);
            if (error) return refusal(CLINUX_LAYER_WRITABLE_DIRECTORY, error);
        }
        if (syscall(SYS_move_mount, trees[i], "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
            return refusal(CLINUX_LAYER_WRITABLE_DIRECTORY, errno);
        close(trees[i]);
    }
    return refusal(CLINUX_LAYER_NONE, 0);
}
