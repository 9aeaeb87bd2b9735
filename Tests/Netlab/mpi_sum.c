// Every process says where it is, and all of them what they come to together: many numbers, so that they travel over the
// network and not only with the words of the start.
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <mpi.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COUNT = 1 << 18 };

/// The address of the host, which no variable of a launcher can make up.
static const char *address(void) {
    static char text[INET_ADDRSTRLEN] = "?";
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) < 0) return text;
    for (struct ifaddrs *one = all; one; one = one->ifa_next) {
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || strcmp(one->ifa_name, "eth0") != 0) continue;
        inet_ntop(AF_INET, &((struct sockaddr_in *)one->ifa_addr)->sin_addr, text, sizeof text);
    }
    freeifaddrs(all);
    return text;
}

int main(int argc, char **argv) {
    static double numbers[COUNT], sums[COUNT];
    int rank, size;
    char folder[4096];
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc > 1 && rank == size - 1) exit(atoi(argv[1]));
    for (int i = 0; i < COUNT; i++) numbers[i] = rank + i;
    MPI_Allreduce(numbers, sums, COUNT, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    double expected = size * (size - 1) / 2.0;
    int wrong = 0;
    for (int i = 0; i < COUNT; i++) wrong += sums[i] != expected + (double)size * i;
    printf("rank %d of %d on %s in %s, wrong %d\n", rank, size, address(), getcwd(folder, sizeof folder), wrong);
    fflush(stdout);
    // A line can be waited for while all of them are still there.
    const char *seconds = getenv("STAY");
    if (seconds) sleep((unsigned)atoi(seconds));
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return wrong != 0;
}
