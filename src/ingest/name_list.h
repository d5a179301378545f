/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists in options: "hour, weekday".
 */
#ifndef TOPN_INGEST_NAME_LIST_H
#define TOPN_INGEST_NAME_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { LISTED_NAME = 256 };

/* The next entry of a list in *rest, without blanks around it, cut to capacity − 1 bytes; false at the end. Entries may
 * be empty: "a,,b" has three. */
static inline bool list_next(const char **rest, char *out, size_t capacity)
{
    if (!*rest || !**rest)
        return false;
    const char *begin = *rest + strspn(*rest, " \t"), *end = begin + strcspn(begin, ",");
    *rest = *end ? end + 1 : end;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    const size_t length = (size_t)(end - begin) < capacity ? (size_t)(end - begin) : capacity - 1;
    memcpy(out, begin, length);
    out[length] = '\0';
    return true;
}

#endif
