#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "no list of system calls for this architecture"
#endif

#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

// Newer than some C libraries that this is built with; the same numbers on every architecture.
enum {
    NUMBER_pidfd_send_signal = 424,
    NUMBER_pidfd_open = 434,
    NUMBER_clone3 = 435,
    NUMBER_close_range = 436,
    NUMBER_openat2 = 437,
    NUMBER_faccessat2 = 439,
    NUMBER_epoll_pwait2 = 441,
    NUMBER_landlock_create_ruleset = 444,
    NUMBER_landlock_add_rule = 445,
    NUMBER_landlock_restrict_self = 446,
    NUMBER_process_mrelease = 448,
    NUMBER_futex_waitv = 449,
    NUMBER_set_mempolicy_home_node = 450,
    NUMBER_cachestat = 451,
    NUMBER_fchmodat2 = 452,
    NUMBER_map_shadow_stack = 453,
    NUMBER_futex_wake = 454,
    NUMBER_futex_wait = 455,
    NUMBER_futex_requeue = 456,
};

/// What every job may call. Left out on purpose, so refused: what loads code into the kernel or replaces it, mounts and
/// namespaces, key rings (not kept apart by namespaces), io_uring (works behind any filter), bpf, perf_event_open,
/// userfaultfd, the clock, accounts of other processes, and opening files by handle.
static const short everybody[] = {
    // Files
    SYS_read, SYS_write, SYS_close, SYS_fstat, SYS_lseek, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev, SYS_preadv,
    SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_openat, NUMBER_openat2, NUMBER_close_range, SYS_dup, SYS_dup3, SYS_fcntl,
    SYS_flock, SYS_fsync, SYS_fdatasync, SYS_sync, SYS_syncfs, SYS_sync_file_range, SYS_truncate, SYS_ftruncate,
    SYS_fallocate, SYS_fadvise64, SYS_readahead, SYS_getdents64, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_mkdirat,
    SYS_mknodat, SYS_unlinkat, SYS_symlinkat, SYS_linkat, SYS_renameat2, SYS_readlinkat, SYS_fchmod, SYS_fchmodat,
    NUMBER_fchmodat2, SYS_fchown, SYS_fchownat, SYS_umask, SYS_faccessat, NUMBER_faccessat2, SYS_newfstatat, SYS_statx,
    SYS_statfs, SYS_fstatfs, SYS_utimensat, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_getxattr, SYS_lgetxattr,
    SYS_fgetxattr, SYS_listxattr, SYS_llistxattr, SYS_flistxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr,
    SYS_sendfile, SYS_splice, SYS_tee, SYS_vmsplice, SYS_copy_file_range, SYS_inotify_init1, SYS_inotify_add_watch,
    SYS_inotify_rm_watch, SYS_pipe2, SYS_memfd_create, NUMBER_cachestat, SYS_name_to_handle_at,
    // Asynchronous files
    SYS_io_setup, SYS_io_destroy, SYS_io_submit, SYS_io_cancel, SYS_io_getevents, SYS_io_pgetevents,
    // Memory
    SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_mincore, SYS_msync, SYS_mlock, SYS_mlock2, SYS_munlock,
    SYS_mlockall, SYS_munlockall, SYS_brk, SYS_membarrier, SYS_mbind, SYS_set_mempolicy, SYS_get_mempolicy,
    NUMBER_set_mempolicy_home_node, SYS_migrate_pages, SYS_move_pages, SYS_pkey_mprotect, SYS_pkey_alloc, SYS_pkey_free,
    SYS_shmget, SYS_shmat, SYS_shmctl, SYS_shmdt, NUMBER_process_mrelease, SYS_remap_file_pages, NUMBER_map_shadow_stack,
    // Waiting
    SYS_ppoll, SYS_pselect6, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, NUMBER_epoll_pwait2, SYS_eventfd2,
    SYS_signalfd4, SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime, SYS_nanosleep, SYS_clock_nanosleep,
    SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_timer_create, SYS_timer_settime, SYS_timer_gettime,
    SYS_timer_getoverrun, SYS_timer_delete, SYS_getitimer, SYS_setitimer, SYS_futex, NUMBER_futex_waitv, NUMBER_futex_wake,
    NUMBER_futex_wait, NUMBER_futex_requeue, SYS_set_robust_list, SYS_get_robust_list, SYS_rseq, SYS_sched_yield,
    SYS_restart_syscall,
    // Processes
    SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group, SYS_wait4, SYS_waitid, SYS_kill, SYS_tkill, SYS_tgkill,
    NUMBER_pidfd_open, NUMBER_pidfd_send_signal, SYS_getpid, SYS_getppid, SYS_gettid, SYS_getpgid, SYS_setpgid, SYS_getsid,
    SYS_setsid, SYS_set_tid_address, SYS_prctl, SYS_getrlimit, SYS_setrlimit, SYS_prlimit64, SYS_getrusage, SYS_times,
    SYS_sysinfo, SYS_uname, SYS_getrandom, SYS_getcpu, SYS_getpriority, SYS_setpriority, SYS_sched_setparam,
    SYS_sched_getparam, SYS_sched_setscheduler, SYS_sched_getscheduler, SYS_sched_get_priority_max,
    SYS_sched_get_priority_min, SYS_sched_rr_get_interval, SYS_sched_setaffinity, SYS_sched_getaffinity,
    SYS_sched_setattr, SYS_sched_getattr, SYS_ioprio_set, SYS_ioprio_get, SYS_capget, SYS_capset,
    // Who one is; without capabilities nobody else
    SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_getgroups, SYS_setuid, SYS_setgid,
    SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_setfsuid, SYS_setfsgid,
    // Signals
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_rt_sigqueueinfo, SYS_rt_sigsuspend,
    SYS_rt_sigreturn, SYS_rt_tgsigqueueinfo, SYS_sigaltstack,
    // Sockets that are there, and messages between processes of the attempt
    SYS_bind, SYS_connect, SYS_listen, SYS_accept, SYS_accept4, SYS_getsockname, SYS_getpeername, SYS_sendto, SYS_recvfrom,
    SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg, SYS_shutdown, SYS_setsockopt, SYS_getsockopt, SYS_msgget,
    SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_semget, SYS_semop, SYS_semtimedop, SYS_semctl, SYS_mq_open, SYS_mq_unlink,
    SYS_mq_timedsend, SYS_mq_timedreceive, SYS_mq_notify, SYS_mq_getsetattr,
    // Confining oneself further
    SYS_seccomp, NUMBER_landlock_create_ruleset, NUMBER_landlock_add_rule, NUMBER_landlock_restrict_self,
#ifdef __x86_64__
    // The older names of the same
    SYS_open, SYS_creat, SYS_stat, SYS_lstat, SYS_access, SYS_pipe, SYS_select, SYS_poll, SYS_dup2, SYS_pause, SYS_alarm,
    SYS_fork, SYS_vfork, SYS_getdents, SYS_rename, SYS_renameat, SYS_mkdir, SYS_rmdir, SYS_link, SYS_unlink, SYS_symlink,
    SYS_readlink, SYS_chmod, SYS_chown, SYS_lchown, SYS_mknod, SYS_utime, SYS_utimes, SYS_futimesat, SYS_getpgrp, SYS_time,
    SYS_epoll_create, SYS_epoll_wait, SYS_signalfd, SYS_eventfd, SYS_inotify_init, SYS_arch_prctl,
    SYS_get_thread_area, SYS_set_thread_area,
#else
    SYS_renameat,
#endif
};

