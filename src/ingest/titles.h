/* SPDX-License-Identifier: Apache-2.0
 *
 * Titles of items from a side file: delimited text with an id and a title.
 */
#ifndef TOPN_INGEST_TITLES_H
#define TOPN_INGEST_TITLES_H

#include "data/id_map.h"
#include "ingest/format.h"

/* Titles for every id of `ids`, "" where the file params->titles has none. Unknown ids are counted and ignored. */
topn_status titles_read(topn_context *context, const reader_params *params, const string_table *ids,
                        string_table *titles);
topn_status titles_read_source(topn_context *context, source *from, const reader_params *params,
                               const string_table *ids, string_table *titles);

#endif
