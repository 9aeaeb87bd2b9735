#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int clinux_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

// -- NVML: the few calls whose shape never changed (NVML API reference, device queries) --

typedef int (*call_none)(void);
typedef int (*call_count)(unsigned int *);
typedef int (*call_handle)(unsigned int, void **);
typedef int (*call_text)(void *, char *, unsigned int);
struct memory {
    unsigned long long total, free, used;
};
typedef int (*call_memory)(void *, struct memory *);
typedef const char *(*call_error)(int);

enum { SUCCESS = 0, NOT_SUPPORTED = 3 };

static void *find(void *library, const char *newer, const char *older) {
    void *found = dlsym(library, newer);
    return found || !older ? found : dlsym(library, older);
}

static int list(void *library, struct clinux_nvidia *devices, int maximum, const char **step, int *result) {
    call_count get_count = (call_count)find(library, "nvmlDeviceGetCount_v2", "nvmlDeviceGetCount");
    call_handle get_handle = (call_handle)find(library, "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex");
    call_text get_name = (call_text)find(library, "nvmlDeviceGetName", NULL);
    call_text get_uuid = (call_text)find(library, "nvmlDeviceGetUUID", NULL);
    call_memory get_memory = (call_memory)find(library, "nvmlDeviceGetMemoryInfo", NULL);
    *step = "find functions";
    if (!get_count || !get_handle || !get_name || !get_uuid || !get_memory) return -1;
    unsigned int count = 0;
    *step = "count devices";
    if ((*result = get_count(&count)) != SUCCESS) return -1;
    int written = 0;
    for (unsigned int index = 0; index < count && written < maximum; index++) {
        void *handle = NULL;
        // A device that is lost or not ours is not offered; the others are.
        if (get_handle(index, &handle) != SUCCESS) continue;
        struct clinux_nvidia *device = &devices[written];
        memset(device, 0, sizeof *device);
        device->index = index;
        *step = "name a device";
        if ((*result = get_name(handle, device->name, sizeof device->name - 1)) != SUCCESS) return -1;
        if ((*result = get_uuid(handle, device->uuid, sizeof device->uuid - 1)) != SUCCESS) return -1;
        struct memory memory = {0, 0, 0};
        *step = "read the memory of a device";
        *result = get_memory(handle, &memory);
        if (*result != SUCCESS && *result != NOT_SUPPORTED) return -1;
        device->memory_bytes = *result == SUCCESS ? memory.total : 0;
        written++;
    }
    return written;
}

int clinux_nvidia_list(struct clinux_nvidia *devices, int maximum, char *error, int error_length) {
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return 0;
    call_none start = (call_none)find(library, "nvmlInit_v2", "nvmlInit");
    call_none stop = (call_none)find(library, "nvmlShutdown", NULL);
    call_error describe = (call_error)find(library, "nvmlErrorString", NULL);
    const char *step = "start";
    int result = start && stop ? start() : -1;
    int count = -1;
    if (result == SUCCESS) {
        count = list(library, devices, maximum, &step, &result);
        stop();
    }
    if (count < 0) {
        const char *why = result != SUCCESS && describe ? describe(result) : "not in the library";
        snprintf(error, (size_t)error_length, "%s: %s", step, why);
    }
    dlclose(library);
    return count;
}
