// What this host has.
#pragma once
#include <features.h>

/// CPUs this process may run on.
int clinux_cpu_count(void);
