// A libnvidia-ml.so.1 without hardware: it shows what the file `gpus` beside it says, read anew by every count.
//
// Lines: `broken` makes the driver refuse to start, `gpu` begins a device, `instance` a part of it (MIG); after it `key=value`:
//   uuid name pci memory (bytes, or `unsupported`) recovery (a number; without it the call is not supported)
//   remap_failed lost mig (1) gi ci users (process ids with commas) link (pci address at the other end, repeated)
//   used (bytes) busy (percent) energy (millijoules): without them those calls are not supported
//   ancestor (what the topology call says of every pair)
// Errors: `INDEX GI XID` in the file `events` beside it, taken and deleted by the next wait.
//
// Compiled with -DOLD it is a driver that knows only the first shape of every call, with -DV3 one that has the third
// name of the running processes and not the second.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, TIMEOUT = 10, LOST = 15 };
enum { DEVICES = 16, PARTS = 8, USERS = 32, LINKS = 18 };

struct thing {
    char uuid[96], name[96], pci[32], links[LINKS][32];
    unsigned long long memory, used, energy;
    int busy, has_energy;
    int has_memory, recovery, remap_failed, lost, mig, ancestor;
    unsigned gi, ci, user_count, users[USERS], link_count;
    struct thing *parts[PARTS];
    int part_count;
};
static struct thing devices[DEVICES], parts[DEVICES * PARTS];
static int device_count;

static void set(struct thing *thing, const char *key, char *value) {
    if (!strcmp(key, "uuid")) snprintf(thing->uuid, sizeof thing->uuid, "%s", value);
    if (!strcmp(key, "name")) snprintf(thing->name, sizeof thing->name, "%s", value);
    if (!strcmp(key, "pci")) snprintf(thing->pci, sizeof thing->pci, "%s", value);
    if (!strcmp(key, "memory")) thing->has_memory = sscanf(value, "%llu", &thing->memory) == 1;
    if (!strcmp(key, "used")) sscanf(value, "%llu", &thing->used);
    if (!strcmp(key, "busy")) thing->busy = atoi(value);
    if (!strcmp(key, "energy")) thing->has_energy = sscanf(value, "%llu", &thing->energy) == 1;
    if (!strcmp(key, "recovery")) thing->recovery = atoi(value);
    if (!strcmp(key, "remap_failed")) thing->remap_failed = atoi(value);
    if (!strcmp(key, "lost")) thing->lost = atoi(value);
    if (!strcmp(key, "mig")) thing->mig = atoi(value);
    if (!strcmp(key, "gi")) thing->gi = (unsigned)atoi(value);
    if (!strcmp(key, "ci")) thing->ci = (unsigned)atoi(value);
    if (!strcmp(key, "ancestor")) thing->ancestor = atoi(value);
    if (!strcmp(key, "link") && thing->link_count < LINKS)
        snprintf(thing->links[thing->link_count++], sizeof thing->links[0], "%s", value);
    if (!strcmp(key, "users"))
        for (char *one = strtok(value, ","); one && thing->user_count < USERS; one = strtok(NULL, ","))
            thing->users[thing->user_count++] = (unsigned)atoi(one);
}

int nvmlInit_v2(void);

/// The file of this name beside this library.
static void beside(const char *name, char *path, size_t length) {
    Dl_info own = {0};
    dladdr((void *)nvmlInit_v2, &own);
    const char *slash = own.dli_fname ? strrchr(own.dli_fname, '/') : NULL;
    snprintf(path, length, "%.*s/%s", slash ? (int)(slash - own.dli_fname) : 1, slash ? own.dli_fname : ".", name);
}

