// One attempt of a task: the code that runs between clone and exec, and the small first process that stays beside it.
//
// The supervisor is single-threaded, so cloning it without exec is safe; what runs in the clone is async-signal-safe.
#pragma once
#include <features.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox.h"

/// What keeps an attempt apart from its host.
enum clinux_isolation {
    /// Own process group; a subreaper collects what forks away. For hosts that allow no namespaces.
    CLINUX_ISOLATION_GROUP = 0,
    /// PID, mount and IPC namespaces, made by root.
    CLINUX_ISOLATION_NAMESPACES = 1,
    /// The same inside a user namespace, for daemons that are not root.
    CLINUX_ISOLATION_USER_NAMESPACE = 2,
};

/// The step that failed before the command ran.
enum clinux_layer {
    CLINUX_LAYER_NONE = 0,
    CLINUX_LAYER_CLONE = 1,
    CLINUX_LAYER_DESCRIPTORS = 2,
    CLINUX_LAYER_PRIVATE_MOUNTS = 3,
    CLINUX_LAYER_WRITABLE_DIRECTORY = 4,
    CLINUX_LAYER_READ_ONLY_ROOT = 5,
    CLINUX_LAYER_PRIVATE_TMP = 6,
    CLINUX_LAYER_PROC = 7,
    CLINUX_LAYER_SESSION = 8,
    CLINUX_LAYER_LIMITS = 9,
    CLINUX_LAYER_CAPABILITIES = 10,
    CLINUX_LAYER_USER = 11,
    CLINUX_LAYER_NO_NEW_PRIVILEGES = 12,
    CLINUX_LAYER_WORKING_DIRECTORY = 13,
    CLINUX_LAYER_EXECUTE = 14,
    CLINUX_LAYER_CGROUP = 15,
    CLINUX_LAYER_USER_MAP = 16,
    CLINUX_LAYER_OWN_ROOT = 17,
    CLINUX_LAYER_MOUNT = 18,
    CLINUX_LAYER_HIDDEN_FILES = 19,
    CLINUX_LAYER_NETWORK = 20,
    CLINUX_LAYER_HOST_NAME = 21,
    CLINUX_LAYER_CGROUP_NAMESPACE = 22,
    CLINUX_LAYER_LANDLOCK = 23,
    CLINUX_LAYER_SECCOMP = 24,
};

/// What an attempt needs; every pointer must stay valid until clinux_attempt_clone returns.
struct clinux_attempt {
    /// NULL-terminated.
    const char *const *arguments;
    /// NULL-terminated, complete: nothing is inherited.
    const char *const *environment;
    /// Files to try to execute in order, NULL-terminated: the PATH search already spelled out.
    const char *const *candidates;
    /// Executed before the command, in the same sandbox; NULL: there is none. The first element is the file to execute.
    const char *const *setup;
    /// 1: after the setup command nothing is run until CLINUX_ORDER_GO comes again.
    int waits_after_setup;
    const char *working_directory;
    /// Directories that stay writable, NULL-terminated, the working directory among them.
    const char *const *writable;
    int isolation;
    /// What it is kept in; NULL: host root read-only, /tmp of its own, `writable`. Not for CLINUX_ISOLATION_GROUP.
    const struct clinux_sandbox *sandbox;
    /// 1: change to user, group and groups (needs root); 0: stay who the supervisor is.
    int change_user;
    uid_t user;
    gid_t group;
    const gid_t *groups;
    size_t group_count;
    int oom_score_adjustment;
    /// Directory of a version 2 control group that it is born into; -1 for none.
    int cgroup;
    /// Open `tasks` files of version 1 control groups that the first process moves itself into.
    const int *doors;
    size_t door_count;
    /// Where the output of the command goes.
    int output;
    int error_output;
    /// What the command reads; -1: nothing.
    int input;
    /// Not NULL: this is no attempt yet. Of the sandbox only what is common to attempts is made, as `user`, who is to be
    /// nobody, and what the attempt is comes by clinux_attempt_give. Needs root, own user namespace and an own root.
    struct clinux_arena *arena;
};

