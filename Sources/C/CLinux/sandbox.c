#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"
#include "mount_calls.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// Newer than some C libraries that this is built with; the numbers are the same on every architecture.
enum {
    NUMBER_landlock_create_ruleset = 444,
    NUMBER_landlock_add_rule = 445,
    NUMBER_landlock_restrict_self = 446,
    LANDLOCK_PATH_BENEATH = 1,
    LANDLOCK_VERSION = 1,
    /// Execute, write, read, truncate, control of devices.
    FILE_ACCESS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15,
};

struct ruleset_attributes {
    uint64_t handled_access_fs, handled_access_net, scoped;
};

struct path_beneath {
    uint64_t allowed_access;
    int32_t parent;
} __attribute__((packed));

static struct clinux_refusal refusal(int layer, int step, int error) {
    return (struct clinux_refusal){.layer = layer, .step = step, .error = error};
}

static const struct clinux_refusal nothing_refused = {.layer = CLINUX_LAYER_NONE, .step = -1};

// -- What is taken along from the host --

static int is_missing(int error) { return error == ENOENT || error == ENOTDIR; }

/// A copy of a part of the host's tree that is mounted nowhere yet, or -errno.
static int copy_tree(const struct clinux_step *step, int single_user, uid_t user, gid_t group) {
    uid_t own_user = 0;
    gid_t own_group = 0;
    int as_user = (single_user || (step->flags & CLINUX_STEP_AS_USER)) && geteuid() != user;
    // The rights to mount are kept, those to look anywhere are not.
    if (as_user) {
        own_group = (gid_t)setfsgid(group);
        own_user = (uid_t)setfsuid(user);
    }
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
    int tree, error;
    if (step->flags & CLINUX_STEP_AS_USER) {
        // It was looked at when it was allowed: a link that is there now was put there since.
        struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
        int place = (int)syscall(SYS_openat2, AT_FDCWD, step->source, &how, sizeof how);
        tree = place < 0 ? -1 : (int)syscall(SYS_open_tree, place, "", flags | AT_EMPTY_PATH);
        error = errno;
        if (place >= 0) close(place);
    } else {
        tree = (int)syscall(SYS_open_tree, AT_FDCWD, step->source, flags);
        error = errno;
    }
    if (as_user) {
        setfsuid(own_user);
        setfsgid(own_group);
    }
    if (tree < 0) return -error;
    // Where it is opened for another mount namespace, nothing may come after it from this one.
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID, .propagation = MS_PRIVATE};
    if (!(step->flags & CLINUX_STEP_DEVICES)) attributes.attr_set |= MOUNT_ATTR_NODEV;
    if (!(step->flags & CLINUX_STEP_WRITABLE)) attributes.attr_set |= MOUNT_ATTR_RDONLY;
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) < 0) {
        error = errno;
        close(tree);
        return -error;
    }
    return tree;
}

/// Made while the host's own is still to be seen, which a user namespace has to show.
static int new_proc(const char *hidden) {
    int context = (int)syscall(SYS_fsopen, "proc", 1 /* FSOPEN_CLOEXEC */);
    if (context < 0) return -errno;
    int made = -1;
    if ((!hidden || syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "hidepid", hidden, 0) == 0)
        && syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        made = (int)syscall(
            SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    int error = errno;
    close(context);
    return made < 0 ? -error : made;
}

struct clinux_refusal clinux_sandbox_open(
    const struct clinux_sandbox *sandbox, size_t from, size_t to, uid_t user, gid_t group) {
    for (size_t i = from; i < to; i++) sandbox->trees[i] = -1;
    for (size_t i = from; i < to; i++) {
        const struct clinux_step *step = &sandbox->steps[i];
        int made;
        switch (step->kind) {
        case CLINUX_STEP_TREE: made = copy_tree(step, sandbox->single_user, user, group); break;
        case CLINUX_STEP_PROC: made = new_proc(step->text); break;
        default: continue;
        }
        if (made < 0) {
            if ((step->flags & CLINUX_STEP_OPTIONAL) && (is_missing(-made) || made == -EACCES)) continue;
            return refusal(step->kind == CLINUX_STEP_PROC ? CLINUX_LAYER_PROC : CLINUX_LAYER_MOUNT, (int)i, -made);
        }
        sandbox->trees[i] = made;
    }
    return nothing_refused;
}

// -- The root --

static struct clinux_refusal keep_root(void) {
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &read_only, sizeof read_only) < 0)
        return refusal(CLINUX_LAYER_READ_ONLY_ROOT, -1, errno);
    return nothing_refused;
}

