#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"
#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// -- What NVML calls mean, as its API reference gives it --

enum { SUCCESS = 0, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, TIMEOUT = 10, GPU_IS_LOST = 15 };
enum { EVENT_DOUBLE_BIT_ECC = 2, EVENT_XID = 8 };
enum { FIELD_RECOVERY_ACTION = 230, NVLINKS = 18, REMOTE_SWITCH = 2 };

typedef void *handle;
struct memory_1 {
    unsigned long long total, free, used;
};
struct memory_2 {
    unsigned int version;
    unsigned long long total, reserved, free, used;
};
#define MEMORY_2_VERSION ((unsigned int)(sizeof(struct memory_2) | 2 << 24))
struct utilisation {
    unsigned int gpu, memory;
};
struct process_1 {
    unsigned int pid;
    unsigned long long bytes;
};
struct process_2 {
    unsigned int pid;
    unsigned long long bytes;
    unsigned int gpu_instance, compute_instance;
};
struct pci {
    char legacy[16];
    unsigned int domain, bus, device, device_id, subsystem_id;
    char text[32];
};
struct field {
    unsigned int id, scope;
    long long timestamp, latency;
    int type, result;
    union {
        unsigned int number;
        unsigned long long wide;
    } value;
};
struct event {
    handle device;
    unsigned long long type, data;
    unsigned int gpu_instance, compute_instance;
};

struct clinux_nvml {
    void *library;
    int (*shutdown)(void);
    const char *(*describe)(int);
    int (*count)(unsigned int *);
    int (*at)(unsigned int, handle *);
    int (*name)(handle, char *, unsigned int);
    int (*uuid)(handle, char *, unsigned int);
    // Missing in some drivers: NULL.
    int (*pci)(handle, struct pci *);
    int (*memory_1)(handle, struct memory_1 *);
    int (*memory_2)(handle, struct memory_2 *);
    int (*processes_1)(handle, unsigned int *, struct process_1 *);
    int (*processes_2)(handle, unsigned int *, struct process_2 *);
    int (*minor)(handle, unsigned int *);
    int (*utilisation)(handle, struct utilisation *);
    int (*energy)(handle, unsigned long long *);
    int (*mig_mode)(handle, unsigned int *, unsigned int *);
    int (*mig_count)(handle, unsigned int *);
    int (*mig_at)(handle, unsigned int, handle *);
    int (*gpu_instance)(handle, unsigned int *);
    int (*compute_instance)(handle, unsigned int *);
    int (*fields)(handle, int, struct field *);
    int (*remapped)(handle, unsigned int *, unsigned int *, unsigned int *, unsigned int *);
    int (*ancestor)(handle, handle, int *);
    int (*link_state)(handle, unsigned int, unsigned int *);
    int (*link_pci)(handle, unsigned int, struct pci *);
    int (*link_type)(handle, unsigned int, int *);
    int (*set_free)(void *);
    int (*listen)(handle, unsigned long long, void *);
    int (*wait)(void *, struct event *, unsigned int);

    void *events;
    /// Of the last survey; NULL where the device was lost.
    handle handles[CLINUX_NVML_DEVICES];
    /// Whose events are listened to.
    handle heard[CLINUX_NVML_DEVICES];
};

// One name or, where that is missing, an older one of the same shape.
#define FIND(member, newer, older) \
    (*(void **)&nvml->member = dlsym(nvml->library, "nvml" newer), \
     *(void **)&nvml->member = nvml->member ? *(void **)&nvml->member : dlsym(nvml->library, "nvml" older))

static int fail(struct clinux_nvml *nvml, const char *step, int result, char *error, int length) {
    snprintf(error, (size_t)length, "%s: %s", step, nvml->describe ? nvml->describe(result) : "not in the library");
    return -1;
}

