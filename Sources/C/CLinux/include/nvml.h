// NVIDIA devices through libnvidia-ml.so.1, which is looked for when asked and never linked.
//
// Shapes and numbers are those of the NVML API reference. Where one name has had several shapes over the years, the one
// that never changed is called: `_v2` of the running processes (24 bytes each), `_v2` of the memory with its version.
#pragma once
#include <features.h>
#include <stdint.h>

enum {
    CLINUX_NVML_DEVICES = 64,
    CLINUX_NVML_INSTANCES = 8,
    CLINUX_NVML_PROCESSES = 16,
};

/// A device, or an instance of one that is divided (MIG), as one look found it.
struct clinux_nvml_device {
    /// Of the whole device, as the driver counts.
    unsigned int index;
    /// Of the instance on its device; -1: a whole device.
    int instance;
    /// What calls about the instance name it by; 0xffffffff: a whole device.
    unsigned int gpu_instance, compute_instance;
    char uuid[96];
    char name[96];
    /// As sysfs spells it, "0000:01:00.0"; empty where the driver does not say.
    char pci[32];
    /// Of /dev/nvidiaN; -1 where the driver does not say.
    int minor;
    /// 0 where the device shares the memory of the host.
    uint64_t memory_bytes;
    /// 1: MIG is on, and the device is used through its instances only.
    int divided;
    /// The driver knows the number and cannot reach the device: nothing else is set.
    int lost;
    /// What the driver wants done: 0 nothing, 1 reset, 2 reboot, 3 drain, 4 drain and reset, larger: more of a reset.
    /// -1: it does not say.
    int recovery_action;
    /// 1: broken memory rows could not be replaced.
    int remapping_failed;
    /// Processes that compute on it, at most CLINUX_NVML_PROCESSES of them; -1: the driver does not say.
    int process_count;
    int32_t processes[CLINUX_NVML_PROCESSES];
    /// What is in use of its memory now; -1: the driver does not say.
    int64_t used_bytes;
    /// In hundredths of the last moments, that something computed on it; -1: the driver does not say.
    int utilisation;
    /// Millijoules since the driver was loaded; -1: it does not say, as of instances, which have none of their own.
    int64_t energy;
};

/// What the driver reported of a device.
struct clinux_nvml_event {
    /// -1: it does not say which.
    int index;
    unsigned int gpu_instance, compute_instance;
    /// Its number in NVIDIA's catalogue of XID errors; 0 for an error of memory that ECC found and did not correct.
    unsigned long long xid;
};

/// How two devices reach each other: the nearer, the smaller. NVLinks are counted aside.
enum {
    CLINUX_NVML_SAME_BOARD = 0,
    CLINUX_NVML_ONE_SWITCH = 10,
    CLINUX_NVML_SWITCHES = 20,
    CLINUX_NVML_HOST_BRIDGE = 30,
    CLINUX_NVML_NUMA_NODE = 40,
    CLINUX_NVML_SYSTEM = 50,
};

/// The library, open. Used by one thread at a time.
struct clinux_nvml;

/// Opens `library`, or `libnvidia-ml.so.1` for NULL: 1 and the session, 0 where it is not installed, -1 with the reason in
/// `error`.
int clinux_nvml_open(const char *library, struct clinux_nvml **session, char *error, int error_length);

/// Lets go of the driver: a device can be reset only when nobody holds it.
void clinux_nvml_close(struct clinux_nvml *session);

/// All devices and instances: their number (at most `maximum` are written), or -1 with the reason in `error`.
int clinux_nvml_survey(
    struct clinux_nvml *session, struct clinux_nvml_device *devices, int maximum, char *error, int error_length);

/// How the devices with these indices reach each other: one of the numbers above, -1 where the driver does not say.
/// `links` is the number of NVLinks between them.
int clinux_nvml_distance(struct clinux_nvml *session, unsigned int first, unsigned int second, int *links);

/// Waits for an error of a device that the last survey has seen: 1 with the event, 0 when the time is over, -1 where the
/// driver cannot tell of errors.
int clinux_nvml_wait(struct clinux_nvml *session, unsigned int milliseconds, struct clinux_nvml_event *event);
