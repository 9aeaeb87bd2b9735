#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "attempt_job.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Newer than some C libraries that this is built with; the number is the same on every architecture.
#ifndef SYS_clone3
#define SYS_clone3 435
#endif

/// fork(2) with more flags, into a version 2 group if there is one; -errno.
static long clone_into(unsigned long flags, int cgroup) {
    struct clone_args arguments;
    memset(&arguments, 0, sizeof arguments);
    arguments.flags = flags | CLONE_INTO_CGROUP;
    arguments.exit_signal = SIGCHLD;
    arguments.cgroup = (uint64_t)cgroup;
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    return pid < 0 ? -errno : pid;
}

static int move_into(int cgroup, pid_t process) {
    int door = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (door < 0) return -errno;
    char text[16];
    int length = snprintf(text, sizeof text, "%d", process);
    int error = write(door, text, (size_t)length) < 0 ? -errno : 0;
    close(door);
    return error;
}

/// Of those who start attempts; what attempts get is what they had.
static rlim_t files_before = 0;

int clinux_open_more_files(void) {
    enum { ENOUGH = 65536 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    rlim_t wanted = limit.rlim_max < ENOUGH ? limit.rlim_max : ENOUGH;
    if (limit.rlim_cur >= wanted) return 0;
    struct rlimit more = {.rlim_cur = wanted, .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &more) < 0) return -errno;
    files_before = limit.rlim_cur;
    return 0;
}

int clinux_open_files_as_before(void) {
    struct rlimit limit;
    if (files_before == 0) return 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return errno;
    limit.rlim_cur = files_before;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? errno : 0;
}

int clinux_attempt_clone(const struct clinux_attempt *attempt, int *control) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
    unsigned long flags = 0;
    if (attempt->isolation != CLINUX_ISOLATION_GROUP) flags |= CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC;
    if (attempt->isolation == CLINUX_ISOLATION_USER_NAMESPACE) flags |= CLONE_NEWUSER;
    if (attempt->sandbox) flags |= CLONE_NEWUTS | (attempt->sandbox->own_network ? CLONE_NEWNET : 0);
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    long pid = attempt->cgroup < 0 ? -ENOSYS : clone_into(flags, attempt->cgroup);
    int is_inside = pid >= 0;
    // Kernels before 5.7 and some containers refuse it, whatever they say; what is really wrong shows again.
    if (pid < 0) {
        pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
        if (pid < 0) pid = -errno;
    }
    if (pid == 0) {
        close(ends[0]);
        clinux_first_process(attempt, ends[1]);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    int error = pid < 0 ? (int)pid : is_inside || attempt->cgroup < 0 ? 0 : move_into(attempt->cgroup, (pid_t)pid);
    if (error < 0) {
        close(ends[0]);
        // It has not passed its gate, and never will.
        if (pid > 0) {
            kill((pid_t)pid, SIGKILL);
            while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR) {}
        }
        return error;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *control = ends[0];
    return (int)pid;
}

enum { PROXY_LISTENER = 3 };

struct proxy {
    uid_t user;
    gid_t group;
    int listener;
    const char *const *arguments;
};

static _Noreturn void run_proxy(const struct clinux_attempt *attempt, const struct proxy *proxy, pid_t supervisor) {
    struct rlimit no_core = {0, 0};
    // At once, because in the attempt's groups it may be made to stand still.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != supervisor) _exit(125);
    if (setsid() < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0) _exit(125);
    // What is done for the attempt is the attempt's.
    if (clinux_enter_groups(attempt)) _exit(125);
    if (attempt->cgroup >= 0 && move_into(attempt->cgroup, getpid()) < 0) _exit(125);
    int nothing = open("/dev/null", O_RDWR);
    if (nothing < 0) _exit(125);
    for (int i = 0; i < PROXY_LISTENER; i++)
        if (dup2(nothing, i) < 0) _exit(125);
    if (dup2(proxy->listener, PROXY_LISTENER) < 0) _exit(125);
    if (syscall(SYS_close_range, PROXY_LISTENER + 1, ~0U, 0) < 0) _exit(125);
    if (geteuid() == 0
        && (syscall(SYS_setgroups, 0, NULL) < 0
            || syscall(SYS_setresgid, proxy->group, proxy->group, proxy->group) < 0
            || syscall(SYS_setresuid, proxy->user, proxy->user, proxy->user) < 0))
        _exit(125);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) < 0) _exit(125);
    // Again, because the change of user cleared it.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) _exit(125);
    if (getppid() != supervisor) _exit(125);
    clinux_reset_signals();
    if (clinux_sandbox_filter(attempt->sandbox)) _exit(125);
    const char *const environment[] = {"LANG=C.UTF-8", NULL};
    execve("/proc/self/exe", (char *const *)proxy->arguments, (char *const *)environment);
    _exit(125);
}

int clinux_attempt_start_proxy(
    const struct clinux_attempt *attempt, uid_t user, gid_t group, int listener, const char *const *arguments) {
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    struct proxy proxy = {.user = user, .group = group, .listener = listener, .arguments = arguments};
    pid_t supervisor = getpid();
    long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    int error = errno;
    if (pid == 0) run_proxy(attempt, &proxy, supervisor);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return pid < 0 ? -error : (int)pid;
}
