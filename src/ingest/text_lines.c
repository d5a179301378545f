/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/text_lines.h"

#include "base/memory.h"
#include "base/threads.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Chunks don't depend on the number of threads. A window is what is parsed between two calls of progress. */
enum { CHUNK_SIZE = 1 << 20, WINDOW_CHUNKS = 32, WINDOW_SIZE = WINDOW_CHUNKS * CHUNK_SIZE, LONGEST_LINE = 1 << 30 };

const unsigned char *record_end(const unsigned char *text, const unsigned char *end, unsigned char separator)
{
    while (text < end) {
        if (*text == '"') { /* quotes count at the start of a field only */
            for (text++;; text += 2) {
                text = memchr(text, '"', (size_t)(end - text));
                if (!text)
                    return NULL;
                if (text + 1 == end || text[1] != '"')
                    break;
            }
            text++;
        }
        while (text < end && *text != separator && *text != '\n')
            text++;
        if (text == end)
            return NULL;
        if (*text++ == '\n')
            return text;
    }
    return NULL;
}

/* First line end at or after `target`, for lines from `from` on; NULL when there is none before `end`. */
static const unsigned char *cut_plain(const unsigned char *target, const unsigned char *end)
{
    const unsigned char *newline = memchr(target, '\n', (size_t)(end - target));
    return newline ? newline + 1 : NULL;
}

/* The same where newlines inside quotes are none: only lines with a quote are looked at closely. */
static const unsigned char *cut_quoted(const unsigned char *from, const unsigned char *target, const unsigned char *end,
                                       unsigned char separator)
{
    while (from < target) {
        const unsigned char *quote = memchr(from, '"', (size_t)(target - from));
        const unsigned char *bound = quote ? quote : target;
        const unsigned char *newline = memrchr(from, '\n', (size_t)(bound - from));
        from = record_end(newline ? newline + 1 : from, end, separator);
        if (!from)
            return NULL;
    }
    return from;
}

/* Cuts up to WINDOW_CHUNKS chunks of whole lines out of `size` bytes; *count = 0 when not one line is whole. */
static void cut_chunks(const text_lines *lines, const unsigned char *bytes, size_t size, bool last, text_chunk *chunks,
                       size_t *count)
{
    const unsigned char *from = bytes, *const end = bytes + size;
    *count = 0;
    while (from < end && *count < WINDOW_CHUNKS) {
        const unsigned char *target = (size_t)(end - from) > CHUNK_SIZE ? from + CHUNK_SIZE - 1 : end - 1;
        const unsigned char *cut =
            lines->quoted ? cut_quoted(from, target + 1, end, lines->separator) : cut_plain(target, end);
        if (!cut && !last && !lines->quoted) {
            const unsigned char *newline = memrchr(from, '\n', (size_t)(end - from));
            cut = newline ? newline + 1 : NULL;
        }
        if (!cut && !last)
            return;
        chunks[(*count)++] = (text_chunk){from, cut ? cut : end, end};
        from = chunks[*count - 1].end;
    }
}

/* Refuses input whose events will not fit, judged by the events per byte so far, or by those so far where the size of
 * the input is not known. */
static topn_status check_memory(topn_context *context, const source *from, const event_sink *sink)
{
    const uint64_t done = source_done(from), total = source_total(from);
    const double share = done > 0 && total > done ? (double)total / (double)done : 1;
    uint64_t events = 0;
    for (size_t run = 0; run < sink->count; run++)
        events += sink->runs[run]->count;
    /* Codes, weight and time of an event in its run; index, value and time in its row; for a moment side by side. */
    const unsigned in_run =
        8 + (sink->has_weights ? 4 : 0) + (sink->has_times ? 8 : 0) + 4 * (unsigned)sink->field_count;
    const unsigned in_row = 8 + (sink->has_times ? 8 : 0);
    /* A limit counts everything, the machine only what is yet to come. */
    const double held = context->memory_limit ? 0 : (double)events * in_run;
    char what[320];
    snprintf(what, sizeof what, "reading %.300s", source_path(from));
    return memory_check(context, what, (uint64_t)((double)events * share * (in_run + in_row) - held),
                        "split it, or allow more memory");
}

/* Parses chunks in parallel; then, in file order, counts lines and reports the first failure. */
static topn_status parse_chunks(topn_context *context, const source *from, const text_lines *lines,
                                const text_chunk *chunks, size_t count, event_sink *sink, uint64_t *line)
{
    topn_status status;
    size_t first;
    TRY(event_sink_runs(context, sink, count, &first));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
    for (size_t chunk = 0; chunk < count; chunk++) {
        event_run_begin(sink, first + chunk, (uint32_t)thread_index());
        lines->parse(&chunks[chunk], lines->layout, sink->runs[first + chunk]);
    }
    for (size_t chunk = 0; chunk < count; chunk++) {
        const event_run *run = sink->runs[first + chunk];
        if (run->status != TOPN_OK)
            return fail(context, run->status, "%s:%" PRIu64 ": %s", source_path(from), *line + run->lines + 1,
                        run->message);
        *line += run->lines;
        if (lines->joined)
            TRY(lines->joined(context, sink, first + chunk, lines->joined_data));
    }
done:
    return status;
}

topn_status text_lines_read(topn_context *context, source *from, const text_lines *lines, event_sink *sink)
{
    topn_status status;
    text_chunk chunks[WINDOW_CHUNKS];
    uint64_t line = lines->first_line;
    size_t want = WINDOW_SIZE;
    bool last = false;
    for (bool first = true;; first = false) {
        const unsigned char *bytes;
        size_t size, count;
        TRY(source_peek(context, from, want, &bytes, &size, &last));
        if (size == 0)
            break;
        cut_chunks(lines, bytes, size, last, chunks, &count);
        if (count == 0) {
            if (want >= LONGEST_LINE)
                return fail(context, TOPN_ERROR_DATA, "%s:%" PRIu64 ": a line of more than %d bytes%s",
                            source_path(from), line + 1, LONGEST_LINE, lines->quoted ? " (is a quote left open?)" : "");
            want *= 2;
            continue;
        }
        TRY(parse_chunks(context, from, lines, chunks, count, sink, &line));
        source_consume(from, (size_t)(chunks[count - 1].end - bytes));
        if (first || source_total(from) == 0)
            TRY(check_memory(context, from, sink));
        TRY(progress_report(context, "read", "bytes", source_done(from), source_total(from), NAN));
        want = WINDOW_SIZE;
    }
    status = TOPN_OK;
done:
    return status;
}
