/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidate lists of the NCF protocol: lines "(user,item)" and negatives, tabs between them. Each becomes an event of
 * the user; the item of the key is the held-out one and no candidate of this file.
 */
#include "ingest/fields.h"
#include "ingest/text_lines.h"

#include <string.h>

/* "(user,item)" at the start of [line, end): the user's text; NULL when it is none. */
static const unsigned char *user_of(const unsigned char *line, const unsigned char *end, const unsigned char **stop)
{
    const unsigned char *tab = memchr(line, '\t', (size_t)(end - line));
    const unsigned char *key_end = tab ? tab : end;
    const unsigned char *comma = memchr(line, ',', (size_t)(key_end - line));
    if (line == end || *line != '(' || !comma || key_end[-1] != ')')
        return NULL;
    *stop = key_end;
    return comma;
}

static bool parse_line(const unsigned char *line, const unsigned char *end, bool latin1, event_run *run)
{
    char shown[48];
    const unsigned char *at;
    const unsigned char *comma = user_of(line, end, &at);
    if (!comma)
        return event_run_fail(run, TOPN_ERROR_DATA, "\"%s\" does not start with (user,item)",
                              text_excerpt(line, (size_t)(end - line), shown));
    const unsigned char *begin = line + 1, *stop = comma;
    uint32_t user, item;
    trim(&begin, &stop);
    if (!event_run_id(run, &run->pools->users, begin, (size_t)(stop - begin), latin1, "user", &user))
        return false;
    if (at == end)
        return event_run_lone_user(run, user);
    while (at < end) {
        begin = ++at;
        stop = at = find_mark(at, end, '\t');
        trim(&begin, &stop);
        if (!event_run_id(run, &run->pools->items, begin, (size_t)(stop - begin), latin1, "item", &item) ||
            !event_run_append(run, user, item, 1.0f, 0))
            return false;
    }
    return true;
}

static void parse(const text_chunk *chunk, const void *layout, event_run *run)
{
    const bool latin1 = *(const bool *)layout;
    for (const unsigned char *at = chunk->begin; at < chunk->end; run->lines++) {
        const unsigned char *newline = memchr(at, '\n', (size_t)(chunk->end - at));
        const unsigned char *begin = at, *stop = newline ? newline : chunk->end;
        at = newline ? newline + 1 : chunk->end;
        trim(&begin, &stop);
        if (begin < stop && !parse_line(begin, stop, latin1, run))
            return;
    }
}

static int probe(const char *path, const unsigned char *head, size_t size)
{
    (void)path;
    const unsigned char *newline = memchr(head, '\n', size);
    const unsigned char *end = newline ? newline : head + size, *stop;
    const unsigned char *begin = head;
    trim(&begin, &end);
    return begin < end && user_of(begin, end, &stop) ? 95 : 0;
}

static topn_status read_lists(topn_context *context, source *from, const reader_params *params, event_sink *sink)
{
    const bool latin1 = params->encoding == 2;
    const text_lines lines = {.parse = parse, .layout = &latin1};
    static const char columns[] = "user=1 (of the key), items=2…; the key's item is left out";
    log_line(context, "columns: %s", columns);
    const topn_status status = event_sink_describe(context, sink, "ncf-negatives", columns);
    return status == TOPN_OK ? text_lines_read(context, from, &lines, sink) : status;
}

const format format_ncf_negatives = {
    .name = "ncf-negatives",
    .summary = "candidate lists of the NCF protocol: (user,item) TAB negative TAB negative …",
    .probe = probe,
    .read = read_lists,
};
