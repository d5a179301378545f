/* SPDX-License-Identifier: Apache-2.0
 *
 * Text whose lines can be read independently: cut into chunks of fixed size at line ends, parsed in parallel.
 */
#ifndef TOPN_INGEST_TEXT_LINES_H
#define TOPN_INGEST_TEXT_LINES_H

#include "ingest/events.h"
#include "ingest/source.h"

typedef struct text_chunk {
    const unsigned char *begin, *end; /* whole lines; the last one of a file may lack its newline */
    const unsigned char *limit;       /* bytes up to here may be read */
} text_chunk;

/* Parses a chunk into its run: counts run->lines, reports with event_run_fail. Called on any thread. */
typedef void text_parser(const text_chunk *chunk, const void *layout, event_run *run);

typedef struct text_lines {
    text_parser *parse;
    const void *layout;
    uint64_t first_line;     /* lines of the file before the position */
    unsigned char separator; /* of quoted fields */
    bool quoted;             /* quoted fields may hold newlines */
    /* Called for every run of the sink in file order, on the calling thread; NULL = nothing to do. */
    topn_status (*joined)(topn_context *, event_sink *, size_t run, void *data);
    void *joined_data;
} text_lines;

/* Reads the source from its position to the end. Errors of lines: DATA with "path:line: …". */
topn_status text_lines_read(topn_context *context, source *from, const text_lines *lines, event_sink *sink);

/* End (past its newline) of the record that starts at text, quoted newlines seen through; NULL when it is not in
 * [text, end). */
const unsigned char *record_end(const unsigned char *text, const unsigned char *end, unsigned char separator);

#endif