/// An empty root in memory, on top of the host's, which is then let go.
static struct clinux_refusal replace_root(const char *options) {
    if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options) < 0 || chdir("/tmp") < 0)
        return refusal(CLINUX_LAYER_OWN_ROOT, -1, errno);
    // The old root comes to lie on the new one, and goes from there (pivot_root(2), "pivot_root(".", ".")").
    if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return refusal(CLINUX_LAYER_OWN_ROOT, -1, errno);
    return nothing_refused;
}

// -- What is put into it --

/// 0 or ENOSPC.
static int note(struct clinux_made *made, const char *path) {
    if (!made) return 0;
    size_t length = strlen(path) + 1;
    if (length > sizeof made->paths - made->length) return ENOSPC;
    memcpy(made->paths + made->length, path, length);
    made->length += length;
    return 0;
}

/// The directories above `path`, as far as they are missing.
static int make_parents(const char *path, struct clinux_made *made) {
    char part[4096];
    size_t length = strlen(path);
    if (length >= sizeof part) return ENAMETOOLONG;
    memcpy(part, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (part[i] != '/') continue;
        part[i] = 0;
        int error = mkdir(part, 0755) == 0 ? note(made, part) : errno;
        if (error && error != EEXIST && error != EROFS) return error;
        part[i] = '/';
    }
    return 0;
}

static int make_directory(const char *path, struct clinux_made *made) {
    // Mostly it is missing, and what is above it is there.
    if (mkdir(path, 0755) == 0) return 0;
    if (errno == ENOENT) {
        int error = make_parents(path, made);
        if (error) return error;
        if (mkdir(path, 0755) == 0) return 0;
    }
    int error = errno;
    struct stat facts;
    if (error != EEXIST && error != EROFS) return error;
    if (stat(path, &facts) < 0) return error == EROFS ? EROFS : errno;
    return S_ISDIR(facts.st_mode) ? 0 : ENOTDIR;
}

static int make_file(const char *path, const char *content, struct clinux_made *made) {
    const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | (content ? O_TRUNC : 0);
    int error = 0, file = open(path, flags, 0644);
    if (file < 0 && errno == ENOENT && (error = make_parents(path, made)) == 0) file = open(path, flags, 0644);
    if (error) return error;
    if (file < 0) return errno;
    if (content && write(file, content, strlen(content)) < 0) error = errno;
    close(file);
    return error;
}

static int attach(int tree, const char *target, struct clinux_made *made) {
    struct stat facts, there;
    if (fstat(tree, &facts) < 0) return errno;
    if (stat(target, &there) == 0) {
        if (S_ISDIR(there.st_mode) != S_ISDIR(facts.st_mode)) return S_ISDIR(facts.st_mode) ? ENOTDIR : EISDIR;
    } else {
        int error = S_ISDIR(facts.st_mode) ? make_directory(target, made) : make_file(target, NULL, made);
        if (error) return error;
    }
    return syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? errno : 0;
}

static int make_terminals(const char *target, struct clinux_made *made) {
    int error = make_directory(target, made);
    if (error) return error;
    if (mount("devpts", target, "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620") < 0) return errno;
    return 0;
}

static int make_tmpfs(const char *target, const char *options, struct clinux_made *made) {
    int error = make_directory(target, made);
    if (error) return error;
    return mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0 ? errno : 0;
}

static int make_link(const char *target, const char *text, struct clinux_made *made) {
    if (symlink(text, target) == 0) return 0;
    if (errno != ENOENT) return errno;
    int error = make_parents(target, made);
    if (error) return error;
    return symlink(text, target) < 0 ? errno : 0;
}

static int make_read_only(const char *target) {
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, target, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0) return errno;
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    int error = 0;
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &read_only, sizeof read_only) < 0
        || syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        error = errno;
    close(tree);
    return error;
}

