/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation with overflow checks, and what the machine has to give.
 */
#ifndef TOPN_BASE_MEMORY_H
#define TOPN_BASE_MEMORY_H

#include "base/context.h"

/* count × size bytes, overflow-checked; *out (a pointer to any object pointer) is NULL on failure.
 * A count of 0 gives a pointer that free takes. */
topn_status memory_allocate(topn_context *context, size_t count, size_t size, void *out);
/* The same, zeroed (large blocks come as untouched pages from the system). */
topn_status memory_allocate_zeroed(topn_context *context, size_t count, size_t size, void *out);
/* Grows or shrinks *block (a pointer to an object pointer); on failure *block is unchanged. */
topn_status memory_resize(topn_context *context, size_t count, size_t size, void *block);
/* Advice to the system that all of a block will be used in no order: large pages come faster, and finding rows of a
 * table in them takes less. */
void memory_prefer_large_pages(void *block, size_t bytes);
/* Memory of a table whose rows are read in no order: it begins with a cache line, so that rows of whole lines take no
 * more of them than they must, and comes in large pages. Not zeroed. */
topn_status memory_allocate_table(topn_context *context, size_t count, size_t size, void *out);
/* A copy of text; NULL gives NULL. */
topn_status memory_copy_text(topn_context *context, const char *text, char **out);

#define ALLOCATE(context, count, pointer) memory_allocate(context, count, sizeof **(pointer), pointer)
#define ALLOCATE_ZEROED(context, count, pointer) memory_allocate_zeroed(context, count, sizeof **(pointer), pointer)
#define ALLOCATE_TABLE(context, count, pointer) memory_allocate_table(context, count, sizeof **(pointer), pointer)
#define RESIZE(context, count, pointer) memory_resize(context, count, sizeof **(pointer), pointer)

/* Bytes that may be used: the least of --memory, the cgroup's limit and the machine's available memory. */
uint64_t memory_available(const topn_context *context);
/* Peak resident set of this process so far, in bytes. */
uint64_t memory_peak(void);
/* TOPN_ERROR_MEMORY when need exceeds memory_available, with both figures and `remedy` (an option that would fit). */
topn_status memory_check(topn_context *context, const char *what, uint64_t need, const char *remedy);
/* "6.3 GiB"; buffer of at least 24 characters. Returns buffer. */
char *memory_text(uint64_t bytes, char *buffer, size_t capacity);

/* Test hook: the allocation that fails next, counted down; 0 = none (the default). */
void memory_fail_after(uint64_t allocations);

#endif
