// Programs that are run for their answer: one that is to be trusted, one that the owner of a host named.
#pragma once

// Runs `path first second`, shorter where one of the words is NULL, without input, in a session of its own, with a search path
// and where this process looks for libraries as its only variables, and takes what it writes to stdout, at most `capacity` - 1 bytes and a zero; `answer` NULL: nothing of it. Its exit code, 128 + n after signal n, or -errno; -ETIME: it took longer and was killed with its group.
int clinux_question_program(const char *path, const char *first, const char *second, char *answer, int capacity, int milliseconds);
