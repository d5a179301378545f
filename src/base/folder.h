/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a folder that appears whole or not at all: files go to a temporary folder beside the target, which then takes
 * the target's name.
 *
 * A target that exists is replaced only when that destroys nothing else: it must be an empty folder, or hold files of
 * the given names alone and among them the `marker` (so it was written by the same command before).
 */
#ifndef TOPN_BASE_FOLDER_H
#define TOPN_BASE_FOLDER_H

#include "base/context.h"

typedef struct folder_writer folder_writer;

/* names [count]: all files that may be in it; marker is one of them. IO when the target may not be replaced. */
topn_status folder_create(topn_context *context, const char *path, const char *const *names, size_t count,
                          const char *marker, folder_writer **out);
/* Where to write the file `name`; lent until the next call. */
topn_status folder_file(folder_writer *writer, const char *name, const char **path);
/* Makes it last and frees the writer, in every case. */
topn_status folder_commit(folder_writer *writer);
/* Removes what was written and frees the writer. NULL is fine. */
void folder_abandon(folder_writer *writer);

#endif
