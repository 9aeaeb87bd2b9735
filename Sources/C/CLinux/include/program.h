// Programs that are run for their answer: one that is to be trusted, one that the owner of a host named.
#pragma once

// Runs `path word`, or `path` alone where `word` is NULL, without input, in a session of its own, and takes what it writes
// to stdout, at most `capacity` - 1 bytes and a zero; `answer` NULL: nothing of it. Its exit code, 128 + n after signal n, or -errno; -ETIME: it took longer and was killed with its group.
int clinux_question_program(const char *path, const char *word, char *answer, int capacity, int milliseconds);
