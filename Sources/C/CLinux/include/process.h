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
/// Its standard streams are `input` 0 = /dev/null, 1 and 2 = `log`; `passed` becomes descriptor 3; everything else is closed.
/// 0, or -errno if it could not be executed.
int clinux_spawn_detached(const char *path, const char *const *arguments, const char *const *environment, int log, int passed);

/// wait(2) status taken apart: 1 and the exit code, or 2 and the signal number, in `value`; 0 if it is neither.
int clinux_wait_status(int status, int *value);
