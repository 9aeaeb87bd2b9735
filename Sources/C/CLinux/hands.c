#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "attempt_job.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

enum { STRINGS = 4096 };

// -- Descriptors over sockets --

ssize_t clinux_send_descriptors(int socket, const void *bytes, size_t length, const int *descriptors, size_t count) {
    char control[CMSG_SPACE(sizeof(int) * CLINUX_PASSED_DESCRIPTORS)];
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > CLINUX_PASSED_DESCRIPTORS) return -EINVAL;
    if (count > 0) {
        memset(control, 0, sizeof control);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * count);
    }
    ssize_t sent;
    while ((sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno == EINTR) {}
    return sent < 0 ? -errno : sent;
}

/// Out of the way of standard streams, whose numbers may be free here.
static int moved(int descriptor) {
    int other = fcntl(descriptor, F_DUPFD_CLOEXEC, 10);
    close(descriptor);
    return other;
}

ssize_t clinux_receive_descriptors(
    int socket, void *bytes, size_t length, int *descriptors, size_t capacity, size_t *count) {
    char control[CMSG_SPACE(sizeof(int) * CLINUX_PASSED_DESCRIPTORS)];
    struct iovec part = {.iov_base = bytes, .iov_len = length};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    *count = 0;
    ssize_t received;
    while ((received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {}
    if (received < 0) return -errno;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t found = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < found; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof descriptor);
            int kept = moved(descriptor);
            if (kept < 0) continue;
            if (*count < capacity) descriptors[(*count)++] = kept;
            else close(kept);
        }
    }
    return received;
}

int clinux_open_terminal(int *ours, int *theirs) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (master < 0) return -errno;
    char name[64];
    int error = 0;
    if (grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof name) != 0) error = errno ? errno : EIO;
    int slave = error ? -1 : open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) {
        error = error ? error : errno;
        close(master);
        return -error;
    }
    *ours = master;
    *theirs = slave;
    return 0;
}

int clinux_set_window(int terminal, unsigned short rows, unsigned short columns) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(terminal, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

int clinux_open_pipe(int is_input, int *ours, int *theirs) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
    *ours = ends[is_input ? 1 : 0];
    *theirs = ends[is_input ? 0 : 1];
    return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int clinux_socket_error(int socket) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

// -- In the first process --

static struct {
    uint32_t hand;
    pid_t process;
    int keeps_left;
} running[CLINUX_HANDS];

static void refuse_hand(uint32_t hand, int layer, int error) {
    clinux_tell(&(struct clinux_message){
        .kind = CLINUX_MESSAGE_HAND_REFUSED, .hand = hand, .layer = layer, .error = error, .step = -1});
}

/// Where strings that end with a zero byte begin; 0 where they are not that many.
static size_t take_strings(const char **into, size_t count, const char *text, size_t length) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const char *end = memchr(text + at, 0, length - at);
        if (!end) return 0;
        into[i] = text + at;
        at = (size_t)(end - text) + 1;
    }
    into[count] = NULL;
    return at;
}

static void run_hand(
    const struct clinux_attempt *attempt, int rules, const struct clinux_hand_head *head, const char *text,
    size_t length, const int *streams) {
    static const char *arguments[STRINGS], *candidates[STRINGS], *variables[STRINGS];
    size_t place = 0;
    while (place < CLINUX_HANDS && running[place].process) place++;
    if (place == CLINUX_HANDS) return refuse_hand(head->hand, CLINUX_LAYER_CLONE, EAGAIN);
    if (head->argument_count >= STRINGS || head->candidate_count >= STRINGS || head->variable_count >= STRINGS)
        return refuse_hand(head->hand, CLINUX_LAYER_EXECUTE, E2BIG);
    size_t used = take_strings(arguments, head->argument_count, text, length);
    size_t more = take_strings(candidates, head->candidate_count, text + used, length - used);
    if (!used || !more) return refuse_hand(head->hand, CLINUX_LAYER_EXECUTE, EINVAL);
    take_strings(variables, head->variable_count, text + used + more, length - used - more);
    static struct job job;
    job = (struct job){
        .attempt = attempt, .arguments = arguments, .candidates = candidates, .environment = variables,
        .rules = rules, .streams = streams, .has_terminal = head->has_terminal};
    pid_t process = clinux_job_start(&job);
    if (process < 0) return refuse_hand(head->hand, CLINUX_LAYER_CLONE, -process);
    if (process == 0) return refuse_hand(head->hand, job.failure.layer, job.failure.error);
    running[place].hand = head->hand;
    running[place].process = process;
    running[place].keeps_left = head->keeps_left;
}

