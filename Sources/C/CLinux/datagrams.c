#define _GNU_SOURCE
#include "include/datagrams.h"

#include <errno.h>
#include <string.h>

int clinux_receive_datagrams(
    int socket, unsigned char *buffer, size_t stride, unsigned count, size_t *lengths, struct sockaddr_storage *senders,
    socklen_t *sender_lengths) {
    struct mmsghdr messages[CLINUX_DATAGRAMS_MAX];
    struct iovec pieces[CLINUX_DATAGRAMS_MAX];
    if (count > CLINUX_DATAGRAMS_MAX) count = CLINUX_DATAGRAMS_MAX;
    memset(messages, 0, sizeof messages);
    for (unsigned index = 0; index < count; index++) {
        pieces[index].iov_base = buffer + stride * index;
        pieces[index].iov_len = stride;
        messages[index].msg_hdr.msg_iov = &pieces[index];
        messages[index].msg_hdr.msg_iovlen = 1;
        messages[index].msg_hdr.msg_name = &senders[index];
        messages[index].msg_hdr.msg_namelen = sizeof senders[index];
    }
    int received = recvmmsg(socket, messages, count, MSG_DONTWAIT, NULL);
    if (received < 0) return -errno;
    for (int index = 0; index < received; index++) {
        int is_cut = (messages[index].msg_hdr.msg_flags & MSG_TRUNC) != 0;
        lengths[index] = is_cut ? stride + 1 : messages[index].msg_len;
        sender_lengths[index] = messages[index].msg_hdr.msg_namelen;
    }
    return received;
}

int clinux_send_datagrams(
    int socket, const unsigned char *const *bytes, const size_t *lengths, const struct sockaddr_storage *receivers,
    const socklen_t *receiver_lengths, unsigned count) {
    struct mmsghdr messages[CLINUX_DATAGRAMS_MAX];
    struct iovec pieces[CLINUX_DATAGRAMS_MAX];
    if (count > CLINUX_DATAGRAMS_MAX) count = CLINUX_DATAGRAMS_MAX;
    memset(messages, 0, sizeof messages);
    for (unsigned index = 0; index < count; index++) {
        pieces[index].iov_base = (void *)bytes[index];
        pieces[index].iov_len = lengths[index];
        messages[index].msg_hdr.msg_iov = &pieces[index];
        messages[index].msg_hdr.msg_iovlen = 1;
        messages[index].msg_hdr.msg_name = (void *)&receivers[index];
        messages[index].msg_hdr.msg_namelen = receiver_lengths[index];
    }
    int sent = sendmmsg(socket, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}
