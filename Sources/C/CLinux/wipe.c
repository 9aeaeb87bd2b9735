#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Of cuda.h, whose names with `_v2` have meant the same since CUDA 4: cuda-driver-api, "Version mixing rules".
enum { SUCCESS = 0, OUT_OF_MEMORY = 2 };
enum { INTEGRATED = 18 };
typedef unsigned long long address;

struct driver {
    int (*start)(unsigned flags);
    int (*count)(int *count);
    int (*at)(int *device, int index);
    int (*attribute)(int *value, int attribute, int device);
    int (*make_context)(void **context, unsigned flags, int device);
    int (*end_context)(void *context);
    int (*room)(size_t *free, size_t *total);
    int (*take)(address *memory, size_t length);
    int (*give_back)(address memory);
    int (*fill)(address memory, unsigned char value, size_t count);
    int (*settle)(void);
    int (*describe)(int result, const char **name);
};

// Memory is given out in pages of this size; what is smaller was never given to a job alone.
static const size_t page = 2 << 20;
// A device in pieces: more than this many say that it is not empty.
enum { PIECES = 4096 };

static int fail(const struct driver *driver, const char *step, int result, char *error, int length) {
    const char *name = NULL;
    if (driver->describe(result, &name) != SUCCESS || !name) name = "an error without a name";
    snprintf(error, (size_t)length, "%s: %s (%d)", step, name, result);
    return -1;
}

static int find(struct driver *driver, char *error, int length) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(error, (size_t)length, "%s", dlerror());
        return -1;
    }
    const struct { void *place; const char *name; } calls[] = {
        {&driver->start, "cuInit"}, {&driver->count, "cuDeviceGetCount"}, {&driver->at, "cuDeviceGet"},
        {&driver->attribute, "cuDeviceGetAttribute"},
        {&driver->make_context, "cuCtxCreate_v2"}, {&driver->end_context, "cuCtxDestroy_v2"},
        {&driver->room, "cuMemGetInfo_v2"}, {&driver->take, "cuMemAlloc_v2"}, {&driver->give_back, "cuMemFree_v2"},
        {&driver->fill, "cuMemsetD8_v2"}, {&driver->settle, "cuCtxSynchronize"}, {&driver->describe, "cuGetErrorName"},
    };
    for (size_t at = 0; at < sizeof calls / sizeof *calls; at++) {
        void *call = dlsym(library, calls[at].name);
        if (!call) {
            snprintf(error, (size_t)length, "libcuda.so.1 has no %s", calls[at].name);
            return -1;
        }
        memcpy(calls[at].place, &call, sizeof call);
    }
    return 0;
}

// All that can be had in the context of this thread, overwritten and given back.
static int wipe(const struct driver *driver, char *error, int length) {
    static address pieces[PIECES];
    size_t free_bytes = 0, total = 0;
    int result = driver->room(&free_bytes, &total);
    if (result != SUCCESS) return fail(driver, "ask for the free memory", result, error, length);
    int count = 0;
    size_t size = free_bytes / page * page;
    while (size >= page && count < PIECES) {
        result = driver->take(&pieces[count], size);
        if (result == OUT_OF_MEMORY) {
            size = size / 2 / page * page;
            continue;
        }
        if (result != SUCCESS) return fail(driver, "take memory", result, error, length);
        result = driver->fill(pieces[count++], 0, size);
        if (result != SUCCESS) return fail(driver, "overwrite memory", result, error, length);
    }
    if (count == 0 || count == PIECES) {
        snprintf(error, (size_t)length, "%s", count == 0 ? "no memory is free" : "its memory is in too many pieces");
        return -1;
    }
    result = driver->settle();
    if (result != SUCCESS) return fail(driver, "overwrite memory", result, error, length);
    while (count > 0) {
        result = driver->give_back(pieces[--count]);
        if (result != SUCCESS) return fail(driver, "give memory back", result, error, length);
    }
    return 0;
}

int clinux_wipe_device(const char *uuid, char *error, int error_length) {
    struct driver driver;
    int count = 0, device = 0, is_integrated = 0;
    void *first = NULL, *second = NULL;
    // Without the daemon that asked, nobody knows that the device is not free.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The driver shows this one alone, as its first.
    if (setenv("CUDA_VISIBLE_DEVICES", uuid, 1) != 0) abort();
    if (find(&driver, error, error_length) != 0) return -1;
    int result = driver.start(0);
    if (result != SUCCESS) return fail(&driver, "start the driver", result, error, error_length);
    result = driver.count(&count);
    if (result == SUCCESS && count != 1) {
        snprintf(error, (size_t)error_length, "CUDA finds %d devices of this name", count);
        return -1;
    }
    if (result == SUCCESS) result = driver.at(&device, 0);
    if (result == SUCCESS) result = driver.attribute(&is_integrated, INTEGRATED, device);
    if (result != SUCCESS) return fail(&driver, "find the device", result, error, error_length);
    if (is_integrated) return 0;
    result = driver.make_context(&first, 0, device);
    if (result != SUCCESS) return fail(&driver, "use the device", result, error, error_length);
    if (wipe(&driver, error, error_length) != 0) return -1;
    // While the first context is there, the second can only lie in memory that was overwritten.
    result = driver.make_context(&second, 0, device);
    if (result == SUCCESS) result = driver.end_context(first);
    if (result != SUCCESS) return fail(&driver, "use the device once more", result, error, error_length);
    if (wipe(&driver, error, error_length) != 0) return -1;
    result = driver.end_context(second);
    return result == SUCCESS ? 0 : fail(&driver, "leave the device", result, error, error_length);
}
