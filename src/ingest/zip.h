/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of a zip archive in memory, stored or deflated, ZIP64 included (PKWARE APPNOTE 6.3.9).
 */
#ifndef TOPN_INGEST_ZIP_H
#define TOPN_INGEST_ZIP_H

#include "base/context.h"

typedef struct zip_archive {
    const unsigned char *bytes;
    size_t size;
    const char *path; /* for messages */
    uint64_t directory, entries;
} zip_archive;

/* Finds the directory. FORMAT when the bytes are no zip archive. */
topn_status zip_open(topn_context *context, const char *path, const unsigned char *bytes, size_t size,
                     zip_archive *out);

/* Content of a member: borrowed from the archive, or `owned` and to be freed. */
typedef struct zip_member {
    const unsigned char *bytes; /* NULL when the archive has no such member */
    size_t size;
    unsigned char *owned;
} zip_member;
/* The checksum is verified. Errors: FORMAT, MEMORY, UNSUPPORTED. */
topn_status zip_read(topn_context *context, const zip_archive *archive, const char *name, zip_member *out);

#endif