static int read_file(void) {
    char path[4096];
    beside("gpus", path, sizeof path);
    FILE *file = fopen(path, "r");
    device_count = 0;
    memset(devices, 0, sizeof devices);
    memset(parts, 0, sizeof parts);
    if (!file) return INVALID;
    struct thing *thing = NULL;
    int part_total = 0;
    char line[256];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (!strcmp(line, "broken")) {
            fclose(file);
            return INVALID;
        }
        char *equals = strchr(line, '=');
        if (!strcmp(line, "gpu") && device_count < DEVICES) {
            thing = &devices[device_count++];
            thing->recovery = -1;
            thing->ancestor = thing->busy = -1;
        } else if (!strcmp(line, "instance") && device_count && part_total < DEVICES * PARTS) {
            struct thing *card = &devices[device_count - 1];
            thing = &parts[part_total++];
            thing->recovery = thing->busy = -1;
            card->parts[card->part_count++] = thing;
        } else if (equals && thing) {
            *equals = 0;
            set(thing, line, equals + 1);
        }
    }
    fclose(file);
    return SUCCESS;
}

int nvmlInit_v2(void) { return read_file(); }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int result) { return result == LOST ? "GPU is lost" : result == INVALID ? "Driver/library version mismatch" : "Unknown Error"; }
int nvmlDeviceGetCount_v2(unsigned *count) {
    int result = read_file();
    *count = (unsigned)device_count;
    return result;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    if (index >= (unsigned)device_count) return NOT_FOUND;
    if (devices[index].lost) return LOST;
    *handle = &devices[index];
    return SUCCESS;
}
int nvmlDeviceGetName(struct thing *thing, char *text, unsigned length) { snprintf(text, length, "%s", thing->name); return SUCCESS; }
int nvmlDeviceGetUUID(struct thing *thing, char *text, unsigned length) { snprintf(text, length, "%s", thing->uuid); return SUCCESS; }
struct pci { char legacy[16]; unsigned domain, bus, device, id, subsystem; char text[32]; };
int nvmlDeviceGetPciInfo_v3(struct thing *thing, struct pci *pci) {
    memset(pci, 0, sizeof *pci);
    memcpy(pci->text, thing->pci, sizeof pci->text);
    return *thing->pci ? SUCCESS : NOT_SUPPORTED;
}
struct memory { unsigned long long total, free, used; };
int nvmlDeviceGetMemoryInfo(struct thing *thing, struct memory *memory) {
    if (!thing->has_memory) return NOT_SUPPORTED;
    memory->total = thing->memory;
    memory->used = thing->used;
    return SUCCESS;
}
struct rates { unsigned gpu, memory; };
int nvmlDeviceGetUtilizationRates(struct thing *thing, struct rates *rates) {
    if (thing->busy < 0) return NOT_SUPPORTED;
    rates->gpu = (unsigned)thing->busy;
    return SUCCESS;
}
int nvmlDeviceGetTotalEnergyConsumption(struct thing *thing, unsigned long long *millijoules) {
    if (!thing->has_energy) return NOT_SUPPORTED;
    *millijoules = thing->energy;
    return SUCCESS;
}
struct user { unsigned pid; unsigned long long bytes; };
struct user_2 { unsigned pid; unsigned long long bytes; unsigned gi, ci; };