static int connect_to(int family, uint16_t port) {
    int made = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0) return -errno;
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int result = family == AF_INET ? connect(made, (struct sockaddr *)&four, sizeof four)
                                   : connect(made, (struct sockaddr *)&six, sizeof six);
    if (result == 0 || errno == EINPROGRESS) return made;
    int error = errno;
    close(made);
    return -error;
}

/// The loopback that the command sees; the connection goes back over the socket that came with the order.
static void connect_hand(const struct clinux_hand_head *head, int back) {
    int made = connect_to(AF_INET, head->number);
    if (made == -ECONNREFUSED) made = connect_to(AF_INET6, head->number);
    if (made < 0) return refuse_hand(head->hand, CLINUX_LAYER_NETWORK, -made);
    ssize_t sent = clinux_send_descriptors(back, "c", 1, &made, 1);
    if (sent < 0) refuse_hand(head->hand, CLINUX_LAYER_DESCRIPTORS, (int)-sent);
    close(made);
}

static void signal_hand(const struct clinux_hand_head *head) {
    for (size_t i = 0; i < CLINUX_HANDS; i++) {
        // It leads a session, so it leads a group: its children hear it, too.
        if (running[i].process && (head->hand == 0 || running[i].hand == head->hand)) kill(-running[i].process, head->number);
    }
}

void clinux_hands_obey(
    const struct clinux_attempt *attempt, int rules, const char *packet, size_t length, int *descriptors, int count) {
    struct clinux_hand_head head;
    if (length >= sizeof head) {
        memcpy(&head, packet, sizeof head);
        const char *text = packet + sizeof head;
        if (head.order == CLINUX_ORDER_RUN_HAND && count == CLINUX_HAND_DESCRIPTORS)
            run_hand(attempt, rules, &head, text, length - sizeof head, descriptors);
        else if (head.order == CLINUX_ORDER_CONNECT && count == 1)
            connect_hand(&head, descriptors[0]);
        else if (head.order == CLINUX_ORDER_SIGNAL_HAND)
            signal_hand(&head);
        else
            refuse_hand(head.hand, CLINUX_LAYER_DESCRIPTORS, EMFILE);
    }
    for (int i = 0; i < count; i++) close(descriptors[i]);
}

void clinux_hands_refuse(const char *packet, size_t length, const int *descriptors, int count) {
    struct clinux_hand_head head;
    if (length >= sizeof head) {
        memcpy(&head, packet, sizeof head);
        if (head.order != CLINUX_ORDER_SIGNAL_HAND) refuse_hand(head.hand, CLINUX_LAYER_CLONE, EAGAIN);
    }
    for (int i = 0; i < count; i++) close(descriptors[i]);
}

int clinux_hands_reaped(pid_t process, int status) {
    for (size_t i = 0; i < CLINUX_HANDS; i++) {
        if (running[i].process != process) continue;
        running[i].process = 0;
        // What it left in its session goes with it; what has a session of its own is the attempt's.
        if (!running[i].keeps_left) kill(-process, SIGKILL);
        clinux_tell(&(struct clinux_message){
            .kind = CLINUX_MESSAGE_HAND_ENDED, .hand = running[i].hand, .status = status, .step = -1});
        return 1;
    }
    return 0;
}
