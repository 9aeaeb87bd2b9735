#define _GNU_SOURCE
#include "include/ring.h"
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

int swarmlet_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); }

void swarmlet_name_thread(const char *name) {
    char kept[16] = {0};
    strncpy(kept, name, sizeof kept - 1);
    pthread_setname_np(pthread_self(), kept);
}
