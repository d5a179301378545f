/* SPDX-License-Identifier: Apache-2.0
 *
 * An ordered list of named texts: what a model file, a report or a split says about itself.
 */
#ifndef TOPN_BASE_RECORD_H
#define TOPN_BASE_RECORD_H

#include "base/context.h"

typedef struct record_entry {
    char *key, *value;
} record_entry;

typedef struct record {
    record_entry *entries; /* [count] */
    size_t count, capacity;
} record;

/* Sets key (replacing an earlier value) from printf-style text of any length. A zeroed record is empty. */
topn_status record_set(topn_context *context, record *fields, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The shortest text that reads back as the same double; "nan" and "inf" as such. */
topn_status record_set_real(topn_context *context, record *fields, const char *key, double value);
/* NULL when absent. */
const char *record_get(const record *fields, const char *key);
/* Every option of `options` as "<prefix><name>". */
topn_status record_set_options(topn_context *context, record *fields, const char *prefix, const topn_options *options);
/* Takes every entry away whose key begins with `prefix`. */
void record_remove(record *fields, const char *prefix);
topn_status record_copy(topn_context *context, const record *from, record *out);
void record_clear(record *fields);

#endif
