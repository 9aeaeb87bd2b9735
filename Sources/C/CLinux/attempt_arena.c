// What an attempt is, on its way to a first process that was cloned before there was one.
//
// Both have the same memory at the same address, so what is copied there whole can be used there. Descriptors go with the
// order to begin.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "attempt_job.h"
#include <errno.h>
#include <grp.h>
#include <stdalign.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    /// Only pages that are written to are there.
    ARENA_BYTES = 1 << 20,
    GROUPS_MAXIMUM = 1024,
};

struct clinux_arena {
    size_t used;
    /// Something had no room.
    int is_full;
    const struct clinux_attempt *attempt;
    alignas(16) char bytes[];
};

struct clinux_arena *clinux_arena_make(void) {
    void *memory = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void clinux_arena_keep(struct clinux_arena *arena) { madvise(arena, ARENA_BYTES, MADV_DONTFORK); }

void clinux_arena_end(struct clinux_arena *arena) { munmap(arena, ARENA_BYTES); }

// -- The copy --

static void *put(struct clinux_arena *arena, const void *bytes, size_t length) {
    size_t room = ARENA_BYTES - sizeof *arena - arena->used, wanted = (length + 15) & ~(size_t)15;
    if (length > room || wanted > room) {
        arena->is_full = 1;
        // What is copied after it is of no use, and goes where there is room for it.
        return NULL;
    }
    void *place = arena->bytes + arena->used;
    arena->used += wanted;
    if (length) memcpy(place, bytes, length);
    return place;
}

static const char *put_text(struct clinux_arena *arena, const char *text) {
    return text ? put(arena, text, strlen(text) + 1) : NULL;
}

static const char *const *put_list(struct clinux_arena *arena, const char *const *list) {
    if (!list) return NULL;
    size_t count = 0;
    while (list[count]) count++;
    const char **copy = put(arena, list, (count + 1) * sizeof *list);
    for (size_t i = 0; copy && i < count; i++) copy[i] = put_text(arena, list[i]);
    return copy;
}

static const struct clinux_sandbox *put_sandbox(struct clinux_arena *arena, const struct clinux_sandbox *sandbox) {
    struct clinux_sandbox *copy = put(arena, sandbox, sizeof *sandbox);
    if (!copy) return NULL;
    struct clinux_step *steps = put(arena, sandbox->steps, sandbox->step_count * sizeof *steps);
    for (size_t i = 0; steps && i < sandbox->step_count; i++) {
        // The common ones have been made.
        int is_made = i < sandbox->common_count;
        steps[i].source = NULL;
        steps[i].target = is_made ? NULL : put_text(arena, sandbox->steps[i].target);
        steps[i].text = is_made ? NULL : put_text(arena, sandbox->steps[i].text);
    }
    struct clinux_file_rule *rules = put(arena, sandbox->rules, sandbox->rule_count * sizeof *rules);
    for (size_t i = 0; rules && i < sandbox->rule_count; i++) rules[i].path = put_text(arena, sandbox->rules[i].path);
    copy->steps = steps;
    copy->rules = rules;
    copy->trees = put(arena, sandbox->trees, sandbox->step_count * sizeof *sandbox->trees);
    copy->limits = put(arena, sandbox->limits, sandbox->limit_count * sizeof *sandbox->limits);
    copy->filter = put(arena, sandbox->filter, sandbox->filter_length * sizeof *sandbox->filter);
    copy->root_options = put_text(arena, sandbox->root_options);
    copy->host_name = put_text(arena, sandbox->host_name);
    return copy;
}

static int put_attempt(struct clinux_arena *arena, const struct clinux_attempt *attempt) {
    arena->used = 0;
    arena->is_full = 0;
    struct clinux_attempt *copy = put(arena, attempt, sizeof *attempt);
    if (!copy) return -E2BIG;
    copy->arguments = put_list(arena, attempt->arguments);
    copy->environment = put_list(arena, attempt->environment);
    copy->candidates = put_list(arena, attempt->candidates);
    copy->setup = put_list(arena, attempt->setup);
    copy->writable = put_list(arena, attempt->writable);
    copy->working_directory = put_text(arena, attempt->working_directory);
    copy->groups = put(arena, attempt->groups, attempt->group_count * sizeof *attempt->groups);
    copy->sandbox = put_sandbox(arena, attempt->sandbox);
    copy->cgroup = -1;
    copy->doors = NULL;
    copy->door_count = 0;
    arena->attempt = copy;
    return arena->is_full ? -E2BIG : 0;
}

// -- By the supervisor --

/// What root can open by its groups its attempts cannot: it has none meanwhile.
struct own_groups {
    int count;
    gid_t groups[GROUPS_MAXIMUM];
};

static int leave_groups(struct own_groups *own) {
    own->count = getgroups(GROUPS_MAXIMUM, own->groups);
    return own->count < 0 || syscall(SYS_setgroups, 0, NULL) < 0 ? -errno : 0;
}

static int return_to_groups(const struct own_groups *own) {
    return syscall(SYS_setgroups, own->count, own->groups) < 0 ? -errno : 0;
}

int clinux_attempt_mark(const struct clinux_attempt *attempt, struct clinux_mark *marks) {
    struct own_groups own;
    int error = leave_groups(&own);
    if (error) return error;
    clinux_sandbox_mark(attempt->sandbox, attempt->user, attempt->group, marks);
    return return_to_groups(&own);
}

/// With descriptors that are open here.
static int send_attempt(const struct clinux_attempt *attempt, struct clinux_arena *arena, int control) {
    const struct clinux_sandbox *sandbox = attempt->sandbox;
    int descriptors[CLINUX_PASSED_DESCRIPTORS] = {attempt->output, attempt->error_output};
    size_t count = 2;
    if (attempt->input >= 0) descriptors[count++] = attempt->input;
    for (size_t i = sandbox->common_count; i < sandbox->step_count; i++) {
        if (sandbox->trees[i] < 0) continue;
        if (count == CLINUX_PASSED_DESCRIPTORS) return -E2BIG;
        descriptors[count++] = sandbox->trees[i];
    }
    int error = put_attempt(arena, attempt);
    if (error) return error;
    char order = CLINUX_ORDER_GO;
    ssize_t sent = clinux_send_descriptors(control, &order, 1, descriptors, count);
    return sent < 0 ? (int)sent : 0;
}

int clinux_attempt_give(const struct clinux_attempt *attempt, struct clinux_arena *arena, int control) {
    const struct clinux_sandbox *sandbox = attempt->sandbox;
    struct own_groups own;
    int error = leave_groups(&own);
    if (error) return error;
    struct clinux_refusal refused =
        clinux_sandbox_open(sandbox, sandbox->common_count, sandbox->step_count, attempt->user, attempt->group);
    error = return_to_groups(&own);
    if (!error) error = refused.layer ? -refused.error : send_attempt(attempt, arena, control);
    for (size_t i = sandbox->common_count; i < sandbox->step_count; i++)
        if (sandbox->trees[i] >= 0) close(sandbox->trees[i]);
    return error;
}

// -- By the first process --

const struct clinux_attempt *clinux_arena_take(struct clinux_arena *arena, const int *descriptors, size_t count) {
    const struct clinux_attempt *attempt = arena->attempt;
    const struct clinux_sandbox *sandbox = attempt->sandbox;
    size_t next = attempt->input >= 0 ? 3 : 2, wanted = next;
    for (size_t i = sandbox->common_count; i < sandbox->step_count; i++) wanted += sandbox->trees[i] >= 0;
    if (count != wanted)
        clinux_refuse((struct clinux_refusal){.layer = CLINUX_LAYER_DESCRIPTORS, .error = EBADF, .step = -1});
    clinux_take_streams(descriptors[0], descriptors[1], attempt->input >= 0 ? descriptors[2] : -1);
    for (size_t i = 0; i < next; i++) close(descriptors[i]);
    // The numbers that the supervisor had for them mean nothing here.
    for (size_t i = sandbox->common_count; i < sandbox->step_count; i++)
        if (sandbox->trees[i] >= 0) sandbox->trees[i] = descriptors[next++];
    return attempt;
}
