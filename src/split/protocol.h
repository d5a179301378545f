/* SPDX-License-Identifier: Apache-2.0
 *
 * An evaluation protocol is one file that exports one descriptor; protocols.def lists them.
 */
#ifndef TOPN_SPLIT_PROTOCOL_H
#define TOPN_SPLIT_PROTOCOL_H

#include "base/option_table.h"
#include "base/record.h"
#include "data/interactions.h"

struct topn_split {
    topn_data *parts[TOPN_PART_COUNT]; /* NULL where the protocol makes none */
    record description;                /* protocol, options, seed, counts, what was dropped */
};

typedef struct protocol {
    const char *name;    /* "strong" */
    const char *summary; /* one line */
    const char *paper;   /* source */
    const option_table *options;
    bool needs_test; /* takes given test events ("fixed") */
    topn_status (*split)(topn_context *, const topn_data *data, const topn_data *test, const void *params,
                         topn_split *out);
} protocol;

const protocol *protocol_at(size_t index);
const protocol *protocol_find(const char *name);

#endif
