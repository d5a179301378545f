/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of server/page/, which the build puts into the program (cmake/embed.cmake).
 */
#ifndef TOPN_SERVER_PAGE_H
#define TOPN_SERVER_PAGE_H

#include <stddef.h>

typedef struct page_file {
    const char *name; /* "page.js"; NULL ends the table */
    const unsigned char *bytes;
    size_t size;
} page_file;

extern const page_file page_files[];

#endif
