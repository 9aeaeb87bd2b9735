// What a job left in the memory of an NVIDIA device, through libcuda.so.1, which is looked for when asked and never linked.
#pragma once

// Overwrites with zeros all memory that the device of this UUID (or part of one: MIG) gives out, in two rounds, so that what
// the first round's own context took is overwritten by the second. The device must be nobody's meanwhile. For a process that
// does nothing else and ends with its parent: a driver's context is left behind by its end.
// A device without memory of its own has the host's, which the kernel empties before it gives it out.
// 0, or -1 and in `error` which step failed and what the driver said.
int clinux_wipe_device(const char *uuid, char *error, int error_length);
