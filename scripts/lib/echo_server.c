// Echoes what comes over TCP on loopback, with epoll: what scripts/bench session compares with. Prints its port.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    static char buffer[65536];
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
        perror("echo_server");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    int loop = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[16];
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(loop, ready, 16, -1);
        for (int index = 0; index < count; index++) {
            int from = ready[index].data.fd;
            if (from == listener) {
                int accepted = accept(listener, NULL, NULL);
                int one = 1;
                setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                event.events = EPOLLIN;
                event.data.fd = accepted;
                epoll_ctl(loop, EPOLL_CTL_ADD, accepted, &event);
                continue;
            }
            ssize_t received = read(from, buffer, sizeof buffer);
            if (received <= 0) {
                close(from);
                continue;
            }
            for (ssize_t sent = 0; sent < received;) {
                ssize_t done = write(from, buffer + sent, received - sent);
                if (done <= 0) break;
                sent += done;
            }
        }
    }
}
