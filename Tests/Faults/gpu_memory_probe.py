"""Fills all memory of a GPU with a pattern, or looks for that in all that it gets: `gpu_memory_probe.py leave|look`."""

import ctypes
import sys

PAGE = 2 << 20
PIECE = 64 << 20
PATTERN = 0x5EC2E75A
OUT_OF_MEMORY = 2


def main(word):
    driver = ctypes.CDLL("libcuda.so.1")

    def call(name, *arguments, may=()):
        result = getattr(driver, name)(*arguments)
        if result not in (0, *may):
            sys.exit(f"{name}: {result}")
        return result

    device, context, free, total = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuCtxCreate_v2", ctypes.byref(context), 0, device)
    call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    pieces, size = [], free.value // PAGE * PAGE
    while size >= PAGE:
        place = ctypes.c_uint64()
        if call("cuMemAlloc_v2", ctypes.byref(place), ctypes.c_size_t(size), may=(OUT_OF_MEMORY,)) == 0:
            pieces.append((place.value, size))
        else:
            size = size // 2 // PAGE * PAGE
    count = sum(length for _, length in pieces) >> 20
    if word == "leave":
        for place, length in pieces:
            call("cuMemsetD32_v2", ctypes.c_uint64(place), ctypes.c_uint(PATTERN), ctypes.c_size_t(length // 4))
        call("cuCtxSynchronize")
        print(f"left in {count} MiB of {total.value >> 20} MiB")
        return
    needle, found = PATTERN.to_bytes(4, "little") * 4, 0
    buffer = ctypes.create_string_buffer(PIECE)
    for place, length in pieces:
        for at in range(0, length, PIECE):
            part = min(PIECE, length - at)
            call("cuMemcpyDtoH_v2", buffer, ctypes.c_uint64(place + at), ctypes.c_size_t(part))
            view = ctypes.string_at(buffer, part)
            found += sum(needle in view[first:first + PAGE] for first in range(0, part, PAGE)) * PAGE
    print(f"found in {found >> 20} MiB of {count} MiB")


main(sys.argv[1])
