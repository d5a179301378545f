/* SPDX-License-Identifier: Apache-2.0
 *
 * The Netflix Prize: lines "movie:" followed by lines user,rating,date; one file per film (mv_0000001.txt …) or all of
 * them in a few (combined_data_1.txt …). A folder is read whole, its files in the order of their names.
 */
#include "ingest/netflix.h"

#include "base/memory.h"
#include "base/timestamp.h"
#include "ingest/fields.h"
#include "ingest/text_lines.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Stands for the film in events before the first "movie:" of a chunk; the film that the chunk before ended with is put
 * in once it is known. Films are numbers, so it is no code of theirs. */
#define FILM_BEFORE UINT32_MAX

typedef struct netflix_state {
    uint32_t film; /* the last one named in the runs so far */
    const char *path;
    uint64_t line;
} netflix_state;

/* Next field of a line: up to a comma or the line's end. */
static void take(const unsigned char **at, const unsigned char *end, const unsigned char **begin,
                 const unsigned char **stop)
{
    *begin = *at;
    while (*at < end && **at != ',')
        ++*at;
    *stop = *at;
    trim(begin, stop);
    *at += *at < end;
}

static bool parse_line(const unsigned char *line, const unsigned char *end, event_run *run, uint32_t *film)
{
    char shown[48];
    if (end[-1] == ':') {
        if (!id_is_number(line, (size_t)(end - 1 - line), film))
            return event_run_fail(run, TOPN_ERROR_DATA, "\"%s\" is not the number of a film",
                                  text_excerpt(line, (size_t)(end - 1 - line), shown));
        run->last_item = *film;
        return true;
    }
    const unsigned char *at = line, *begin, *stop;
    uint32_t user;
    double rating;
    int64_t time;
    take(&at, end, &begin, &stop);
    if (!event_run_id(run, &run->pools->users, begin, (size_t)(stop - begin), false, "user", &user))
        return false;
    take(&at, end, &begin, &stop);
    if (!parse_real(begin, (size_t)(stop - begin), &rating) || !isfinite((float)rating) || rating < 0)
        return event_run_fail(run, TOPN_ERROR_DATA, "rating \"%s\" is not a number that is finite and at least 0",
                              text_excerpt(begin, (size_t)(stop - begin), shown));
    take(&at, end, &begin, &stop);
    if (!timestamp_read((const char *)begin, (size_t)(stop - begin), &time, &run->scaled_times))
        return event_run_fail(run, TOPN_ERROR_DATA, "date \"%s\" is not YYYY-MM-DD",
                              text_excerpt(begin, (size_t)(stop - begin), shown));
    if (*film == FILM_BEFORE)
        run->orphans++;
    return event_run_append(run, user, *film, (float)rating, time);
}

static void parse(const text_chunk *chunk, const void *layout, event_run *run)
{
    (void)layout;
    uint32_t film = FILM_BEFORE;
    run->last_item = FILM_BEFORE;
    for (const unsigned char *at = chunk->begin; at < chunk->end; run->lines++) {
        const unsigned char *newline = memchr(at, '\n', (size_t)(chunk->end - at));
        const unsigned char *begin = at, *stop = newline ? newline : chunk->end;
        at = newline ? newline + 1 : chunk->end;
        trim(&begin, &stop);
        if (begin < stop && !parse_line(begin, stop, run, &film))
            return;
    }
}

/* Gives events at the start of a run the film that the run before ended with. */
static topn_status join(topn_context *context, event_sink *sink, size_t index, void *data)
{
    netflix_state *state = data;
    event_run *run = sink->runs[index];
    if (run->orphans > 0 && state->film == FILM_BEFORE)
        return fail(context, TOPN_ERROR_DATA, "%s:1: ratings stand before any line \"film:\"", state->path);
    for (size_t at = 0; at < run->orphans; at++)
        run->items[at] = state->film;
    if (run->last_item != FILM_BEFORE)
        state->film = run->last_item;
    return TOPN_OK;
}

static topn_status read_one(topn_context *context, source *from, event_sink *sink)
{
    netflix_state state = {.film = FILM_BEFORE, .path = source_path(from)};
    const text_lines lines = {.parse = parse, .joined = join, .joined_data = &state};
    sink->has_weights = sink->has_times = true;
    return text_lines_read(context, from, &lines, sink);
}

static topn_status describe(topn_context *context, event_sink *sink)
{
    static const char columns[] = "user=1, weight=2 (rating), time=3 (date); item from the lines \"film:\"";
    log_line(context, "columns: %s", columns);
    return event_sink_describe(context, sink, "netflix", columns);
}

static topn_status read_netflix(topn_context *context, source *from, const reader_params *params, event_sink *sink)
{
    (void)params;
    const topn_status status = describe(context, sink);
    return status == TOPN_OK ? read_one(context, from, sink) : status;
}

static bool is_data_file(const char *name)
{
    return strncmp(name, "mv_", 3) == 0 || strncmp(name, "combined_data", 13) == 0;
}

static int wanted(const struct dirent *entry)
{
    return is_data_file(entry->d_name);
}

topn_status netflix_read_folder(topn_context *context, const char *folder, event_sink *sink)
{
    topn_status status;
    struct dirent **names = NULL;
    source *from = NULL;
    char *path = NULL;
    int count = scandir(folder, &names, wanted, alphasort);
    if (count < 0)
        return fail_io(context, "cannot read folder", folder);
    if (count == 0) {
        status = fail(context, TOPN_ERROR_DATA, "%s: the folder holds no mv_*.txt or combined_data_*.txt", folder);
        goto done;
    }
    TRY(describe(context, sink));
    for (int at = 0; at < count; at++) {
        TRY(memory_allocate(context, strlen(folder) + strlen(names[at]->d_name) + 2, 1, &path));
        sprintf(path, "%s/%s", folder, names[at]->d_name);
        TRY(source_open(context, path, &from));
        TRY(read_one(context, from, sink));
        source_close(from);
        from = NULL;
        free(path);
        path = NULL;
        TRY(progress_report(context, "read", "files", (uint64_t)at + 1, (uint64_t)count, NAN));
    }
done:
    source_close(from);
    free(path);
    for (int at = 0; at < count; at++)
        free(names[at]);
    free(names);
    return status;
}

/* A first line of digits and a colon, a second one of three fields. */
static int probe(const char *path, const unsigned char *head, size_t size)
{
    (void)path;
    size_t at = 0;
    while (at < size && head[at] >= '0' && head[at] <= '9')
        at++;
    if (at == 0 || at == size || head[at] != ':')
        return 0;
    at++;
    return at == size || head[at] == '\n' || head[at] == '\r' ? 95 : 0;
}

const format format_netflix = {
    .name = "netflix",
    .summary = "the Netflix Prize: a folder of mv_*.txt or combined_data_*.txt, or one of them",
    .probe = probe,
    .read = read_netflix,
};
