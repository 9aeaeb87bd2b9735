// Small calls around processes, files and shared memory that Swift cannot make itself: variadic functions, macros, atomics.
#pragma once
#include <features.h>
#include <stdint.h>
#include <sys/types.h>

/// Loads and stores shared between processes; the address is 8-byte aligned.
uint64_t clinux_atomic_load(const uint64_t *address);
void clinux_atomic_store(uint64_t *address, uint64_t value);

/// Makes a descriptor non-blocking and close-on-exec. 0 or -errno.
int clinux_set_nonblocking(int descriptor);
/// Room in a pipe in bytes; the kernel may give less. Resulting size or -errno.
int clinux_set_pipe_size(int descriptor, int bytes);
/// Takes the write lock of a whole file for this process (not inherited by children, gone with the process). 0 or -errno.
int clinux_lock_file(int descriptor);
/// The process that holds the write lock of a file, 0 if none, or -errno.
int clinux_lock_holder(int descriptor);
/// A descriptor for a process: poll(2) reports its end. Descriptor or -errno.
int clinux_process_descriptor(pid_t process);
/// Sends a signal through a process descriptor, so that a reused number is never hit. 0 or -errno.
int clinux_signal_process(int descriptor, int signal_number);

/// Runs a program that is nobody's child and leads a session of its own: the caller never has to wait for it.
///
/// Its standard streams are 0 = `input` (-1: /dev/null), 1 and 2 = `log`; `passed` becomes descriptor 3; everything else is closed.
/// Without an environment it gets the caller's.
/// 0, or -errno if it could not be executed.
int clinux_spawn_detached(const char *path, const char *const *arguments, const char *const *environment, int input, int log, int passed);

/// wait(2) status taken apart: 1 and the exit code, or 2 and the signal number, in `value`; 0 if it is neither.
int clinux_wait_status(int status, int *value);

/// A timer on the boot-time clock (it goes on while the host sleeps), non-blocking. Descriptor or -errno.
int clinux_boot_timer(void);
/// Arms it for a point in time, nanoseconds since boot; 0 disarms. 0 or -errno.
int clinux_boot_timer_set(int timer, int64_t nanoseconds);
/// A descriptor that reports SIGCHLD and SIGTERM, which are blocked from then on. Descriptor or -errno.
int clinux_supervisor_signals(void);
/// The next signal that came, or 0 when there is none.
int clinux_next_signal(int signals);

/// The user at the other end of a unix socket, or -errno.
int64_t clinux_peer_user(int socket);
/// Binds a unix socket to a path of any length, mode 0600, and listens (non-blocking). Descriptor or -errno.
int clinux_unix_listen(const char *path, int backlog);
/// Connects to one (non-blocking afterwards). Descriptor or -errno.
int clinux_unix_connect(const char *path);

/// A pipe whose ends are closed on exec; the reading end does not block. 0 or -errno.
int clinux_pipe(int *read_end, int *write_end);
