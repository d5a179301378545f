/* SPDX-License-Identifier: Apache-2.0
 *
 * A text file that appears whole or not at all: written beside its place, made lasting, renamed. Devices and pipes are
 * written through.
 */
#ifndef TOPN_CLI_NEW_FILE_H
#define TOPN_CLI_NEW_FILE_H

#include <stdbool.h>
#include <stdio.h>

typedef struct new_file {
    FILE *stream;
    char *path;      /* owned; NULL for "-", standard output */
    char *temporary; /* owned; NULL for devices and pipes, which are written through */
} new_file;

/* Returns an exit code. */
int new_file_open(const char *path, new_file *out);
/* Ends it: in its place when `keep`, else gone. Returns an exit code. */
int new_file_close(new_file *file, bool keep);

#endif
