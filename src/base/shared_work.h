/* SPDX-License-Identifier: Apache-2.0
 *
 * Results that computations on the same data share, by key: what the cache of a context (topn_context_set_cache) keeps.
 * A key names all that decides the bits: data by fingerprint, options by value.
 */
#ifndef TOPN_BASE_SHARED_WORK_H
#define TOPN_BASE_SHARED_WORK_H

#include "base/context.h"

enum { SHARED_KEY = 384 };

/* Copies what is kept under the key to `out` [size]; false: nothing of that size is. */
bool shared_work_find(topn_context *context, const char *key, void *out, size_t size);
/* Keeps a copy where the cache has room for it, in place of what was used longest ago. */
void shared_work_keep(topn_context *context, const char *key, const void *bytes, size_t size);
/* Bytes that the context's cache holds; 0 without one. */
uint64_t shared_work_bytes(const topn_context *context);
/* Gives all of it back. */
void shared_work_drop(topn_context *context);

#endif
