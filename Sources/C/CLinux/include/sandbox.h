// What an attempt is kept in, as the plan of it says: filesystem, network, limits, and what it may ask of the kernel.
//
// The plan is made and tested elsewhere; this only carries it out, in the first process of the attempt (mounts, network,
// names) and in its command between clone and exec (limits, Landlock, system calls). Nothing here allocates memory.
#pragma once
#include <features.h>
#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum clinux_step_kind {
    /// `source` of the host, with everything mounted below it, at `target`; a file or a directory.
    CLINUX_STEP_TREE = 1,
    /// An empty filesystem in memory at `target`; `text` is its options.
    CLINUX_STEP_TMPFS = 2,
    /// The processes of the attempt at `target`; `text` is hidepid(5), or NULL.
    CLINUX_STEP_PROC = 3,
    /// Pseudo-terminals of its own at `target`.
    CLINUX_STEP_TERMINALS = 4,
    /// A symbolic link at `target` to `text`.
    CLINUX_STEP_LINK = 5,
    /// A file at `target` with the content `text`.
    CLINUX_STEP_FILE = 6,
    /// A directory at `target`.
    CLINUX_STEP_DIRECTORY = 7,
    /// What is at `target` turns read-only.
    CLINUX_STEP_READ_ONLY = 8,
    /// What is at `target` is covered: a directory by an empty one, a file by /dev/null.
    CLINUX_STEP_HIDE = 9,
};

enum clinux_step_flag {
    CLINUX_STEP_WRITABLE = 1,
    /// Passed over where `source`, or `target` of what is hidden, is not there.
    CLINUX_STEP_OPTIONAL = 2,
    /// Device files in it work.
    CLINUX_STEP_DEVICES = 4,
    /// Looked up with the rights of the attempt's user.
    CLINUX_STEP_AS_USER = 8,
};

struct clinux_step {
    int kind;
    unsigned flags;
    const char *source;
    const char *target;
    const char *text;
};

/// What may be done with the files below a path: LANDLOCK_ACCESS_FS_*.
struct clinux_file_rule {
    const char *path;
    uint64_t access;
};

struct clinux_limit {
    /// RLIMIT_*
    int resource;
    /// Soft and hard; lowered to the hard limit that there is.
    uint64_t value;
};

struct clinux_sandbox {
    const struct clinux_step *steps;
    size_t step_count;
    /// So many of them, the first ones, are those of other attempts too: they can be made before there is one.
    size_t common_count;
    /// Scratch space, one number for each step.
    int *trees;
    /// Options of the filesystem in memory that becomes the root; NULL: the host's root, read-only.
    const char *root_options;
    /// NULL: that of the host.
    const char *host_name;
    /// 1: a network of its own that holds a loopback interface and nothing else.
    int own_network;
    /// 1: what it reaches of other networks it reaches until the end of the setup command.
    int network_for_setup;
    /// With a network of its own: the port of 127.0.0.1 in it where its proxy is found; 0: it has none.
    uint16_t proxy_port;
    /// 1: the first process becomes the attempt's user too: the only one that the user namespace knows.
    int single_user;
    /// What Landlock handles; 0: no Landlock.
    uint64_t handled_access;
    /// LANDLOCK_SCOPE_*
    uint64_t scoped;
    const struct clinux_file_rule *rules;
    size_t rule_count;
    const struct clinux_limit *limits;
    size_t limit_count;
    const struct sock_filter *filter;
    /// 0: no filter.
    size_t filter_length;
};

/// Why a step was not made; `layer` 0: it was. `step` is the number of the mount, -1 where it is none.
struct clinux_refusal {
    int layer;
    int error;
    int step;
};

/// What was made in filesystems of its own, by name: it is to be somebody else's. Each ends with a zero byte.
struct clinux_made {
    size_t length;
    char paths[4096];
};

/// Opens what the steps from `from` on and before `to` take along from the host, each once, with the rights of the
/// attempt's user where the plan says so. Into the plan's `trees`.
struct clinux_refusal clinux_sandbox_open(
    const struct clinux_sandbox *sandbox, size_t from, size_t to, uid_t user, gid_t group);
/// In the first process: the root, and in it the steps that are common; what the first `opened` steps take along is opened.
/// Names what it makes where `made` is not NULL.
struct clinux_refusal clinux_sandbox_begin(
    const struct clinux_sandbox *sandbox, size_t opened, uid_t user, gid_t group, struct clinux_made *made);
/// In the first process: all the other steps, whose trees are open, and the root is closed.
struct clinux_refusal clinux_sandbox_finish(const struct clinux_sandbox *sandbox);
/// Gives what was made to a user. 0 or errno.
int clinux_sandbox_give(const struct clinux_made *made, uid_t user, gid_t group);

/// Which file or directory of the host a name leads to.
struct clinux_mark {
    uint64_t device, inode, mount;
    /// 0, or why it leads to none.
    int error;
};
/// Where what the common steps take along from the host is now, with the rights of a user; one mark for each step.
void clinux_sandbox_mark(const struct clinux_sandbox *sandbox, uid_t user, gid_t group, struct clinux_mark *marks);

/// In the first process: network, host name, control group namespace.
struct clinux_refusal clinux_sandbox_isolate(const struct clinux_sandbox *sandbox);
/// In the first process, after the setup command: away from the network of the host.
struct clinux_refusal clinux_sandbox_leave_network(void);
/// In the first process: a socket that listens at a port of 127.0.0.1, or -errno.
int clinux_sandbox_listen(uint16_t port);
/// In the first process, once the mounts stand: a Landlock ruleset, or -errno.
int clinux_sandbox_rules(const struct clinux_sandbox *sandbox);
/// In the command, right before exec: nothing but what the filter lets through works from here on. 0 or errno.
int clinux_sandbox_filter(const struct clinux_sandbox *sandbox);
/// In the command. 0 or errno.
int clinux_sandbox_limit(const struct clinux_sandbox *sandbox);
/// In the command: 0 or errno.
int clinux_sandbox_confine_files(int ruleset);

/// For good, and for what it executes: this process and the threads that it starts later can do with files what the rules
/// say, and nobody of its user can look into it. 0 or -errno.
int clinux_confine_process(const struct clinux_file_rule *rules, size_t count, uint64_t handled_access);

/// The version of Landlock that the running kernel has; 0: none.
int clinux_landlock_version(void);
/// Whether the running kernel filters system calls.
int clinux_has_seccomp(void);

/// Who may use which system calls.
enum clinux_filter_kind {
    /// For strangers.
    CLINUX_FILTER_STRICT = 0,
    /// Debuggers work too: for members.
    CLINUX_FILTER_STANDARD = 1,
};
/// Writes the program of a filter; its length, or 0 where `capacity` is too small.
size_t clinux_filter_program(int kind, struct sock_filter *program, size_t capacity);
