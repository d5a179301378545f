/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes of a file, of standard input or of memory, with gzip and zstd seen through. Plain files are mapped; anything
 * else passes through a buffer, so that memory does not grow with the file.
 */
#ifndef TOPN_INGEST_SOURCE_H
#define TOPN_INGEST_SOURCE_H

#include "base/context.h"

typedef struct source source;

/* "-" is standard input. Errors: IO. */
topn_status source_open(topn_context *context, const char *path, source **out);
/* Bytes of the caller, which must outlive the source; `name` stands in messages. */
topn_status source_from_memory(topn_context *context, const char *name, const void *bytes, size_t size, source **out);
void source_close(source *from);

const char *source_path(const source *from);
/* true for a regular file that is not compressed: its path can be opened again. */
bool source_is_file(const source *from);
/* "gzip", "zstd" or NULL. */
const char *source_compression(const source *from);
/* Bytes of the file used so far, and its size (0 = not known): the measure of progress. */
uint64_t source_done(const source *from);
uint64_t source_total(const source *from);

/* Lends at least `want` bytes from the current position, fewer only where the data end: then *last. Valid until the
 * next call. A byte order mark at the start is left out. Errors: FORMAT (broken or truncated compression), IO, MEMORY.
 */
topn_status source_peek(topn_context *context, source *from, size_t want, const unsigned char **bytes, size_t *size,
                        bool *last);
/* Moves the position; count ≤ the size peeked. */
void source_consume(source *from, size_t count);
/* Everything from the current position to the end. */
topn_status source_rest(topn_context *context, source *from, const unsigned char **bytes, size_t *size);

#endif
