/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request asks for: "/api/recommend/u%201?n=5" taken apart and decoded. Whatever could mean two things to two
 * readers is refused: dot segments, empty segments, NUL and control characters, broken escapes, bytes that are not
 * UTF-8, a parameter given twice.
 */
#ifndef TOPN_SERVER_TARGET_H
#define TOPN_SERVER_TARGET_H

#include <stdbool.h>
#include <stddef.h>

enum { TARGET_SEGMENTS = 8, TARGET_PARAMETERS = 32 };

typedef struct target_parameter {
    const char *name, *value;
} target_parameter;

typedef struct target {
    char *storage;                         /* what the texts point into */
    const char *segments[TARGET_SEGMENTS]; /* [segment_count] decoded; none for "/" */
    size_t segment_count;
    target_parameter parameters[TARGET_PARAMETERS]; /* [parameter_count] decoded, in the order given */
    size_t parameter_count;
} target;

/* false: why (a text of this file) says what is wrong. */
bool target_parse(const char *raw, target *out, const char **why);
void target_clear(target *target);

#endif
