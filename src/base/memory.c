/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static _Atomic uint64_t failure_countdown;

void memory_fail_after(uint64_t allocations)
{
    atomic_store(&failure_countdown, allocations);
}

/* true when a test asked this allocation to fail. */
static bool injected_failure(void)
{
    uint64_t left = atomic_load(&failure_countdown);
    while (left != 0)
        if (atomic_compare_exchange_weak(&failure_countdown, &left, left - 1))
            return left == 1;
    return false;
}

/* Bytes of count × size, or SIZE_MAX where that overflows (no allocator grants it). */
static size_t checked_bytes(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return SIZE_MAX;
    return bytes ? bytes : 1;
}

topn_status memory_allocate(topn_context *context, size_t count, size_t size, void *out)
{
    const size_t bytes = checked_bytes(count, size);
    void *block = bytes == SIZE_MAX || injected_failure() ? NULL : malloc(bytes);
    memcpy(out, &block, sizeof block);
    return block ? TOPN_OK : fail_memory(context, bytes);
}

topn_status memory_allocate_zeroed(topn_context *context, size_t count, size_t size, void *out)
{
    const size_t bytes = checked_bytes(count, size);
    void *block = bytes == SIZE_MAX || injected_failure() ? NULL : calloc(1, bytes);
    memcpy(out, &block, sizeof block);
    return block ? TOPN_OK : fail_memory(context, bytes);
}

topn_status memory_resize(topn_context *context, size_t count, size_t size, void *block)
{
    const size_t bytes = checked_bytes(count, size);
    void *old;
    memcpy(&old, block, sizeof old);
    void *grown = bytes == SIZE_MAX || injected_failure() ? NULL : realloc(old, bytes);
    if (!grown)
        return fail_memory(context, bytes);
    memcpy(block, &grown, sizeof grown);
    return TOPN_OK;
}

void memory_prefer_large_pages(void *block, size_t bytes)
{
    /* Whole pages inside the block. Its failure is none. */
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)block;
    const uintptr_t first = (begin + page - 1) / page * page, last = (begin + bytes) / page * page;
    if (last > first)
        (void)madvise((void *)first, last - first, MADV_HUGEPAGE);
}

topn_status memory_allocate_table(topn_context *context, size_t count, size_t size, void *out)
{
    enum { LINE = 64 };
    const size_t bytes = checked_bytes(count, size);
    void *block = NULL;
    if (bytes == SIZE_MAX || injected_failure() || posix_memalign(&block, LINE, bytes) != 0)
        block = NULL;
    memcpy(out, &block, sizeof block);
    if (!block)
        return fail_memory(context, bytes);
    memory_prefer_large_pages(block, bytes);
    return TOPN_OK;
}

topn_status memory_copy_text(topn_context *context, const char *text, char **out)
{
    *out = NULL;
    if (!text)
        return TOPN_OK;
    const size_t bytes = strlen(text) + 1;
    const topn_status status = memory_allocate(context, bytes, 1, out);
    if (status == TOPN_OK)
        memcpy(*out, text, bytes);
    return status;
}

/* The number that starts a file such as memory.max; UINT64_MAX when there is none ("max"). */
static uint64_t read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return UINT64_MAX;
    uint64_t number;
    if (fscanf(file, "%" SCNu64, &number) != 1)
        number = UINT64_MAX;
    fclose(file);
    return number;
}

/* The number after `key` at the start of a line of a file such as memory.stat; false when there is none. */
static bool read_entry(const char *path, const char *key, uint64_t *out)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char line[256];
    bool found = false;
    while (!found && fgets(line, sizeof line, file))
        found = strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%" SCNu64, out) == 1;
    fclose(file);
    return found;
}

/* In bytes. */
static uint64_t machine_available(void)
{
    uint64_t kibibytes;
    return read_entry("/proc/meminfo", "MemAvailable:", &kibibytes) ? kibibytes << 10 : UINT64_MAX;
}

/* Where a version of control groups keeps what. */
typedef struct group_files {
    const char *root,
        *own; /* of the tree, and what stands before this process's place in a line of /proc/self/cgroup */
    const char *limit, *used, *cache[2];
} group_files;

static const group_files group_versions[] = {
    {"/sys/fs/cgroup", "0::", "memory.max", "memory.current", {"inactive_file ", "active_file "}},
    {"/sys/fs/cgroup/memory",
     ":memory:",
     "memory.limit_in_bytes",
     "memory.usage_in_bytes",
     {"total_inactive_file ", "total_active_file "}},
};

/* This process's place in the tree, "" when it is not told. */
static void find_group(const char *own, char *place, size_t capacity)
{
    char line[512];
    FILE *file = fopen("/proc/self/cgroup", "re");
    place[0] = '\0';
    while (file && !place[0] && fgets(line, sizeof line, file)) {
        const char *at = strstr(line, own);
        if (at)
            snprintf(place, capacity, "%.*s", (int)strcspn(at + strlen(own), "\n"), at + strlen(own));
    }
    if (file)
        fclose(file);
}

/* What one group still grants. The cache of files counts as used, but gives way. */
static uint64_t group_left(const group_files *files, const char *folder)
{
    char path[800];
    snprintf(path, sizeof path, "%s/%s", folder, files->limit);
    const uint64_t limit = read_number(path);
    snprintf(path, sizeof path, "%s/%s", folder, files->used);
    uint64_t used = read_number(path);
    if (limit == UINT64_MAX || used == UINT64_MAX)
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    for (int key = 0; key < 2; key++) {
        uint64_t cache;
        if (read_entry(path, files->cache[key], &cache))
            used -= cache < used ? cache : used;
    }
    return limit > used ? limit - used : 0;
}

/* The least that the group of this process and those around it grant. A container may show its own as the root. */
static uint64_t groups_left(const group_files *files)
{
    char folder[600], place[512];
    const size_t root = strlen(files->root);
    find_group(files->own, place, sizeof place);
    snprintf(folder, sizeof folder, "%s%s", files->root, place);
    uint64_t least = UINT64_MAX;
    for (char *end = folder + strlen(folder); end && end >= folder + root; end = strrchr(folder, '/')) {
        *end = '\0';
        const uint64_t left = group_left(files, folder);
        least = left < least ? left : least;
    }
    return least;
}

uint64_t memory_available(const topn_context *context)
{
    const uint64_t grants[] = {machine_available(), groups_left(&group_versions[0]), groups_left(&group_versions[1]),
                               context && context->memory_limit ? context->memory_limit : UINT64_MAX};
    uint64_t least = UINT64_MAX;
    for (size_t at = 0; at < sizeof grants / sizeof *grants; at++)
        least = grants[at] < least ? grants[at] : least;
    return least;
}

uint64_t memory_peak(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss << 10 : 0;
}

char *memory_text(uint64_t bytes, char *buffer, size_t capacity)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024.0 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024.0;
        unit++;
    }
    snprintf(buffer, capacity, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return buffer;
}

topn_status memory_check(topn_context *context, const char *what, uint64_t need, const char *remedy)
{
    const uint64_t available = memory_available(context);
    if (need <= available)
        return TOPN_OK;
    char need_text[24], available_text[24];
    const bool limited = context && context->memory_limit && context->memory_limit == available;
    return fail(context, TOPN_ERROR_MEMORY, "%s needs %s of memory, %s has %s%s%s", what,
                memory_text(need, need_text, sizeof need_text), limited ? "--memory" : "this machine",
                memory_text(available, available_text, sizeof available_text), remedy ? "; " : "",
                remedy ? remedy : "");
}