static int hide(const char *target) {
    struct stat facts;
    if (stat(target, &facts) < 0) return errno;
    if (S_ISDIR(facts.st_mode))
        return mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV | MS_RDONLY, "size=4k,nr_inodes=2,mode=0755") < 0 ? errno : 0;
    int nothing = (int)syscall(SYS_open_tree, AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (nothing < 0) return errno;
    int error = syscall(SYS_move_mount, nothing, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? errno : 0;
    close(nothing);
    return error;
}

static int make(const struct clinux_step *step, int tree, struct clinux_made *made) {
    int error;
    switch (step->kind) {
    // What is mounted there is the host's, and stays so.
    case CLINUX_STEP_TREE:
    case CLINUX_STEP_PROC: return tree < 0 ? 0 : attach(tree, step->target, made);
    case CLINUX_STEP_READ_ONLY: return make_read_only(step->target);
    case CLINUX_STEP_HIDE: return hide(step->target);
    case CLINUX_STEP_TMPFS: error = make_tmpfs(step->target, step->text, made); break;
    case CLINUX_STEP_TERMINALS: error = make_terminals(step->target, made); break;
    case CLINUX_STEP_LINK: error = make_link(step->target, step->text, made); break;
    case CLINUX_STEP_FILE: error = make_file(step->target, step->text, made); break;
    case CLINUX_STEP_DIRECTORY: error = make_directory(step->target, made); break;
    default: return EINVAL;
    }
    return error ? error : note(made, step->target);
}

static struct clinux_refusal make_steps(
    const struct clinux_sandbox *sandbox, size_t from, size_t to, struct clinux_made *made) {
    for (size_t i = from; i < to; i++) {
        const struct clinux_step *step = &sandbox->steps[i];
        int error = make(step, sandbox->trees[i], made);
        if (sandbox->trees[i] >= 0) close(sandbox->trees[i]);
        if (error == 0 || ((step->flags & CLINUX_STEP_OPTIONAL) && is_missing(error))) continue;
        return refusal(step->kind == CLINUX_STEP_HIDE ? CLINUX_LAYER_HIDDEN_FILES : CLINUX_LAYER_MOUNT, (int)i, error);
    }
    return nothing_refused;
}

struct clinux_refusal clinux_sandbox_begin(
    const struct clinux_sandbox *sandbox, size_t opened, uid_t user, gid_t group, struct clinux_made *made) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return refusal(CLINUX_LAYER_PRIVATE_MOUNTS, -1, errno);
    struct clinux_refusal refused = clinux_sandbox_open(sandbox, 0, opened, user, group);
    if (refused.layer) return refused;
    refused = sandbox->root_options ? replace_root(sandbox->root_options) : keep_root();
    if (refused.layer) return refused;
    int error = sandbox->root_options ? note(made, "/") : 0;
    return error ? refusal(CLINUX_LAYER_OWN_ROOT, -1, error) : make_steps(sandbox, 0, sandbox->common_count, made);
}

struct clinux_refusal clinux_sandbox_finish(const struct clinux_sandbox *sandbox) {
    struct clinux_refusal refused = make_steps(sandbox, sandbox->common_count, sandbox->step_count, NULL);
    if (refused.layer) return refused;
    if (sandbox->root_options && mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
        return refusal(CLINUX_LAYER_READ_ONLY_ROOT, -1, errno);
    return nothing_refused;
}

int clinux_sandbox_give(const struct clinux_made *made, uid_t user, gid_t group) {
    for (size_t at = 0; at < made->length; at += strlen(made->paths + at) + 1)
        if (lchown(made->paths + at, user, group) < 0) return errno;
    return 0;
}

// -- Whether it is still what it was --

void clinux_sandbox_mark(const struct clinux_sandbox *sandbox, uid_t user, gid_t group, struct clinux_mark *marks) {
    memset(marks, 0, sandbox->common_count * sizeof *marks);
    gid_t own_group = (gid_t)setfsgid(group);
    uid_t own_user = (uid_t)setfsuid(user);
    for (size_t i = 0; i < sandbox->common_count; i++) {
        if (sandbox->steps[i].kind != CLINUX_STEP_TREE) continue;
        struct statx facts;
        if (statx(AT_FDCWD, sandbox->steps[i].source, 0, STATX_INO | STATX_MNT_ID, &facts) < 0) {
            marks[i].error = errno;
            continue;
        }
        marks[i].device = (uint64_t)facts.stx_dev_major << 32 | facts.stx_dev_minor;
        marks[i].inode = facts.stx_ino;
        // Kernels before 5.8 do not tell; that mounts have changed is known from elsewhere.
        if (facts.stx_mask & STATX_MNT_ID) marks[i].mount = facts.stx_mnt_id;
    }
    setfsuid(own_user);
    setfsgid(own_group);
}

// -- Network and names --

static int raise_loopback(void) {
    int socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0) return errno;
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    int error = ioctl(socket_, SIOCSIFFLAGS, &request) < 0 ? errno : 0;
    close(socket_);
    return error;
}

