// What the allocator holds for this process.
#pragma once
#include <features.h>
#include <stdint.h>

/// Bytes that have been allocated and not freed, of all threads.
uint64_t clinux_allocated_bytes(void);
