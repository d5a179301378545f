/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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

/* MemAvailable of /proc/meminfo, in bytes. */
static uint64_t machine_available(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    if (!file)
        return UINT64_MAX;
    char line[256];
    uint64_t kibibytes = 0, available = UINT64_MAX;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %" SCNu64, &kibibytes) == 1)
            available = kibibytes << 10;
    fclose(file);
    return available;
}

uint64_t memory_available(const topn_context *context)
{
    uint64_t available = machine_available();
    uint64_t limit = read_number("/sys/fs/cgroup/memory.max");
    uint64_t used = read_number("/sys/fs/cgroup/memory.current");
    if (limit == UINT64_MAX) {
        limit = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
        used = read_number("/sys/fs/cgroup/memory/memory.usage_in_bytes");
    }
    if (limit != UINT64_MAX && used != UINT64_MAX) {
        const uint64_t left = limit > used ? limit - used : 0;
        if (left < available)
            available = left;
    }
    if (context && context->memory_limit && context->memory_limit < available)
        available = context->memory_limit;
    return available;
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
