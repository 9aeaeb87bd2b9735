// A libcuda.so.1 without hardware: one device, whose memory is the file `memory` beside it and keeps what is written there, as
// a device does between processes. Each call is a line in the file `calls`.
//
// A context takes pages of that memory for itself, marks the first and leaves the rest as it was: what was there before shows
// again when another gets them. The word in the file `fault`, where there is one, makes the call of that name fail; with a file `integrated` beside it
// its memory is the host's.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, LAUNCH_FAILED = 719 };
enum { PAGES_MAX = 4096, OWN_PAGES = 4, INTEGRATED = 18 };
typedef unsigned long long address;

static const size_t page = 2 << 20;
// Addresses are no places in the file: zero is nobody's.
static const address base = 1ULL << 40;

static unsigned char *memory;
static int pages;
// Who has each page: 0 nobody, else a number.
static int owner[PAGES_MAX], last_owner;

int cuInit(unsigned flags);

static void beside(const char *name, char *path, size_t length) {
    Dl_info own = {0};
    dladdr((void *)cuInit, &own);
    const char *slash = strrchr(own.dli_fname, '/');
    snprintf(path, length, "%.*s/%s", (int)(slash - own.dli_fname), own.dli_fname, name);
}

/// What a call of this name has to answer.
static int called(const char *name) {
    char path[4096], fault[64] = "";
    beside("calls", path, sizeof path);
    FILE *file = fopen(path, "a");
    if (!file) abort();
    fprintf(file, "%s %s\n", name, getenv("CUDA_VISIBLE_DEVICES") ? getenv("CUDA_VISIBLE_DEVICES") : "all");
    fclose(file);
    beside("fault", path, sizeof path);
    file = fopen(path, "r");
    if (!file) return SUCCESS;
    if (!fgets(fault, sizeof fault, file)) fault[0] = 0;
    fclose(file);
    return strcmp(fault, name) ? SUCCESS : LAUNCH_FAILED;
}

/// The first of so many pages in a row that nobody has; -1 where there are none.
static int room(int count) {
    for (int first = 0; first + count <= pages; first++) {
        int found = 0;
        while (found < count && !owner[first + found]) found++;
        if (found == count) return first;
    }
    return -1;
}

static int take(int count) {
    int first = room(count);
    if (first < 0) return -1;
    last_owner++;
    for (int at = 0; at < count; at++) owner[first + at] = last_owner;
    return first;
}

static void give_back(int first) {
    int of = owner[first];
    for (int at = 0; at < pages; at++)
        if (owner[at] == of) owner[at] = 0;
}

int cuInit(unsigned flags) {
    int result = called("cuInit");
    if (result || flags) return result ? result : INVALID;
    char path[4096];
    beside("memory", path, sizeof path);
    int file = open(path, O_RDWR | O_CLOEXEC);
    struct stat facts;
    if (file < 0 || fstat(file, &facts) < 0) return NO_DEVICE;
    memory = mmap(NULL, (size_t)facts.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    pages = (int)((size_t)facts.st_size / page);
    close(file);
    return memory == MAP_FAILED || pages > PAGES_MAX ? NO_DEVICE : SUCCESS;
}

int cuDeviceGetCount(int *count) {
    *count = 1;
    return called("cuDeviceGetCount");
}

int cuDeviceGet(int *device, int index) {
    *device = 0;
    return index ? INVALID : called("cuDeviceGet");
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = 0;
    if (device) return INVALID;
    char path[4096];
    beside("integrated", path, sizeof path);
    if (attribute == INTEGRATED) *value = access(path, F_OK) == 0;
    return called("cuDeviceGetAttribute");
}

int cuCtxCreate_v2(void **context, unsigned flags, int device) {
    int result = called("cuCtxCreate");
    if (result || flags || device) return result ? result : INVALID;
    int first = take(OWN_PAGES);
    if (first < 0) return OUT_OF_MEMORY;
    memcpy(memory + (size_t)first * page, "context", 7);
    *context = memory + (size_t)first * page;
    return SUCCESS;
}

int cuCtxDestroy_v2(void *context) {
    give_back((int)((size_t)((unsigned char *)context - memory) / page));
    return called("cuCtxDestroy");
}

int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    *total = (size_t)pages * page;
    *free_bytes = 0;
    for (int at = 0; at < pages; at++)
        if (!owner[at]) *free_bytes += page;
    return called("cuMemGetInfo");
}

int cuMemAlloc_v2(address *place, size_t length) {
    int result = called("cuMemAlloc");
    if (result) return result;
    int first = take((int)((length + page - 1) / page));
    if (first < 0) return OUT_OF_MEMORY;
    *place = base + (address)first * page;
    return SUCCESS;
}

int cuMemFree_v2(address place) {
    give_back((int)((place - base) / page));
    return called("cuMemFree");
}

int cuMemsetD8_v2(address place, unsigned char value, size_t count) {
    int result = called("cuMemsetD8");
    if (result) return result;
    memset(memory + (place - base), value, count);
    return SUCCESS;
}

int cuMemsetD32_v2(address place, unsigned value, size_t count) {
    int result = called("cuMemsetD32");
    if (result) return result;
    for (size_t at = 0; at < count; at++) memcpy(memory + (place - base) + at * sizeof value, &value, sizeof value);
    return SUCCESS;
}

int cuMemcpyDtoH_v2(void *target, address place, size_t count) {
    int result = called("cuMemcpyDtoH");
    if (result) return result;
    memcpy(target, memory + (place - base), count);
    return SUCCESS;
}

int cuCtxSynchronize(void) { return called("cuCtxSynchronize"); }

int cuGetErrorName(int result, const char **name) {
    *name = result == LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED"
        : result == NO_DEVICE       ? "CUDA_ERROR_NO_DEVICE"
        : result == OUT_OF_MEMORY   ? "CUDA_ERROR_OUT_OF_MEMORY"
                                    : "CUDA_ERROR_INVALID_VALUE";
    return SUCCESS;
}
