/* SPDX-License-Identifier: Apache-2.0
 *
 * External ids while a file is read. An id is a 32-bit code: a whole number below 2³¹ without leading zeros is its own
 * code; any other text is ID_TEXT + its place in a pool. Every thread has its own pools, so nothing is locked.
 */
#ifndef TOPN_INGEST_ID_POOL_H
#define TOPN_INGEST_ID_POOL_H

#include "base/context.h"

#define ID_TEXT UINT32_C(0x80000000)

/* Distinct byte strings. Zeroed = empty. */
typedef struct id_pool {
    char *bytes; /* [used] strings one after the other, each with its NUL */
    uint64_t used, capacity;
    uint64_t *offsets; /* [count + 1] */
    uint32_t count, room;
    uint64_t *slots; /* [mask + 1] upper half of the hash << 32 | index + 1, or 0 */
    uint64_t mask;
} id_pool;

/* Index of the text, added when new. MEMORY, or DATA beyond 2³¹ − 1 texts; no message is set (threads). */
topn_status id_pool_add(id_pool *pool, const unsigned char *text, size_t length, uint32_t *out);
void id_pool_clear(id_pool *pool);

/* true when the text is a whole number below 2³¹ as %u would print it. */
bool id_is_number(const unsigned char *text, size_t length, uint32_t *out);
/* Code of a text. */
topn_status id_code(id_pool *pool, const unsigned char *text, size_t length, uint32_t *out);

#endif