/// A process that runs as one user may look into another of the same attempt.
static const short debuggers[] = {
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, 438 /* pidfd_getfd */,
};

/// What is looked at more closely, or answered as a kernel would that does not have it.
enum treatment { REFUSE, ALLOW, CLONE, IOCTL, SOCKET, SOCKETPAIR, PERSONALITY, UNSHARE, ABSENT, TREATMENTS };

enum { NUMBER_LIMIT = 512, X32_BIT = 0x40000000 };

static const unsigned long new_namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER
                                            | CLONE_NEWPID | CLONE_NEWNET | 0x80 /* CLONE_NEWTIME */;

struct writer {
    struct sock_filter *program;
    size_t capacity;
    size_t length;
};

static void put(struct writer *writer, uint16_t code, uint32_t k, uint8_t yes, uint8_t no) {
    if (writer->length < writer->capacity)
        writer->program[writer->length] = (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = k};
    writer->length++;
}

static void answer(struct writer *writer, uint32_t action) { put(writer, BPF_RET | BPF_K, action, 0, 0); }
static void refuse_with(struct writer *writer, int error) { answer(writer, SECCOMP_RET_ERRNO | (uint32_t)error); }

/// The lower half of an argument: what the kernel takes of an `int`. Both architectures are little-endian.
static void load_argument(struct writer *writer, int number) {
    put(writer, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (size_t)number, 0, 0);
}

