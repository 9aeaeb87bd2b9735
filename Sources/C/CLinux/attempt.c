#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "attempt_job.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    CONTROL = CLINUX_CONTROL,  // descriptors of the first process
    INPUT = 4,                 // what the command is to read, until it begins
    OUTPUT = 1,
    ERROR_OUTPUT = 2,
    JOB_STACK = 64 * 1024,
};

static int64_t unix_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void clinux_tell(const struct clinux_message *message) {
    // The socket holds more messages than an attempt ever sends, so this does not block; a dead supervisor is noticed by
    // the loop.
    while (send(CONTROL, message, sizeof *message, MSG_NOSIGNAL) < 0 && errno == EINTR) {}
}

_Noreturn void clinux_refuse(struct clinux_refusal refused) {
    struct clinux_message message = {
        .kind = CLINUX_MESSAGE_REFUSED,
        .layer = refused.layer,
        .error = refused.error,
        .step = refused.step,
        .at_nanoseconds = unix_time()};
    clinux_tell(&message);
    _exit(125);
}

static _Noreturn void refuse(int layer, int error) {
    clinux_refuse((struct clinux_refusal){.layer = layer, .error = error, .step = -1});
}

void clinux_reset_signals(void) {
    static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTOU};
    struct sigaction standard;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) sigaction(ignored[i], &standard, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// -- Descriptors --

void clinux_take_streams(int output, int error_output, int input) {
    if (dup2(output, OUTPUT) < 0 || dup2(error_output, ERROR_OUTPUT) < 0) refuse(CLINUX_LAYER_DESCRIPTORS, errno);
    if (input >= 0 && (dup2(input, INPUT) < 0 || fcntl(INPUT, F_SETFD, FD_CLOEXEC) < 0))
        refuse(CLINUX_LAYER_DESCRIPTORS, errno);
}

static void arrange_descriptors(int control, int output, int error_output, int input) {
    // First out of the way of the numbers they will take, then into place.
    int moved[4] = {control, output, error_output, input};
    for (int i = 0; i < 4; i++) {
        if (moved[i] < 0) continue;
        moved[i] = fcntl(moved[i], F_DUPFD, 10);
        if (moved[i] < 0) _exit(125);
    }
    if (dup2(moved[0], CONTROL) < 0) _exit(125);
    fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0) refuse(CLINUX_LAYER_DESCRIPTORS, errno);
    if (nothing != 0 && dup2(nothing, 0) < 0) refuse(CLINUX_LAYER_DESCRIPTORS, errno);
    clinux_take_streams(output < 0 ? 0 : moved[1], output < 0 ? 0 : moved[2], moved[3]);
    int last = input < 0 ? CONTROL : INPUT;
    if (syscall(SYS_close_range, last + 1, ~0U, 0) < 0) {
        // Kernels before 5.9.
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0) refuse(CLINUX_LAYER_DESCRIPTORS, errno);
        for (rlim_t i = (rlim_t)last + 1; i < limit.rlim_cur; i++) close((int)i);
    }
    int error = clinux_open_files_as_before();
    if (error) refuse(CLINUX_LAYER_DESCRIPTORS, error);
}

// -- The command: from vfork to exec, on a stack of its own, sharing memory with the first process --

static int fail(struct job *job, int layer, int error) {
    job->failure.layer = layer;
    job->failure.error = error;
    _exit(125);
}

void clinux_offer_to_kernel(int adjustment) {
    char text[16];
    int length = snprintf(text, sizeof text, "%d", adjustment);
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;  // the adjustment is a courtesy to the host: which process the kernel prefers to kill
    ssize_t ignored = write(file, text, (size_t)length);
    (void)ignored;
    close(file);
}

/// What root would gain by exec. Every process inherits it, so a supervisor drops it once, for all its attempts.
static int bounding_set_is_empty = 0;

