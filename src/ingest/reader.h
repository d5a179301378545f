/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading: find the format, let it read, make data of the events.
 */
#ifndef TOPN_INGEST_READER_H
#define TOPN_INGEST_READER_H

#include "ingest/format.h"

/* See topn_data_read. */
topn_status reader_read(topn_context *context, const char *path, const reader_params *params, topn_data **out);
/* The same from bytes in memory; `name` stands in messages. */
topn_status reader_read_memory(topn_context *context, const char *name, const void *bytes, size_t size,
                               const reader_params *params, topn_data **out);
/* The events as they stand in the file or folder, before anything is filtered or merged. Freed by event_sink_free. */
topn_status reader_collect(topn_context *context, const char *path, const reader_params *params, event_sink **out);

#endif