/// Refuses where the loaded argument is this, and goes on otherwise.
static void refuse_if_equal(struct writer *writer, uint32_t value, int error) {
    put(writer, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    refuse_with(writer, error);
}

static void allow_if_equal(struct writer *writer, uint32_t value) {
    put(writer, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    answer(writer, SECCOMP_RET_ALLOW);
}

static void refuse_namespaces(struct writer *writer) {
    load_argument(writer, 0);
    put(writer, BPF_JMP | BPF_JSET | BPF_K, (uint32_t)new_namespaces, 0, 1);
    refuse_with(writer, EPERM);
    answer(writer, SECCOMP_RET_ALLOW);
}

/// Typing into the terminal that a job was started from.
static void check_ioctl(struct writer *writer) {
    load_argument(writer, 1);
    refuse_if_equal(writer, TIOCSTI, EPERM);
    refuse_if_equal(writer, TIOCLINUX, EPERM);
    answer(writer, SECCOMP_RET_ALLOW);
}

static void check_socket(struct writer *writer) {
    load_argument(writer, 0);
    allow_if_equal(writer, AF_UNIX);
    // Of netlink, the addresses and routes that a resolver asks for.
    put(writer, BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 4);
    load_argument(writer, 2);
    allow_if_equal(writer, NETLINK_ROUTE);
    refuse_with(writer, EAFNOSUPPORT);
    put(writer, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0);
    put(writer, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0);
    refuse_with(writer, EAFNOSUPPORT);
    load_argument(writer, 2);
    // Landlock does not see Multipath TCP.
    refuse_if_equal(writer, IPPROTO_MPTCP, EPROTONOSUPPORT);
    load_argument(writer, 1);
    put(writer, BPF_ALU | BPF_AND | BPF_K, 0xF, 0, 0);
    refuse_if_equal(writer, SOCK_RAW, EPERM);
    refuse_if_equal(writer, SOCK_PACKET, EPERM);
    answer(writer, SECCOMP_RET_ALLOW);
}

static void check_socketpair(struct writer *writer) {
    load_argument(writer, 0);
    allow_if_equal(writer, AF_UNIX);
    refuse_with(writer, EAFNOSUPPORT);
}

/// Asking for it, the ordinary one, and without random addresses, as debuggers want it.
static void check_personality(struct writer *writer) {
    load_argument(writer, 0);
    allow_if_equal(writer, 0);
    allow_if_equal(writer, 0xFFFFFFFF);
    allow_if_equal(writer, 0x0040000);
    refuse_with(writer, EPERM);
}

static void treat(struct writer *writer, int treatment) {
    switch (treatment) {
    case ALLOW: answer(writer, SECCOMP_RET_ALLOW); break;
    case CLONE:
    case UNSHARE: refuse_namespaces(writer); break;
    case IOCTL: check_ioctl(writer); break;
    case SOCKET: check_socket(writer); break;
    case SOCKETPAIR: check_socketpair(writer); break;
    case PERSONALITY: check_personality(writer); break;
    // A C library then does without; at EPERM it would give up.
    case ABSENT: refuse_with(writer, ENOSYS); break;
    default: refuse_with(writer, EPERM); break;
    }
}

struct range {
    uint32_t first;
    int treatment;
};

/// A binary search for the number that is loaded.
static void search(struct writer *writer, const struct range *ranges, size_t count) {
    if (count == 1) return treat(writer, ranges[0].treatment);
    size_t half = count / 2;
    size_t jump = writer->length;
    put(writer, BPF_JMP | BPF_JGE | BPF_K, ranges[half].first, 0, 0);
    size_t lower = writer->length;
    search(writer, ranges, half);
    size_t distance = writer->length - lower;
    if (distance > 255) {
        // Too far for a conditional jump: over an unconditional one.
        writer->length = lower;
        put(writer, BPF_JMP | BPF_JA, 0, 0, 0);
        search(writer, ranges, half);
        if (jump < writer->capacity) writer->program[jump].jf = 1;
        if (lower < writer->capacity) writer->program[lower].k = (uint32_t)(writer->length - lower - 1);
    } else if (jump < writer->capacity) {
        writer->program[jump].jt = (uint8_t)distance;
    }
    search(writer, ranges + half, count - half);
}

size_t clinux_filter_program(int kind, struct sock_filter *program, size_t capacity) {
    uint8_t treatments[NUMBER_LIMIT];
    memset(treatments, REFUSE, sizeof treatments);
    for (size_t i = 0; i < sizeof everybody / sizeof everybody[0]; i++) treatments[everybody[i]] = ALLOW;
    if (kind == CLINUX_FILTER_STANDARD)
        for (size_t i = 0; i < sizeof debuggers / sizeof debuggers[0]; i++) treatments[debuggers[i]] = ALLOW;
    treatments[SYS_clone] = CLONE;
    treatments[SYS_unshare] = UNSHARE;
    treatments[SYS_ioctl] = IOCTL;
    treatments[SYS_socket] = SOCKET;
    treatments[SYS_socketpair] = SOCKETPAIR;
    treatments[SYS_personality] = PERSONALITY;
    treatments[NUMBER_clone3] = ABSENT;
    // Programs try these first and do without.
    for (int i = 425; i <= 427; i++) treatments[i] = ABSENT;  // io_uring
    // Calls of kernels to come.
    for (int i = NUMBER_futex_requeue + 1; i < NUMBER_LIMIT; i++) treatments[i] = ABSENT;

    struct range ranges[NUMBER_LIMIT];
    size_t count = 0;
    for (uint32_t i = 0; i < NUMBER_LIMIT; i++)
        if (count == 0 || ranges[count - 1].treatment != treatments[i])
            ranges[count++] = (struct range){.first = i, .treatment = treatments[i]};

    struct writer writer = {.program = program, .capacity = capacity};
    put(&writer, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    put(&writer, BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0);
    answer(&writer, SECCOMP_RET_KILL_PROCESS);
    put(&writer, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    // The numbers of x32 begin far above all others, and -1 is what a tracer makes of a call that it skips.
    put(&writer, BPF_JMP | BPF_JGE | BPF_K, NUMBER_LIMIT, 0, 1);
    refuse_with(&writer, ENOSYS);
    search(&writer, ranges, count);
    return writer.length <= capacity ? writer.length : 0;
}

int clinux_sandbox_filter(const struct clinux_sandbox *sandbox) {
    if (sandbox->filter_length == 0) return 0;
    struct sock_fprog program = {
        .len = (unsigned short)sandbox->filter_length, .filter = (struct sock_filter *)sandbox->filter};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? errno : 0;
}

int clinux_has_seccomp(void) {
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}