struct clinux_refusal clinux_sandbox_isolate(const struct clinux_sandbox *sandbox) {
    // After it has entered its control groups: they are the roots of what it sees.
    if (unshare(CLONE_NEWCGROUP) < 0) return refusal(CLINUX_LAYER_CGROUP_NAMESPACE, -1, errno);
    if (sandbox->host_name && sethostname(sandbox->host_name, strlen(sandbox->host_name)) < 0)
        return refusal(CLINUX_LAYER_HOST_NAME, -1, errno);
    int error = sandbox->own_network ? raise_loopback() : 0;
    return error ? refusal(CLINUX_LAYER_NETWORK, -1, error) : nothing_refused;
}

struct clinux_refusal clinux_sandbox_leave_network(void) {
    int error = unshare(CLONE_NEWNET) < 0 ? errno : raise_loopback();
    return error ? refusal(CLINUX_LAYER_NETWORK, -1, error) : nothing_refused;
}

int clinux_sandbox_listen(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) return -errno;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, SOMAXCONN) == 0)
        return listener;
    int error = errno;
    close(listener);
    return -error;
}

// -- Files, by Landlock --

int clinux_landlock_version(void) {
    long version = syscall(NUMBER_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
    return version < 0 ? 0 : (int)version;
}

int clinux_sandbox_rules(const struct clinux_sandbox *sandbox) {
    struct ruleset_attributes attributes = {.handled_access_fs = sandbox->handled_access, .scoped = sandbox->scoped};
    // A kernel that knows fewer fields refuses those that it does not know, unless they are left out.
    size_t size = sandbox->scoped ? sizeof attributes : sizeof attributes.handled_access_fs;
    int ruleset = (int)syscall(NUMBER_landlock_create_ruleset, &attributes, size, 0);
    if (ruleset < 0) return -errno;
    for (size_t i = 0; i < sandbox->rule_count; i++) {
        int file = open(sandbox->rules[i].path, O_PATH | O_CLOEXEC);
        if (file < 0 && is_missing(errno)) continue;
        struct path_beneath beneath = {.allowed_access = sandbox->rules[i].access, .parent = file};
        struct stat facts;
        // A file that is no directory takes only what can be done with one.
        if (file >= 0 && fstat(file, &facts) == 0 && !S_ISDIR(facts.st_mode)) beneath.allowed_access &= FILE_ACCESS;
        int error = 0;
        if (file < 0 || syscall(NUMBER_landlock_add_rule, ruleset, LANDLOCK_PATH_BENEATH, &beneath, 0) < 0) error = errno;
        if (file >= 0) close(file);
        if (error) {
            close(ruleset);
            return -error;
        }
    }
    return ruleset;
}

int clinux_sandbox_confine_files(int ruleset) {
    return syscall(NUMBER_landlock_restrict_self, ruleset, 0) < 0 ? errno : 0;
}

int clinux_confine_process(const struct clinux_file_rule *rules, size_t count, uint64_t handled_access) {
    struct clinux_sandbox sandbox = {.rules = rules, .rule_count = count, .handled_access = handled_access};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
    int ruleset = clinux_sandbox_rules(&sandbox);
    if (ruleset < 0) return ruleset;
    int error = clinux_sandbox_confine_files(ruleset);
    close(ruleset);
    if (error) return -error;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

// -- Limits --

int clinux_sandbox_limit(const struct clinux_sandbox *sandbox) {
    for (size_t i = 0; i < sandbox->limit_count; i++) {
        struct rlimit there;
        if (getrlimit((unsigned)sandbox->limits[i].resource, &there) < 0) return errno;
        rlim_t value = sandbox->limits[i].value;
        if (there.rlim_max != RLIM_INFINITY && value > there.rlim_max) value = there.rlim_max;
        struct rlimit limit = {.rlim_cur = value, .rlim_max = value};
        if (setrlimit((unsigned)sandbox->limits[i].resource, &limit) < 0) return errno;
    }
    return 0;
}
