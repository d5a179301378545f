/* SPDX-License-Identifier: Apache-2.0
 *
 * Crash-safe writing: a temporary file beside the target, fsync, rename, fsync of the folder. Until `file_commit`
 * returns, the target is untouched; `file_abandon` (or a crash followed by nothing) leaves it so.
 */
#ifndef TOPN_BASE_FILE_H
#define TOPN_BASE_FILE_H

#include "base/context.h"

typedef struct file_writer file_writer;

/* Opens a temporary beside `path`. "-" is standard output, written through without a temporary. */
topn_status file_create(topn_context *context, const char *path, file_writer **out);
/* Buffered. Errors (disk full, …) name the target path. */
topn_status file_write(file_writer *writer, const void *bytes, size_t count);
topn_status file_print(file_writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes written so far. */
uint64_t file_offset(const file_writer *writer);
/* Overwrites earlier bytes; [offset, offset + count) must have been written already. Not on standard output. */
topn_status file_patch(file_writer *writer, uint64_t offset, const void *bytes, size_t count);
/* Makes it last and frees the writer, in every case. */
topn_status file_commit(file_writer *writer);
/* Removes the temporary and frees the writer. NULL is fine. */
void file_abandon(file_writer *writer);

/* A whole file mapped read-only. Empty files map to size 0. */
typedef struct file_map {
    const unsigned char *bytes;
    size_t size;
} file_map;
topn_status file_map_open(topn_context *context, const char *path, file_map *out);
void file_map_close(file_map *map);

/* fsync of the folder that holds `path`. */
topn_status file_sync_folder(topn_context *context, const char *path);

#endif
