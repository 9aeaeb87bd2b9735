// What the first process of an attempt starts, and how: shared by attempt.c and hands.c, and by nobody else.
#pragma once
#include "CLinux.h"
#include <sys/syscall.h>

// Newer than some C libraries that this is built with; the numbers are the same on every architecture.
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif

/// Shared with the vforked child, which writes why the command could not run.
struct failure {
    int layer;
    int error;
};

/// A bit for each processor, as many as the kernel can have.
struct clinux_processors {
    unsigned long words[1024 / sizeof(unsigned long)];
};

struct job {
    const struct clinux_attempt *attempt;
    const char *const *arguments;
    const char *const *candidates;
    /// NULL: the attempt's.
    const char *const *environment;
    /// Of Landlock; -1 for none.
    int rules;
    /// Its standard input, output and error; NULL: those of the first process.
    const int *streams;
    /// 1: its standard input is the terminal of its session.
    int has_terminal;
    /// Where it may run; NULL: where the one who starts it may.
    const struct clinux_processors *processors;
    struct failure failure;
};

/// The first process of an attempt, from its clone to its end.
_Noreturn void clinux_first_process(const struct clinux_attempt *attempt, int control);

/// Returns when the command runs: its process, or 0 with the reason in `failure`, or -errno.
pid_t clinux_job_start(struct job *job);

/// Keeps this process, and what it starts, on the processor where it is, until it may again run where it could before.
/// 1, or 0 where that is not possible and nothing has changed.
int clinux_processors_stay(struct clinux_processors *before);

/// 0, or -1 with errno.
int clinux_processors_restore(const struct clinux_processors *before);

/// 0 or why a control group did not take this process. One that it was to be born into is not among them.
int clinux_enter_groups(const struct clinux_attempt *attempt);

/// None is blocked any more. A caught signal is the standard one again after exec; an ignored one stays ignored, so those a
/// daemon may ignore are reset.
void clinux_reset_signals(void);

/// The limit that clinux_open_more_files has raised. 0 or errno.
int clinux_open_files_as_before(void);

/// Tells the supervisor.
void clinux_tell(const struct clinux_message *message);

/// Tells the supervisor why there will be no command, and ends the first process.
_Noreturn void clinux_refuse(struct clinux_refusal refused);

/// The control socket, as a descriptor of the first process.
#define CLINUX_CONTROL 3

/// Puts what the command has as its streams into their places; -1: nothing.
void clinux_take_streams(int output, int error_output, int input);

/// How much sooner the kernel ends this process than others when it runs out of memory.
void clinux_offer_to_kernel(int adjustment);

/// In a first process that was cloned ahead: the attempt that was given to it, whose streams and trees come as descriptors.
const struct clinux_attempt *clinux_arena_take(struct clinux_arena *arena, const int *descriptors, size_t count);

/// Builds what the plan says; the Landlock rules of the command, or -1. Where the attempt is not known yet it waits for it
/// in between.
int clinux_enter_sandbox(const struct clinux_attempt **attempt);

/// What somebody wants done beside the command, from a packet that begins with clinux_hand_head. Takes the descriptors.
void clinux_hands_obey(
    const struct clinux_attempt *attempt, int rules, const char *packet, size_t length, int *descriptors, int count);

/// Says to whoever wants something done beside the command that it cannot be yet: EAGAIN. Takes the descriptors.
void clinux_hands_refuse(const char *packet, size_t length, const int *descriptors, int count);

/// 1 where the process that has ended was started for somebody, who is told.
int clinux_hands_reaped(pid_t process, int status);
