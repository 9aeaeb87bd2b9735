// Programs that are asked something before they are trusted.
#pragma once

// Runs `path word` without input, in a session of its own, and takes what it writes to stdout, at most `capacity` - 1
// bytes and a zero. Its exit code, 128 + n after signal n, or -errno; -ETIME: it took longer and was killed with its group.
int clinux_question_program(const char *path, const char *word, char *answer, int capacity, int milliseconds);