int clinux_nvml_open(const char *path, struct clinux_nvml **session, char *error, int error_length) {
    void *library = dlopen(path ? path : "libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return 0;
    struct clinux_nvml *nvml = calloc(1, sizeof *nvml);
    if (!nvml) abort();
    nvml->library = library;
    int (*start)(void) = NULL;
    *(void **)&start = dlsym(library, "nvmlInit_v2");
    if (!start) *(void **)&start = dlsym(library, "nvmlInit");
    FIND(shutdown, "Shutdown", "Shutdown");
    FIND(describe, "ErrorString", "ErrorString");
    FIND(count, "DeviceGetCount_v2", "DeviceGetCount");
    FIND(at, "DeviceGetHandleByIndex_v2", "DeviceGetHandleByIndex");
    FIND(name, "DeviceGetName", "DeviceGetName");
    FIND(uuid, "DeviceGetUUID", "DeviceGetUUID");
    FIND(pci, "DeviceGetPciInfo_v3", "DeviceGetPciInfo_v3");
    FIND(memory_1, "DeviceGetMemoryInfo", "DeviceGetMemoryInfo");
    FIND(memory_2, "DeviceGetMemoryInfo_v2", "DeviceGetMemoryInfo_v2");
    FIND(processes_1, "DeviceGetComputeRunningProcesses", "DeviceGetComputeRunningProcesses");
    FIND(processes_2, "DeviceGetComputeRunningProcesses_v2", "DeviceGetComputeRunningProcesses_v3");
    FIND(minor, "DeviceGetMinorNumber", "DeviceGetMinorNumber");
    FIND(utilisation, "DeviceGetUtilizationRates", "DeviceGetUtilizationRates");
    FIND(energy, "DeviceGetTotalEnergyConsumption", "DeviceGetTotalEnergyConsumption");
    FIND(mig_mode, "DeviceGetMigMode", "DeviceGetMigMode");
    FIND(mig_count, "DeviceGetMaxMigDeviceCount", "DeviceGetMaxMigDeviceCount");
    FIND(mig_at, "DeviceGetMigDeviceHandleByIndex", "DeviceGetMigDeviceHandleByIndex");
    FIND(gpu_instance, "DeviceGetGpuInstanceId", "DeviceGetGpuInstanceId");
    FIND(compute_instance, "DeviceGetComputeInstanceId", "DeviceGetComputeInstanceId");
    FIND(fields, "DeviceGetFieldValues", "DeviceGetFieldValues");
    FIND(remapped, "DeviceGetRemappedRows", "DeviceGetRemappedRows");
    FIND(ancestor, "DeviceGetTopologyCommonAncestor", "DeviceGetTopologyCommonAncestor");
    FIND(link_state, "DeviceGetNvLinkState", "DeviceGetNvLinkState");
    FIND(link_pci, "DeviceGetNvLinkRemotePciInfo_v2", "DeviceGetNvLinkRemotePciInfo_v2");
    FIND(link_type, "DeviceGetNvLinkRemoteDeviceType", "DeviceGetNvLinkRemoteDeviceType");
    FIND(set_free, "EventSetFree", "EventSetFree");
    FIND(listen, "DeviceRegisterEvents", "DeviceRegisterEvents");
    FIND(wait, "EventSetWait_v2", "EventSetWait");
    int (*make_set)(void **) = NULL;
    *(void **)&make_set = dlsym(library, "nvmlEventSetCreate");

    int whole = start && nvml->shutdown && nvml->describe && nvml->count && nvml->at && nvml->name && nvml->uuid;
    int result = whole ? start() : NOT_SUPPORTED;
    if (!whole || result != SUCCESS) {
        if (whole) fail(nvml, "start", result, error, error_length);
        else snprintf(error, (size_t)error_length, "this library lacks calls that every version has");
        dlclose(library);
        free(nvml);
        return -1;
    }
    if (!make_set || !nvml->set_free || !nvml->listen || !nvml->wait || make_set(&nvml->events) != SUCCESS)
        nvml->events = NULL;
    *session = nvml;
    return 1;
}

void clinux_nvml_close(struct clinux_nvml *nvml) {
    if (nvml->events) nvml->set_free(nvml->events);
    nvml->shutdown();
    dlclose(nvml->library);
    free(nvml);
}

// -- One look --

/// NVML writes the domain with 8 digits and letters of either case, sysfs with 4 small ones.
static void spell_pci(const char *text, char *out, size_t length) {
    size_t domain = strcspn(text, ":");
    if (domain > 4) text += domain - 4;
    size_t at = 0;
    for (; text[at] && at + 1 < length; at++) out[at] = (char)tolower((unsigned char)text[at]);
    out[at] = 0;
}

static void read_use(struct clinux_nvml *nvml, handle device, struct clinux_nvml_device *out) {
    out->used_bytes = out->utilisation = -1;
    out->energy = -1;
    // GB10 answers NOT_SUPPORTED to both: it has the memory of the host.
    out->memory_bytes = 0;
    struct memory_2 newer = {.version = MEMORY_2_VERSION};
    struct memory_1 older = {0};
    if (nvml->memory_2 && nvml->memory_2(device, &newer) == SUCCESS) {
        out->memory_bytes = newer.total;
        out->used_bytes = (int64_t)newer.used;
    } else if (nvml->memory_1 && nvml->memory_1(device, &older) == SUCCESS) {
        out->memory_bytes = older.total;
        out->used_bytes = (int64_t)older.used;
    }
    struct utilisation rates = {0};
    if (nvml->utilisation && nvml->utilisation(device, &rates) == SUCCESS && rates.gpu <= 100)
        out->utilisation = (int)rates.gpu;
    unsigned long long energy = 0;
    if (out->instance < 0 && nvml->energy && nvml->energy(device, &energy) == SUCCESS) out->energy = (int64_t)energy;
}

static void read_processes(struct clinux_nvml *nvml, handle device, struct clinux_nvml_device *out) {
    unsigned int count = CLINUX_NVML_PROCESSES;
    int result = NOT_SUPPORTED;
    if (nvml->processes_2) {
        struct process_2 found[CLINUX_NVML_PROCESSES];
        result = nvml->processes_2(device, &count, found);
        for (unsigned int i = 0; result == SUCCESS && i < count; i++) out->processes[i] = (int32_t)found[i].pid;
    } else if (nvml->processes_1) {
        struct process_1 found[CLINUX_NVML_PROCESSES];
        result = nvml->processes_1(device, &count, found);
        for (unsigned int i = 0; result == SUCCESS && i < count; i++) out->processes[i] = (int32_t)found[i].pid;
    }
    out->process_count = result == SUCCESS ? (int)count : -1;
}

static void read_health(struct clinux_nvml *nvml, handle device, struct clinux_nvml_device *out) {
    struct field action = {.id = FIELD_RECOVERY_ACTION};
    out->recovery_action = -1;
    if (nvml->fields && nvml->fields(device, 1, &action) == SUCCESS && action.result == SUCCESS)
        out->recovery_action = (int)action.value.number;
    unsigned int corrected, uncorrected, pending, failed = 0;
    if (nvml->remapped && nvml->remapped(device, &corrected, &uncorrected, &pending, &failed) == SUCCESS)
        out->remapping_failed = failed != 0;
}

static int read_name(
    struct clinux_nvml *nvml, handle device, struct clinux_nvml_device *out, char *error, int error_length) {
    int result = nvml->name(device, out->name, sizeof out->name - 1);
    if (result == SUCCESS) result = nvml->uuid(device, out->uuid, sizeof out->uuid - 1);
    if (result == GPU_IS_LOST) {
        out->lost = 1;
        return 0;
    }
    return result == SUCCESS ? 0 : fail(nvml, "name a device", result, error, error_length);
}

static int survey_instances(
    struct clinux_nvml *nvml, handle device, const struct clinux_nvml_device *whole, struct clinux_nvml_device *out,
    int room) {
    unsigned int most = 0;
    if (!nvml->mig_count || !nvml->mig_at || nvml->mig_count(device, &most) != SUCCESS) return 0;
    if (most > CLINUX_NVML_INSTANCES) most = CLINUX_NVML_INSTANCES;
    int written = 0;
    char ignored[1];
    for (unsigned int i = 0; i < most && written < room; i++) {
        handle instance = NULL;
        // Places where no instance has been made answer NOT_FOUND.
        if (nvml->mig_at(device, i, &instance) != SUCCESS) continue;
        struct clinux_nvml_device *one = &out[written];
        *one = *whole;
        one->instance = (int)i;
        one->divided = 0;
        memset(one->uuid, 0, sizeof one->uuid);
        memset(one->name, 0, sizeof one->name);
        if (read_name(nvml, instance, one, ignored, 1) != 0 || one->lost) continue;
        read_use(nvml, instance, one);
        if (nvml->gpu_instance) nvml->gpu_instance(instance, &one->gpu_instance);
        if (nvml->compute_instance) nvml->compute_instance(instance, &one->compute_instance);
        read_processes(nvml, instance, one);
        written++;
    }
    return written;
}

static void listen_to(struct clinux_nvml *nvml, unsigned int index, handle device) {
    if (!nvml->events || nvml->heard[index] == device) return;
    // Old devices know no ECC events; XID errors alone will do.
    if (nvml->listen(device, EVENT_XID | EVENT_DOUBLE_BIT_ECC, nvml->events) == SUCCESS
        || nvml->listen(device, EVENT_XID, nvml->events) == SUCCESS)
        nvml->heard[index] = device;
}

int clinux_nvml_survey(
    struct clinux_nvml *nvml, struct clinux_nvml_device *devices, int maximum, char *error, int error_length) {
    unsigned int count = 0;
    int result = nvml->count(&count);
    if (result != SUCCESS) return fail(nvml, "count devices", result, error, error_length);
    if (count > CLINUX_NVML_DEVICES) count = CLINUX_NVML_DEVICES;
    memset(nvml->handles, 0, sizeof nvml->handles);
    int written = 0;
    for (unsigned int index = 0; index < count && written < maximum; index++) {
        struct clinux_nvml_device *device = &devices[written];
        memset(device, 0, sizeof *device);
        device->index = index;
        device->instance = -1;
        device->gpu_instance = device->compute_instance = 0xffffffff;
        device->process_count = device->recovery_action = device->minor = -1;
        written++;
        handle found = NULL;
        result = nvml->at(index, &found);
        if (result != SUCCESS) {
            // One that is not ours to use (a container shows some) is not there; one that cannot be reached is lost.
            if (result == GPU_IS_LOST) device->lost = 1;
            else written--;
            continue;
        }
        if (read_name(nvml, found, device, error, error_length) != 0) return -1;
        if (device->lost) continue;
        nvml->handles[index] = found;
        struct pci pci = {0};
        if (nvml->pci && nvml->pci(found, &pci) == SUCCESS) spell_pci(pci.text, device->pci, sizeof device->pci);
        unsigned int minor = 0;
        if (nvml->minor && nvml->minor(found, &minor) == SUCCESS) device->minor = (int)minor;
        read_use(nvml, found, device);
        read_processes(nvml, found, device);
        read_health(nvml, found, device);
        listen_to(nvml, index, found);
        unsigned int current = 0, pending = 0;
        if (nvml->mig_mode && nvml->mig_mode(found, &current, &pending) == SUCCESS && current == 1) {
            device->divided = 1;
            written += survey_instances(nvml, found, device, device + 1, maximum - written);
        }
    }
    return written;
}

// -- Topology and errors --

/// NVLinks from one device to the other, or through switches that both hang on.
static int count_links(struct clinux_nvml *nvml, handle first, handle second) {
    struct pci other = {0};
    if (!nvml->link_state || !nvml->link_pci || !nvml->pci || nvml->pci(second, &other) != SUCCESS) return 0;
    int direct = 0, first_switched = 0, second_switched = 0;
    for (unsigned int link = 0; link < NVLINKS; link++) {
        unsigned int active = 0;
        int type = 0;
        struct pci remote = {0};
        if (nvml->link_state(first, link, &active) == SUCCESS && active) {
            if (nvml->link_pci(first, link, &remote) == SUCCESS && strcmp(remote.text, other.text) == 0) direct++;
            if (nvml->link_type && nvml->link_type(first, link, &type) == SUCCESS && type == REMOTE_SWITCH)
                first_switched++;
        }
        active = 0;
        if (nvml->link_state(second, link, &active) == SUCCESS && active && nvml->link_type
            && nvml->link_type(second, link, &type) == SUCCESS && type == REMOTE_SWITCH)
            second_switched++;
    }
    if (direct) return direct;
    return first_switched < second_switched ? first_switched : second_switched;
}

int clinux_nvml_distance(struct clinux_nvml *nvml, unsigned int first, unsigned int second, int *links) {
    *links = 0;
    if (first >= CLINUX_NVML_DEVICES || second >= CLINUX_NVML_DEVICES) return -1;
    handle one = nvml->handles[first], other = nvml->handles[second];
    if (!one || !other) return -1;
    *links = count_links(nvml, one, other);
    int distance = -1;
    if (!nvml->ancestor || nvml->ancestor(one, other, &distance) != SUCCESS) return -1;
    return distance;
}

int clinux_nvml_wait(struct clinux_nvml *nvml, unsigned int milliseconds, struct clinux_nvml_event *out) {
    if (!nvml->events) return -1;
    struct event event = {.gpu_instance = 0xffffffff, .compute_instance = 0xffffffff};
    int result = nvml->wait(nvml->events, &event, milliseconds);
    if (result == TIMEOUT) return 0;
    if (result != SUCCESS) return -1;
    out->index = -1;
    for (int index = 0; index < CLINUX_NVML_DEVICES; index++)
        if (event.device && nvml->heard[index] == event.device) out->index = index;
    out->gpu_instance = event.gpu_instance;
    out->compute_instance = event.compute_instance;
    out->xid = event.type == EVENT_XID ? event.data : 0;
    return 1;
}
