/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes as a file that lives in memory, for functions that take paths.
 */
#ifndef TOPN_FUZZ_MEMORY_FILE_H
#define TOPN_FUZZ_MEMORY_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MEMORY_PATH = 32 };

/* The file's descriptor, to be closed; its path goes to path[MEMORY_PATH]. */
static inline int memory_file(const uint8_t *bytes, size_t size, char *path)
{
    const int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    if (descriptor < 0 || write(descriptor, bytes, size) != (ssize_t)size)
        abort();
    snprintf(path, MEMORY_PATH, "/proc/self/fd/%d", descriptor);
    return descriptor;
}

#endif