enum clinux_message_kind {
    /// The command runs, or the setup command before it.
    CLINUX_MESSAGE_STARTED = 1,
    /// The command could not be run: `layer` and `error` say why.
    CLINUX_MESSAGE_REFUSED = 2,
    /// The command ended: `status` is that of wait(2).
    CLINUX_MESSAGE_ENDED = 3,
    /// The setup command failed, so the command was not run: `status` is that of wait(2).
    CLINUX_MESSAGE_SETUP_FAILED = 4,
    /// What somebody ran beside the command ended: `hand`, `status`.
    CLINUX_MESSAGE_HAND_ENDED = 5,
    /// It could not be done: `hand`, `layer`, `error`.
    CLINUX_MESSAGE_HAND_REFUSED = 6,
    /// The setup command ended well, and nothing that it started is left.
    CLINUX_MESSAGE_SETUP_ENDED = 7,
    /// The sandbox stands, but for what is the attempt's own.
    CLINUX_MESSAGE_READY = 8,
    /// The socket that comes with it listens where the attempt finds its proxy.
    CLINUX_MESSAGE_LISTENS = 9,
};

/// What the first process of an attempt tells the supervisor over the control socket.
struct clinux_message {
    uint32_t kind;
    int32_t layer;
    int32_t error;
    int32_t status;
    /// The number of the mount that was refused, -1 where it is something else.
    int32_t step;
    uint32_t hand;
    /// Unix time.
    int64_t at_nanoseconds;
};

/// What the supervisor tells the first process, one byte each.
enum clinux_order {
    /// Limits and user maps are in place: go on. And again after the setup command, where it waits there.
    CLINUX_ORDER_GO = 'g',
    CLINUX_ORDER_TERMINATE = 't',
    CLINUX_ORDER_STOP = 's',
    CLINUX_ORDER_CONTINUE = 'c',
    CLINUX_ORDER_KILL = 'k',
    /// Those below are longer than a byte and begin with clinux_hand_head (hands.h). Three descriptors come with this one.
    CLINUX_ORDER_RUN_HAND = 'x',
    CLINUX_ORDER_SIGNAL_HAND = 'q',
    /// A socket comes with it, over which the connection goes back.
    CLINUX_ORDER_CONNECT = 'p',
};

/// A supervisor has some open files for each attempt, and the soft limit is made for programs that know no more than 1,024:
/// raises it to the hard one, 65,536 at most. Attempts get what it was. 0 or -errno.
int clinux_open_more_files(void);

/// Clones the first process of an attempt, in its control groups. It waits for CLINUX_ORDER_GO on the control socket
/// before it touches anything.
///
/// Born into a group, or moving only itself, it spares the host the wait for all its processors that moving another
/// process by its number costs (5 to 15 ms after idle).
///
/// Returns its process id and stores the supervisor's end of the control socket (non-blocking, close-on-exec), or -errno.
int clinux_attempt_clone(const struct clinux_attempt *attempt, int *control);

/// Executes the proxy of an attempt as a user, in the control groups and with the filter of system calls of the attempt, and
/// with its socket as descriptor 3. It ends with the supervisor. Its process id, or -errno.
int clinux_attempt_start_proxy(
    const struct clinux_attempt *attempt, uid_t user, gid_t group, int listener, const char *const *arguments);

/// Memory that a supervisor shares with one first process, which it clones before there is an attempt. NULL with errno.
struct clinux_arena *clinux_arena_make(void);
/// From here on what is cloned does not share it.
void clinux_arena_keep(struct clinux_arena *arena);
/// The first process keeps what it has of it.
void clinux_arena_end(struct clinux_arena *arena);

/// Tells a first process that is ready what its attempt is, and lets it go on. The sandbox must begin with the steps that
/// it was made with; control groups are those that it was cloned for. 0, or -errno: it was told nothing.
int clinux_attempt_give(const struct clinux_attempt *attempt, struct clinux_arena *arena, int control);

/// clinux_sandbox_mark by a supervisor: without the groups that it has itself. 0 or -errno.
int clinux_attempt_mark(const struct clinux_attempt *attempt, struct clinux_mark *marks);

/// Empties the capability bounding set of this process for good: its attempts then need not do so one by one. It keeps what
/// it may do itself, but what it executes gains nothing. 0 or -errno.
int clinux_drop_bounding_set(void);

/// In the first process of an attempt without a plan: the host root read-only, its own /tmp, `writable`.
struct clinux_refusal clinux_build_mounts(const struct clinux_attempt *attempt);
