// Many datagrams with one call, which glibc declares only under _GNU_SOURCE.
#pragma once
#include <features.h>
#include <stddef.h>
#include <sys/socket.h>

/// The most datagrams that one call moves.
#define CLINUX_DATAGRAMS_MAX 32

/// Receives up to `count` datagrams without waiting, each into its own `stride` bytes of `buffer`. A datagram that is longer
/// counts as `stride` + 1 bytes. Returns how many came, or -errno.
int clinux_receive_datagrams(
    int socket, unsigned char *buffer, size_t stride, unsigned count, size_t *lengths, struct sockaddr_storage *senders,
    socklen_t *sender_lengths);

/// Sends `count` datagrams without waiting, from `count` places of memory. Returns how many went, or -errno of the first.
int clinux_send_datagrams(
    int socket, const unsigned char *const *bytes, const size_t *lengths, const struct sockaddr_storage *receivers,
    const socklen_t *receiver_lengths, unsigned count);
