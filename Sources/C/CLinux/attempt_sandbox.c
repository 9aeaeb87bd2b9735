// How the first process of an attempt enters its sandbox: at once, or in two parts, the first before there is an attempt.
//
// Made ahead, all that is common to attempts stands in a user namespace that knows everybody, because nobody knows yet whose
// attempt it will be. The namespace that knows one user alone is in that one, and is entered last: from then on this process
// has no right to its own mounts either.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "attempt_job.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    /// Beyond the descriptors that have their places.
    FIRST_FREE = 10,
    HOLDER_STACK = 4096,
};

static _Noreturn void refuse(int layer, int error) {
    clinux_refuse((struct clinux_refusal){.layer = layer, .error = error, .step = -1});
}

static void check(struct clinux_refusal refused) {
    if (refused.layer) clinux_refuse(refused);
}

// -- The user namespace of one user --

/// A user namespace that knows nobody yet, without a process in it.
struct inner_namespace {
    int itself, users, groups;
};

static int hold(void *unused) {
    (void)unused;
    for (;;) pause();
}

static int open_part(pid_t process, const char *name, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)process, name);
    int file = open(path, flags | O_CLOEXEC);
    if (file < 0) refuse(CLINUX_LAYER_USER_MAP, errno);
    int moved = fcntl(file, F_DUPFD_CLOEXEC, FIRST_FREE);
    if (moved < 0) refuse(CLINUX_LAYER_USER_MAP, errno);
    close(file);
    return moved;
}

static struct inner_namespace make_inner(void) {
    static char stack[HOLDER_STACK] __attribute__((aligned(16)));
    // A process has to be in it while it is opened. It shares this one's memory, which must be open to be looked into.
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    pid_t holder = clone(hold, stack + sizeof stack, CLONE_VM | CLONE_NEWUSER | SIGCHLD, NULL);
    if (holder < 0) refuse(CLINUX_LAYER_CLONE, errno);
    struct inner_namespace inner = {
        .itself = open_part(holder, "ns/user", O_RDONLY),
        .users = open_part(holder, "uid_map", O_WRONLY),
        .groups = open_part(holder, "gid_map", O_WRONLY)};
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    kill(holder, SIGKILL);
    while (waitpid(holder, NULL, 0) < 0 && errno == EINTR) {}
    return inner;
}

static void write_map(int map, unsigned number) {
    char text[32];
    int length = snprintf(text, sizeof text, "%u %u 1", number, number);
    if (write(map, text, (size_t)length) != length) refuse(CLINUX_LAYER_USER_MAP, errno);
    close(map);
}

static void enter_inner(struct inner_namespace inner, const struct clinux_attempt *attempt) {
    write_map(inner.users, attempt->user);
    write_map(inner.groups, attempt->group);
    if (setns(inner.itself, CLONE_NEWUSER) < 0) refuse(CLINUX_LAYER_USER_MAP, errno);
    close(inner.itself);
}

// -- The two parts --

static void die_with_supervisor(void) {
    // Cleared by every change of whom files are opened as.
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/// What the attempt is, once it is known: its streams are in place, and its trees are open.
static const struct clinux_attempt *await_attempt(struct clinux_arena *arena) {
    struct clinux_message message = {.kind = CLINUX_MESSAGE_READY};
    clinux_tell(&message);
    int descriptors[CLINUX_PASSED_DESCRIPTORS];
    size_t count = 0;
    for (;;) {
        struct pollfd watched = {.fd = CLINUX_CONTROL, .events = POLLIN};
        if (poll(&watched, 1, -1) < 0) continue;
        char order = 0;
        ssize_t length = clinux_receive_descriptors(
            CLINUX_CONTROL, &order, 1, descriptors, CLINUX_PASSED_DESCRIPTORS, &count);
        // The supervisor is gone, or has no use for it.
        if (length == 0 || (length < 0 && length != -EAGAIN)) _exit(0);
        if (length == 1 && order == CLINUX_ORDER_GO) break;
    }
    return clinux_arena_take(arena, descriptors, count);
}

static void make_ahead(const struct clinux_attempt **attempt) {
    static struct clinux_made made;
    const struct clinux_attempt *ahead = *attempt;
    check(clinux_sandbox_begin(ahead->sandbox, ahead->sandbox->common_count, ahead->user, ahead->group, &made));
    struct inner_namespace inner = make_inner();
    die_with_supervisor();
    const struct clinux_attempt *given = *attempt = await_attempt(ahead->arena);
    int error = clinux_sandbox_give(&made, given->user, given->group);
    if (error) refuse(CLINUX_LAYER_OWN_ROOT, error);
    // It has the right to mount, but for the rest it is the attempt's user.
    gid_t own_group = (gid_t)setfsgid(given->group);
    uid_t own_user = (uid_t)setfsuid(given->user);
    check(clinux_sandbox_finish(given->sandbox));
    setfsuid(own_user);
    setfsgid(own_group);
    enter_inner(inner, given);
}

/// Nobody else has a number in this user namespace, so nobody else can make a file in it.
static void become_single_user(const struct clinux_attempt *attempt) {
    if (syscall(SYS_setresgid, attempt->group, attempt->group, attempt->group) < 0
        || syscall(SYS_setresuid, attempt->user, attempt->user, attempt->user) < 0)
        refuse(CLINUX_LAYER_USER, errno);
    // The command is the same user.
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int clinux_enter_sandbox(const struct clinux_attempt **given) {
    const struct clinux_attempt *attempt = *given;
    const struct clinux_sandbox *sandbox = attempt->sandbox;
    // The command inherits it; by then it may not be in its right to ask.
    if (attempt->oom_score_adjustment) clinux_offer_to_kernel(attempt->oom_score_adjustment);
    check(clinux_sandbox_isolate(sandbox));
    if (attempt->change_user && syscall(SYS_setgroups, attempt->group_count, attempt->groups) < 0)
        refuse(CLINUX_LAYER_USER, errno);
    if (attempt->arena) {
        make_ahead(given);
        attempt = *given;
        sandbox = attempt->sandbox;
        become_single_user(attempt);
    } else {
        if (sandbox->single_user) become_single_user(attempt);
        check(clinux_sandbox_begin(sandbox, sandbox->step_count, attempt->user, attempt->group, NULL));
        check(clinux_sandbox_finish(sandbox));
    }
    die_with_supervisor();
    if (!sandbox->handled_access) return -1;
    int rules = clinux_sandbox_rules(sandbox);
    if (rules < 0) refuse(CLINUX_LAYER_LANDLOCK, -rules);
    return rules;
}
