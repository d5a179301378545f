/* SPDX-License-Identifier: Apache-2.0
 *
 * Adjacency lists: a user and all his items on one line, blanks between them. A line may name a user without items.
 */
#include "ingest/fields.h"
#include "ingest/text_lines.h"

#include <string.h>

typedef struct adjacency_layout {
    bool latin1;
} adjacency_layout;

static const unsigned char *token_end(const unsigned char *at, const unsigned char *end)
{
    while (at < end && *at != ' ' && *at != '\t' && *at != '\n' && *at != '\r')
        at++;
    return at;
}

/* Next token of the line; false at its end. */
static bool take_token(const unsigned char **at, const unsigned char *end, const unsigned char **begin,
                       const unsigned char **stop)
{
    while (*at < end && (is_blank(**at) || **at == '\r'))
        ++*at;
    if (*at == end || **at == '\n')
        return false;
    *begin = *at;
    *stop = *at = token_end(*at, end);
    return true;
}

static bool take_code(const unsigned char **at, const text_chunk *chunk, bool latin1, bool item, event_run *run,
                      bool *found, uint32_t *out)
{
    const unsigned char *begin, *stop;
    while (*at < chunk->end && **at == ' ')
        ++*at;
    if (chunk->limit - *at >= FIELD_MARGIN) {
        uint64_t value;
        const unsigned count = digits_leading(*at, &value);
        const unsigned char next = (*at)[count];
        if (count > 0 && ((*at)[0] != '0' || count == 1) && (next == ' ' || next == '\n')) {
            *out = (uint32_t)value;
            *at += count;
            return *found = true;
        }
    }
    *found = take_token(at, chunk->end, &begin, &stop);
    if (!*found)
        return true;
    return event_run_id(run, item ? &run->pools->items : &run->pools->users, begin, (size_t)(stop - begin), latin1,
                        item ? "item" : "user", out);
}

static void parse(const text_chunk *chunk, const void *layout, event_run *run)
{
    const bool latin1 = ((const adjacency_layout *)layout)->latin1;
    const unsigned char *at = chunk->begin;
    while (at < chunk->end) {
        uint32_t user, item;
        bool found;
        size_t items = 0;
        if (!take_code(&at, chunk, latin1, false, run, &found, &user))
            return;
        while (found) {
            if (!take_code(&at, chunk, latin1, true, run, &found, &item))
                return;
            if (found && !event_run_append(run, user, item, 1.0f, 0))
                return;
            if (!found && items == 0 && !event_run_lone_user(run, user))
                return;
            items++;
        }
        at += at < chunk->end; /* the newline */
        run->lines++;
    }
}

/* Lines of whole numbers between blanks, not all of one length. */
static int probe(const char *path, const unsigned char *head, size_t size)
{
    (void)path;
    size_t lines = 0, lengths = 0, shortest = SIZE_MAX, longest = 0;
    bool seen[64] = {false};
    const unsigned char *at = head, *end = head + size;
    while (at < end && lines < 200) {
        const unsigned char *begin, *stop;
        size_t tokens = 0;
        while (take_token(&at, end, &begin, &stop)) {
            for (; begin < stop; begin++)
                if (*begin < '0' || *begin > '9')
                    return 0;
            tokens++;
        }
        if (at == end && lines > 0)
            break; /* cut off */
        at += at < end;
        lines++;
        if (tokens == 0)
            continue;
        lengths += !seen[tokens < 64 ? tokens : 63];
        seen[tokens < 64 ? tokens : 63] = true;
        shortest = tokens < shortest ? tokens : shortest;
        longest = tokens > longest ? tokens : longest;
    }
    if (lines == 0 || longest < 3)
        return 0;
    const bool tabs = memchr(head, '\t', size) != NULL;
    if (tabs)
        return lengths >= 4 ? 80 : 0; /* two or three lengths are rather a broken table */
    return lengths >= 2 ? 80 : longest > 4 ? 75 : 0;
}

static topn_status read_lists(topn_context *context, source *from, const reader_params *params, event_sink *sink)
{
    topn_status status;
    const adjacency_layout layout = {.latin1 = params->encoding == 2};
    const text_lines lines = {.parse = parse, .layout = &layout};
    TRY(event_sink_describe(context, sink, "adjacency", "user=1, items=2…"));
    log_line(context, "columns: user=1, items=2…");
    status = text_lines_read(context, from, &lines, sink);
done:
    return status;
}

const format format_adjacency = {
    .name = "adjacency",
    .summary = "one user a line: user item item …",
    .probe = probe,
    .read = read_lists,
};
