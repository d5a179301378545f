/* SPDX-License-Identifier: Apache-2.0
 *
 * A search space: options with the ranges in which their best values are looked for. A point has a coordinate in
 * [0, 1) for each; settings are the values themselves, as the texts that topn_options_set takes, in a JSON object
 * {"l2": "512", "reader.half-life": "30d"}. Options of the reader carry the prefix "reader.".
 */
#ifndef TOPN_STUDY_SPACE_H
#define TOPN_STUDY_SPACE_H

#include <jansson.h>

#include "study/study.h"

#define READER_PREFIX "reader."

typedef struct dimension {
    char *name;
    topn_search_scale scale;
    bool integer;
    double low, high;
    char **choices; /* [choice_count] */
    size_t choice_count;
    char *unit; /* behind a number: "d" of 7d … 365d; "" for most */
} dimension;

typedef struct space {
    dimension *dimensions; /* [count] */
    size_t count;
} space;

/* The declared ranges of a method's options, less those in `fixed` (settings). */
topn_status space_declared(study *work, const topn_options *method, const json_t *fixed, space *out);
/* Adds or replaces a dimension: "1..1000", "1..1000 log", "7d..365d log", "cosine|jaccard", "32|64|128". The ends are
 * checked against the option. `name` may carry the reader's prefix. */
topn_status space_add(study *work, space *to, const char *method, const char *name, const char *range);
/* The same of a list "l2=1..1000 log; reader.half-life=7d..365d log". */
topn_status space_add_list(study *work, space *to, const char *method, const char *text);
void space_clear(space *old);
/* Ranges as texts that space_add takes back, {"l2": "1..20000 log"}. A new object. */
json_t *space_json(const space *from);

/* Sets the values at the point [count] in `settings`, rounded to what is written. */
topn_status space_settings(study *work, const space *from, const double *point, json_t *settings);
/* The point of the method's values as they stand, for options that have one; .5 where the value is not in the range. */
void space_point(const space *from, const topn_options *method, double *point);

/* Applies those settings that are the method's (or, with `reader`, the reader's). */
topn_status settings_apply(study *work, const json_t *settings, bool reader, topn_options *options);
/* "l2 512, dropout 0.31"; freed by the caller, NULL without memory. */
char *settings_text(const json_t *settings);

#endif
