// What this host has: CPUs a process may use, and NVIDIA devices where their library is installed.
#pragma once
#include <features.h>
#include <stdint.h>

/// CPUs this process may run on.
int clinux_cpu_count(void);

/// One NVIDIA device.
struct clinux_nvidia {
    unsigned int index;
    char uuid[96];
    char name[96];
    /// 0 where the device shares the memory of the host.
    uint64_t memory_bytes;
};

/// Lists devices through libnvidia-ml.so.1, which is opened and closed in the call: nothing of the driver stays open.
///
/// The number of devices (at most `maximum` are written), 0 where the library is not installed, or -1 with the reason in
/// `error`.
int clinux_nvidia_list(struct clinux_nvidia *devices, int maximum, char *error, int error_length);
