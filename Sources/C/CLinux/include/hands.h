// What people do beside the command of an attempt that runs: programs and connections inside of it.
//
// The first process of the attempt does it, because it is inside already: what it starts goes the same way as the command
// itself did, with the same user, limits, filters and groups, and can do nothing that the command could not.
#pragma once
#include <features.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    /// Longest order: arguments and variables of a command together.
    CLINUX_HAND_BYTES = 96 * 1024,
    CLINUX_HAND_DESCRIPTORS = 3,
    /// Descriptors that go with one message.
    CLINUX_PASSED_DESCRIPTORS = 96,
    /// Programs that run at once beside the command of one attempt.
    CLINUX_HANDS = 64,
};

/// Before the strings of an order, each of which ends with a zero byte: arguments, candidates, variables.
struct clinux_hand_head {
    uint8_t order;
    /// 1: standard input is a terminal, which becomes the one of its session.
    uint8_t has_terminal;
    /// CLINUX_ORDER_CONNECT: the port. CLINUX_ORDER_SIGNAL_HAND: the signal.
    uint16_t number;
    uint32_t hand;
    uint16_t argument_count, candidate_count, variable_count;
    /// 1: what it leaves running when it ends stays with the attempt, instead of being killed with its session.
    uint16_t keeps_left;
};

/// Sends bytes, and descriptors beside the first of them; the socket does not block. How many bytes went, or -errno.
ssize_t clinux_send_descriptors(int socket, const void *bytes, size_t length, const int *descriptors, size_t count);
/// Receives bytes, and up to `capacity` descriptors that come with them (close-on-exec, none of 0 to 9), whose number is
/// put into `count`. How many bytes came (0 at the end), or -errno.
ssize_t clinux_receive_descriptors(int socket, void *bytes, size_t length, int *descriptors, size_t capacity, size_t *count);

/// A terminal: its end for us, which does not block, and the one for a program. Both are close-on-exec. 0 or -errno.
int clinux_open_terminal(int *ours, int *theirs);
/// The window of a terminal, and SIGWINCH to who is in it. 0 or -errno.
int clinux_set_window(int terminal, unsigned short rows, unsigned short columns);
/// Pipe ends for one direction, ours of which does not block; `is_input` where the program reads. 0 or -errno.
int clinux_open_pipe(int is_input, int *ours, int *theirs);
/// The error that a connecting socket has come to: 0 or errno.
int clinux_socket_error(int socket);
