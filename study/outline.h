/* SPDX-License-Identifier: Apache-2.0
 *
 * A YAML file as a tree with line numbers.
 */
#ifndef TOPN_STUDY_OUTLINE_H
#define TOPN_STUDY_OUTLINE_H

#include "study/study.h"

typedef enum outline_kind { OUTLINE_SCALAR, OUTLINE_LIST, OUTLINE_MAP } outline_kind;

typedef struct outline {
    outline_kind kind;
    char *key;  /* in a map, else NULL */
    char *text; /* of a scalar */
    size_t line;
    struct outline *children; /* [count] */
    size_t count;
} outline;

/* OPTION naming file and line. One document; a key given twice is refused. */
topn_status outline_read(study *work, const char *path, outline **out);
void outline_free(outline *old);

#endif