#ifdef OLD
int nvmlDeviceGetComputeRunningProcesses(struct thing *thing, unsigned *count, struct user *users) {
    if (*count < thing->user_count) return TOO_SMALL;
    *count = thing->user_count;
    for (unsigned i = 0; i < *count; i++) users[i] = (struct user){thing->users[i], 1};
    return SUCCESS;
}
#else
struct memory_2 { unsigned version; unsigned long long total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo_v2(struct thing *thing, struct memory_2 *memory) {
    if (memory->version != 0x02000028) return INVALID;
    if (!thing->has_memory) return NOT_SUPPORTED;
    memory->total = thing->memory;
    memory->used = thing->used;
    return SUCCESS;
}
#ifdef V3
int nvmlDeviceGetComputeRunningProcesses_v3(struct thing *thing, unsigned *count, struct user_2 *users) {
#else
// The third name had a larger shape for some versions: whoever calls it here reads nonsense.
int nvmlDeviceGetComputeRunningProcesses_v3(struct thing *thing, unsigned *count, void *users) {
    *count = 1;
    memset(users, 0x7f, 24);
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v2(struct thing *thing, unsigned *count, struct user_2 *users) {
#endif
    if (*count < thing->user_count) return TOO_SMALL;
    *count = thing->user_count;
    for (unsigned i = 0; i < *count; i++) users[i] = (struct user_2){thing->users[i], 1, thing->gi, thing->ci};
    return SUCCESS;
}
int nvmlDeviceGetMinorNumber(struct thing *thing, unsigned *minor) { *minor = (unsigned)(thing - devices) + 4; return SUCCESS; }
int nvmlDeviceGetMigMode(struct thing *thing, unsigned *current, unsigned *pending) {
    *current = *pending = (unsigned)thing->mig;
    return SUCCESS;
}
int nvmlDeviceGetMaxMigDeviceCount(struct thing *thing, unsigned *count) { (void)thing; *count = 7; return SUCCESS; }
int nvmlDeviceGetMigDeviceHandleByIndex(struct thing *thing, unsigned index, void **part) {
    if ((int)index >= thing->part_count) return NOT_FOUND;
    *part = thing->parts[index];
    return SUCCESS;
}
int nvmlDeviceGetGpuInstanceId(struct thing *thing, unsigned *id) { *id = thing->gi; return SUCCESS; }
int nvmlDeviceGetComputeInstanceId(struct thing *thing, unsigned *id) { *id = thing->ci; return SUCCESS; }
struct field { unsigned id, scope; long long timestamp, latency; int type, result; union { unsigned number; unsigned long long wide; } value; };
int nvmlDeviceGetFieldValues(struct thing *thing, int count, struct field *fields) {
    for (int i = 0; i < count; i++) {
        fields[i].result = fields[i].id == 230 && thing->recovery >= 0 ? SUCCESS : NOT_SUPPORTED;
        fields[i].value.number = (unsigned)thing->recovery;
    }
    return SUCCESS;
}
int nvmlDeviceGetRemappedRows(struct thing *thing, unsigned *a, unsigned *b, unsigned *pending, unsigned *failed) {
    *a = *b = *pending = 0;
    *failed = (unsigned)thing->remap_failed;
    return SUCCESS;
}
int nvmlDeviceGetTopologyCommonAncestor(struct thing *one, struct thing *other, int *level) {
    (void)other;
    if (one->ancestor < 0) return NOT_SUPPORTED;
    *level = one->ancestor;
    return SUCCESS;
}
int nvmlDeviceGetNvLinkState(struct thing *thing, unsigned link, unsigned *active) {
    if (link >= thing->link_count) return NOT_SUPPORTED;
    *active = 1;
    return SUCCESS;
}
int nvmlDeviceGetNvLinkRemotePciInfo_v2(struct thing *thing, unsigned link, struct pci *pci) {
    memset(pci, 0, sizeof *pci);
    memcpy(pci->text, thing->links[link], sizeof pci->text);
    return SUCCESS;
}
int nvmlEventSetCreate(void **set) { *set = devices; return SUCCESS; }
int nvmlEventSetFree(void *set) { (void)set; return SUCCESS; }
int nvmlDeviceRegisterEvents(struct thing *thing, unsigned long long types, void *set) { (void)thing; (void)set; return types & 8 ? SUCCESS : NOT_SUPPORTED; }
struct event { void *device; unsigned long long type, data; unsigned gi, ci; };
int nvmlEventSetWait_v2(void *set, struct event *event, unsigned milliseconds) {
    (void)set;
    char path[4096], taken[4096];
    beside("events", path, sizeof path);
    beside("events.taken", taken, sizeof taken);
    for (unsigned waited = 0;; waited += 5) {
        if (rename(path, taken) == 0) break;
        if (waited >= milliseconds) return TIMEOUT;
        usleep(5000);
    }
    FILE *file = fopen(taken, "r");
    int index = -1, gi = -1;
    unsigned long long xid = 0;
    int read = file ? fscanf(file, "%d %d %llu", &index, &gi, &xid) : 0;
    if (file) fclose(file);
    if (read != 3) return INVALID;
    *event = (struct event){index < 0 ? NULL : &devices[index], 8, xid, (unsigned)gi, 0xffffffff};
    return SUCCESS;
}
#endif