int clinux_drop_bounding_set(void) {
    for (int i = 0;; i++) {
        if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0) continue;
        // Beyond the last capability that this kernel knows; or there is nothing to drop and no right to.
        if (errno == EINVAL || errno == EPERM) break;
        return -errno;
    }
    bounding_set_is_empty = 1;
    return 0;
}

static void drop_capabilities(struct job *job) {
    // A new user namespace begins with a full set.
    if (!bounding_set_is_empty || job->attempt->isolation == CLINUX_ISOLATION_USER_NAMESPACE) {
        int kept = bounding_set_is_empty;
        int error = clinux_drop_bounding_set();
        bounding_set_is_empty = kept;
        if (error < 0) fail(job, CLINUX_LAYER_CAPABILITIES, -error);
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static void become_user(struct job *job) {
    const struct clinux_attempt *attempt = job->attempt;
    if (attempt->change_user) {
        // Raw calls: the wrappers of the C library look for other threads, and memory is shared with the parent here.
        if (syscall(SYS_setgroups, attempt->group_count, attempt->groups) < 0) fail(job, CLINUX_LAYER_USER, errno);
        if (syscall(SYS_setresgid, attempt->group, attempt->group, attempt->group) < 0)
            fail(job, CLINUX_LAYER_USER, errno);
        if (syscall(SYS_setresuid, attempt->user, attempt->user, attempt->user) < 0)
            fail(job, CLINUX_LAYER_USER, errno);
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    if (syscall(SYS_capset, &header, none) < 0) fail(job, CLINUX_LAYER_CAPABILITIES, errno);
}

/// The last things before exec, the filter at the very end: what comes after it must be allowed to the job itself.
static void confine(struct job *job) {
    int error = job->rules >= 0 ? clinux_sandbox_confine_files(job->rules) : 0;
    if (error) fail(job, CLINUX_LAYER_LANDLOCK, error);
    // The first process keeps its own: this one has a copy of the table.
    syscall(SYS_close_range, CONTROL, ~0U, 0);
    error = clinux_sandbox_filter(job->attempt->sandbox);
    if (error) fail(job, CLINUX_LAYER_SECCOMP, error);
}

/// Those of somebody who looks on, instead of the attempt's.
static void take_streams(struct job *job) {
    for (int i = 0; i < CLINUX_HAND_DESCRIPTORS; i++)
        if (dup2(job->streams[i], i) < 0) fail(job, CLINUX_LAYER_DESCRIPTORS, errno);
    if (job->has_terminal && ioctl(0, TIOCSCTTY, 0) < 0) fail(job, CLINUX_LAYER_SESSION, errno);
}

static int run_job(void *context) {
    struct job *job = context;
    const struct clinux_attempt *attempt = job->attempt;
    // A session of its own is also a process group of its own.
    if (setsid() < 0) fail(job, CLINUX_LAYER_SESSION, errno);
    if (attempt->oom_score_adjustment) clinux_offer_to_kernel(attempt->oom_score_adjustment);
    struct rlimit no_core = {0, 0};
    if (setrlimit(RLIMIT_CORE, &no_core) < 0) fail(job, CLINUX_LAYER_LIMITS, errno);
    const struct clinux_sandbox *sandbox = attempt->sandbox;
    int error = sandbox ? clinux_sandbox_limit(sandbox) : 0;
    if (error) fail(job, CLINUX_LAYER_LIMITS, error);
    drop_capabilities(job);
    become_user(job);
    // After the change of user, which would clear it.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) fail(job, CLINUX_LAYER_SESSION, errno);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail(job, CLINUX_LAYER_NO_NEW_PRIVILEGES, errno);
    umask(022);
    if (chdir(attempt->working_directory) < 0) fail(job, CLINUX_LAYER_WORKING_DIRECTORY, errno);
    if (job->streams) take_streams(job);
    clinux_reset_signals();
    if (job->processors && clinux_processors_restore(job->processors) < 0) fail(job, CLINUX_LAYER_LIMITS, errno);
    if (sandbox) confine(job);
    // As execvp(3) searches: what is missing is passed over, what may not be executed is remembered.
    const char *const *environment = job->environment ? job->environment : attempt->environment;
    error = ENOENT;
    for (int i = 0; job->candidates[i]; i++) {
        execve(job->candidates[i], (char *const *)job->arguments, (char *const *)environment);
        if (errno == ENOENT || errno == ENOTDIR) continue;
        error = errno;
        if (errno != EACCES) break;
    }
    return fail(job, CLINUX_LAYER_EXECUTE, error);
}

// -- The first process --

/// Without a PID namespace: ends every descendant. Each orphan becomes a child of this process, so the list drains.
static void kill_descendants(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    for (;;) {
        char list[4096];
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0) break;
        ssize_t length = read(file, list, sizeof list - 1);
        close(file);
        if (length <= 0) break;
        list[length] = 0;
        // A number cut off by the end of the buffer is left for the next look.
        while (length > 0 && length == (ssize_t)sizeof list - 1 && list[length - 1] != ' ') list[--length] = 0;
        pid_t number = 0;
        for (ssize_t i = 0; i < length; i++) {
            if (list[i] >= '0' && list[i] <= '9') {
                number = number * 10 + (list[i] - '0');
            } else if (number) {
                kill(number, SIGKILL);
                number = 0;
            }
        }
        if (waitpid(-1, NULL, 0) < 0) break;
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
    }
}

/// Ends and reaps all that this process is the first of. Left to the kernel, those would not count among what was used.
static void end_others(int isolation) {
    if (isolation == CLINUX_ISOLATION_GROUP) kill_descendants();
    else kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {}
}

static _Noreturn void end(int isolation) {
    end_others(isolation);
    _exit(0);
}

static void signal_all(int isolation, pid_t job, int number) {
    kill(isolation == CLINUX_ISOLATION_GROUP ? -job : -1, number);
}

/// The order that was read last.
static char packet[CLINUX_HAND_BYTES];

static void obey(const struct clinux_attempt *attempt, int rules, pid_t job) {
    int isolation = attempt->isolation;
    int descriptors[CLINUX_HAND_DESCRIPTORS];
    size_t count = 0;
    ssize_t length =
        clinux_receive_descriptors(CONTROL, packet, sizeof packet, descriptors, CLINUX_HAND_DESCRIPTORS, &count);
    if (length < 0) return;
    if (length == 0) end(isolation);  // the supervisor is gone, and its attempts go with it
    if (length > 1) return clinux_hands_obey(attempt, rules, packet, (size_t)length, descriptors, (int)count);
    switch (packet[0]) {
    case CLINUX_ORDER_TERMINATE: signal_all(isolation, job, SIGTERM); break;
    case CLINUX_ORDER_STOP: signal_all(isolation, job, SIGSTOP); break;
    case CLINUX_ORDER_CONTINUE: signal_all(isolation, job, SIGCONT); break;
    case CLINUX_ORDER_KILL: end(isolation);
    }
}

/// Whether the job is among those that have ended.
static int reap(pid_t job, int *status) {
    int one, has_ended = 0;
    pid_t ended;
    while ((ended = waitpid(-1, &one, WNOHANG)) > 0) {
        if (ended != job) {
            clinux_hands_reaped(ended, one);
            continue;
        }
        *status = one;
        has_ended = 1;
    }
    return has_ended;
}

static _Noreturn void report(int isolation, enum clinux_message_kind kind, int status) {
    struct clinux_message message = {
        .kind = kind,
        .status = status,
        .at_nanoseconds = unix_time()};
    clinux_tell(&message);
    end(isolation);
}

/// Obeys and collects until the job has ended; how it did.
static int watch(const struct clinux_attempt *attempt, int rules, pid_t job) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    int signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) end(attempt->isolation);
    struct pollfd watched[2] = {{.fd = CONTROL, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        int status;
        if (reap(job, &status)) {
            close(signals);
            return status;
        }
        if (poll(watched, 2, -1) < 0) continue;
        if (watched[1].revents) {
            struct signalfd_siginfo ignored;
            while (read(signals, &ignored, sizeof ignored) > 0) {}
        }
        if (watched[0].revents) obey(attempt, rules, job);
    }
}

int clinux_enter_groups(const struct clinux_attempt *attempt) {
    for (size_t i = 0; i < attempt->door_count; i++)
        if (write(attempt->doors[i], "0", 1) < 0) return errno;
    return 0;
}

/// It goes on to signal and to reap, and to start what people run beside the command, as the same user. It can do nothing
/// else to the host.
static void disarm(const struct clinux_attempt *attempt) {
    if (attempt->isolation == CLINUX_ISOLATION_USER_NAMESPACE) clinux_drop_bounding_set();
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct kept[2];
    memset(kept, 0, sizeof kept);
    kept[0].permitted = kept[0].effective = 1U << CAP_KILL;
    if (attempt->change_user) kept[0].permitted = kept[0].effective |= 1U << CAP_SETUID | 1U << CAP_SETGID;
    // Without the right to it there is nothing to give up.
    syscall(SYS_capset, &header, kept);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

pid_t clinux_job_start(struct job *job) {
    static char stack[JOB_STACK] __attribute__((aligned(16)));
    static struct clinux_processors processors;
    job->processors = clinux_processors_stay(&processors) ? &processors : NULL;
    pid_t pid = clone(run_job, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, job);
    int error = errno;
    // If this fails it failed in the child as well, which then has not run.
    if (job->processors) clinux_processors_restore(job->processors);
    if (pid < 0) return -error;
    // Memory was shared until the command replaced it: what it wrote is visible here.
    if (!job->failure.layer) return pid;
    waitpid(pid, NULL, 0);
    return 0;
}

/// Returns when the command runs.
static pid_t start(struct job given) {
    static struct job job;
    job = given;
    pid_t pid = clinux_job_start(&job);
    if (pid < 0) refuse(CLINUX_LAYER_CLONE, -pid);
    if (pid == 0) refuse(job.failure.layer, job.failure.error);
    return pid;
}

static void tell_started(void) {
    struct clinux_message message = {.kind = CLINUX_MESSAGE_STARTED, .at_nanoseconds = unix_time()};
    clinux_tell(&message);
}

/// Until the supervisor lets the command begin. What the setup made is copied meanwhile, so nothing runs here.
static void wait_for_go(const struct clinux_attempt *attempt) {
    int may_go = 0, is_stopped = 0;
    while (!may_go || is_stopped) {
        struct pollfd watched = {.fd = CONTROL, .events = POLLIN};
        if (poll(&watched, 1, -1) < 0) continue;
        int descriptors[CLINUX_HAND_DESCRIPTORS];
        size_t count = 0;
        ssize_t length =
            clinux_receive_descriptors(CONTROL, packet, sizeof packet, descriptors, CLINUX_HAND_DESCRIPTORS, &count);
        if (length == 0) end(attempt->isolation);
        if (length > 1) clinux_hands_refuse(packet, (size_t)length, descriptors, (int)count);
        if (length != 1) continue;
        switch (packet[0]) {
        case CLINUX_ORDER_GO: may_go = 1; break;
        case CLINUX_ORDER_STOP: is_stopped = 1; break;
        case CLINUX_ORDER_CONTINUE: is_stopped = 0; break;
        case CLINUX_ORDER_TERMINATE: report(attempt->isolation, CLINUX_MESSAGE_ENDED, SIGTERM);
        case CLINUX_ORDER_KILL: end(attempt->isolation);
        }
    }
}

/// Where its proxy is found; who answers there is out here. -1: it has none.
static int open_proxy(const struct clinux_sandbox *sandbox) {
    if (!sandbox || !sandbox->proxy_port) return -1;
    int listener = clinux_sandbox_listen(sandbox->proxy_port);
    if (listener < 0) refuse(CLINUX_LAYER_NETWORK, -listener);
    struct clinux_message message = {.kind = CLINUX_MESSAGE_LISTENS};
    ssize_t sent = clinux_send_descriptors(CONTROL, &message, sizeof message, &listener, 1);
    if (sent < 0) refuse(CLINUX_LAYER_NETWORK, (int)-sent);
    return listener;
}

/// Whoever else has the socket: nobody is answered at it any more.
static struct clinux_refusal close_proxy(int listener) {
    struct clinux_refusal refused = {.step = -1};
    // ENOTCONN: the supervisor has let go of it before.
    if (shutdown(listener, SHUT_RDWR) < 0 && errno != ENOTCONN)
        refused = (struct clinux_refusal){.layer = CLINUX_LAYER_NETWORK, .error = errno, .step = -1};
    close(listener);
    return refused;
}

/// Runs the setup command to its end, and leaves nothing of it but the files that it made.
static void set_up(const struct clinux_attempt *attempt, int rules, int proxy) {
    const char *const candidates[2] = {attempt->setup[0], NULL};
    pid_t pid = start((struct job){
        .attempt = attempt, .arguments = attempt->setup, .candidates = candidates, .rules = rules});
    tell_started();
    int status = watch(attempt, rules, pid);
    if (status != 0) report(attempt->isolation, CLINUX_MESSAGE_SETUP_FAILED, status);
    end_others(attempt->isolation);
    if (attempt->sandbox && attempt->sandbox->network_for_setup) {
        // Only now: a socket that the setup command had open has gone with it.
        struct clinux_refusal refused = proxy < 0 ? clinux_sandbox_leave_network() : close_proxy(proxy);
        if (refused.layer) clinux_refuse(refused);
    }
    struct clinux_message message = {.kind = CLINUX_MESSAGE_SETUP_ENDED, .at_nanoseconds = unix_time()};
    clinux_tell(&message);
    if (attempt->waits_after_setup) wait_for_go(attempt);
}

_Noreturn void clinux_first_process(const struct clinux_attempt *attempt, int control) {
    int isolation = attempt->isolation;
    int shut_out = clinux_enter_groups(attempt);
    arrange_descriptors(control, attempt->output, attempt->error_output, attempt->input);
    if (shut_out) refuse(CLINUX_LAYER_CGROUP, shut_out);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    // As the first process of a namespace it dies with its supervisor, and everything with it. Without a namespace it
    // must live long enough to end its descendants: the closed control socket tells it.
    if (isolation != CLINUX_ISOLATION_GROUP) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    else prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_NAME, "swarmlet-init", 0, 0, 0);
    setsid();
    umask(022);
    char order;
    ssize_t length;
    while ((length = recv(CONTROL, &order, 1, 0)) < 0 && errno == EINTR) {}
    if (length != 1 || order != CLINUX_ORDER_GO) _exit(125);
    int rules = -1;
    if (attempt->sandbox) rules = clinux_enter_sandbox(&attempt);
    else if (isolation != CLINUX_ISOLATION_GROUP) {
        struct clinux_refusal refused = clinux_build_mounts(attempt);
        if (refused.layer) clinux_refuse(refused);
    }

    int proxy = open_proxy(attempt->sandbox);
    // The same user as the job inside a user namespace: it must not be possible to attach to this process.
    if (attempt->sandbox) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (attempt->setup) set_up(attempt, rules, proxy);
    // Not before: it is not for the setup command.
    if (attempt->input >= 0 && (dup2(INPUT, 0) < 0 || close(INPUT) < 0)) refuse(CLINUX_LAYER_DESCRIPTORS, errno);
    pid_t pid = start((struct job){
        .attempt = attempt, .arguments = attempt->arguments, .candidates = attempt->candidates, .rules = rules});
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (attempt->sandbox) disarm(attempt);
    close(0);
    close(OUTPUT);
    close(ERROR_OUTPUT);
    if (!attempt->setup) tell_started();
    report(isolation, CLINUX_MESSAGE_ENDED, watch(attempt, rules, pid));
}
