#include <malloc.h>

#include "CLinux.h"

uint64_t clinux_allocated_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return (uint64_t)info.uordblks + (uint64_t)info.hblkhd;
}
