/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/reader.h"

#include "base/memory.h"
#include "ingest/events.h"
#include "ingest/netflix.h"
#include "ingest/source.h"
#include "ingest/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const option_row reader_options[] = {
    OPTION_TEXT(reader_params, format, "format", "auto",
                "format of the file, see `topn methods --kind format`; auto = look at it"),
    OPTION_TEXT(reader_params, user_column, "user-column", NULL,
                "column of users: name in the header, or number from 1"),
    OPTION_TEXT(reader_params, item_column, "item-column", NULL,
                "column of items: name in the header, or number from 1"),
    OPTION_TEXT(reader_params, weight_column, "weight-column", NULL,
                "column of weights (ratings, counts): name, number, or none"),
    OPTION_TEXT(reader_params, time_column, "time-column", NULL,
                "column of times (seconds since 1970 or ISO dates): name, number, or none"),
    OPTION_TEXT(reader_params, separator, "separator", "auto",
                "what stands between columns: \",\", tab, \"::\", \";\", \"|\", space, or auto"),
    OPTION_CHOICE(reader_params, header, "header", "auto", "auto|yes|no", "whether the first line names the columns"),
    OPTION_CHOICE(reader_params, encoding, "encoding", "auto", "auto|utf-8|latin-1",
                  "of ids and titles; auto = UTF-8, for titles ISO 8859-1 where they are not UTF-8"),
    OPTION_TEXT(reader_params, event_weights, "event-weights", NULL,
                "kinds of events and their weights, such as view:1,cart:3,buy:10: the weight column (default: the one "
                "named event, type, action or the like) holds these words; events of weight 0 are dropped"),
    OPTION_TEXT(
        reader_params, half_life, "half-life", NULL,
        "an event's weight is halved for every so much time (12h, 30d, 1y) between it and the newest event, before "
        "duplicates are merged; --values weight or --event-weight of a method makes use of it"),
    OPTION_REAL_AUTO(reader_params, min_weight, "min-weight", "auto", 0.0, 3e38,
                     "drop events with less weight, after duplicates are merged; auto = keep all"),
    OPTION_INTEGER(reader_params, min_user_events, "min-user-events", 0, 0, UINT32_MAX,
                   "drop users with fewer events, see --filter-order"),
    OPTION_INTEGER(reader_params, min_item_events, "min-item-events", 0, 0, UINT32_MAX,
                   "drop items with fewer events, see --filter-order"),
    OPTION_CHOICE(reader_params, filter_order, "filter-order", "repeat", "repeat|items-users",
                  "users and items with few events are dropped by turns until nothing changes, or items once and then "
                  "users once"),
    OPTION_TEXT(reader_params, since, "since", NULL,
                "drop events before this time: seconds since 1970 or YYYY-MM-DD[THH:MM:SS]"),
    OPTION_TEXT(reader_params, until, "until", NULL, "drop events at or after this time"),
    OPTION_CHOICE(
        reader_params, duplicates, "duplicates", "last", "sum|max|last|count",
        "weight of events of the same user and item: their sum, the largest, the latest by time (else by place "
        "in the file), or how many"),
    OPTION_TEXT(reader_params, titles, "titles", NULL, "side file with an id and a title of items per line"),
    OPTION_TEXT(reader_params, context_columns, "context-columns", NULL,
                "columns that say in which context an event took place, such as \"hour,place\": names in the header or "
                "numbers from 1, also NAME=NUMBER; an empty field is a missing value"),
    OPTION_TEXT(
        reader_params, time_fields, "time-fields", NULL,
        "fields of the context made of an event's time in UTC: a list of hour (0-23), weekday (1-7, Monday = 1) "
        "and month (1-12)"),
    OPTION_INTEGER(reader_params, previous_items, "previous-items", 0, 0, 16,
                   "fields previous_item, previous_item_2, … of the context: the items of the user's so many events "
                   "before, by time, ties by place in the file"),
    OPTION_TEXT(reader_params, user_features, "user-features", NULL,
                "side files with features of users, separated by commas: a row per user, or a row per user and feature "
                "[and number]"),
    OPTION_TEXT(reader_params, item_features, "item-features", NULL, "the same of items"),
    OPTION_TEXT(reader_params, user_feature_columns, "user-feature-columns", NULL,
                "columns of --user-features to use, as COLUMN:TYPE with the types id, category, set (or set and what "
                "separates its members, such as set;), number, vector and skip; without a header they are named in "
                "their order; default: all, their types by content"),
    OPTION_TEXT(reader_params, item_feature_columns, "item-feature-columns", NULL, "the same for --item-features"),
    OPTION_CHOICE(reader_params, feature_ids, "feature-ids", "all", "all|known",
                  "whether users and items that only the files of features know are added, without events"),
    OPTION_CHOICE(
        reader_params, feature_scale, "feature-scale", "none", "none|standard|unit",
        "numbers of features stay as they are, or each column of numbers gets mean 0 and deviation 1, or each "
        "row of features gets length 1"),
};
const option_table reader_option_table = OPTION_TABLE(reader_params, reader_options);

static const char *format_name(size_t index, const void *data)
{
    (void)data;
    return format_at(index) ? format_at(index)->name : NULL;
}

/* The format the options name, or the one that knows the head best. */
static topn_status choose_format(topn_context *context, const reader_params *params, const char *path,
                                 const unsigned char *head, size_t size, const format **out)
{
    *out = NULL;
    if (params->format && strcmp(params->format, "auto") != 0) {
        *out = format_find(params->format);
        if (*out)
            return TOPN_OK;
        const char *near = nearest_name(params->format, format_name, NULL);
        return fail(context, TOPN_ERROR_OPTION, "--format: there is no format \"%s\"%s%s%s", params->format,
                    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    int best = 0;
    for (size_t index = 0; format_at(index); index++) {
        const int points = format_at(index)->probe(path, head, size);
        if (points > best) {
            best = points;
            *out = format_at(index);
        }
    }
    if (*out)
        return TOPN_OK;
    return fail(context, TOPN_ERROR_FORMAT, "%s: no known format; --format names one", path);
}

/* Text whose only line ends are carriage returns, as of Mac OS 9: it would read as one endless line. */
static bool has_bare_returns(const unsigned char *head, size_t size)
{
    const unsigned char *first = memchr(head, '\r', size);
    return first && first + 1 < head + size && !memchr(head, '\n', size) && !memchr(head, '\0', size);
}

static topn_status check_head(topn_context *context, const char *path, const unsigned char *head, size_t size)
{
    if (size == 0)
        return fail(context, TOPN_ERROR_DATA, "%s:1: the file is empty", path);
    if (size >= 2 && ((head[0] == 0xff && head[1] == 0xfe) || (head[0] == 0xfe && head[1] == 0xff)))
        return fail(context, TOPN_ERROR_DATA, "%s:1: the file is UTF-16; convert it to UTF-8 first", path);
    if (has_bare_returns(head, size))
        return fail(context, TOPN_ERROR_DATA,
                    "%s:1: the lines end in carriage returns alone; make them newlines first (tr '\\r' '\\n')", path);
    return TOPN_OK;
}

/* Fills the provenance from what the format found. */
static topn_status tell(topn_context *context, const source *from, const event_sink *sink, const char *path,
                        data_provenance *out)
{
    topn_status status;
    char text[160];
    const char *compression = from ? source_compression(from) : NULL;
    snprintf(text, sizeof text, "%s%s%s", sink->format ? sink->format : "", compression ? ", " : "",
             compression ? compression : "");
    TRY(memory_copy_text(context, path, &out->source));
    TRY(memory_copy_text(context, text, &out->format));
    TRY(memory_copy_text(context, sink->columns ? sink->columns : "", &out->columns));
    log_line(context, "format: %s", text);
done:
    return status;
}

/* Makes data of what a format has read. from is NULL for a folder. */
static topn_status finish(topn_context *context, const source *from, event_sink *sink, const char *path,
                          const reader_params *params, topn_data **out)
{
    topn_status status;
    data_provenance provenance = {0};
    const char *shown = from ? source_path(from) : path;
    uint64_t events = 0;
    bool scaled = false;
    for (size_t run = 0; run < sink->count; run++) {
        events += sink->runs[run]->count + sink->runs[run]->lone_count;
        scaled = scaled || sink->runs[run]->scaled_times;
    }
    if (events == 0)
        return fail(context, TOPN_ERROR_DATA, "%s:1: the file holds no events", shown);
    TRY(tell(context, from, sink, path, &provenance));
    if (scaled)
        log_line(context, "times beyond 1e11 are read as milliseconds (1e14: micro-, 1e17: nanoseconds)");
    status = events_assemble(context, sink, params, &provenance, out);
done:
    free(provenance.source);
    free(provenance.format);
    free(provenance.columns);
    return status;
}

/* Lets a format put the events of a file into a sink. */
static topn_status collect(topn_context *context, source *from, const char *path, const reader_params *params,
                           event_sink *sink)
{
    topn_status status;
    const format *chosen;
    const unsigned char *head;
    size_t size;
    bool last;
    TRY(source_peek(context, from, TABLE_HEAD, &head, &size, &last));
    TRY(check_head(context, source_path(from), head, size));
    TRY(choose_format(context, params, path, head, size, &chosen));
    TRY(chosen->read(context, from, params, sink));
    if (params->event_weights && !sink->kinds)
        return fail(context, TOPN_ERROR_OPTION,
                    "--event-weights: the format %s of %s has no column of words; it is for delimited text",
                    chosen->name, source_path(from));
    if (!params->context_columns || !*params->context_columns)
        return TOPN_OK;
    if (sink->stored)
        return fail(context, TOPN_ERROR_OPTION,
                    "--context-columns: %s is in the binary form, which keeps the fields that were chosen at import",
                    source_path(from));
    if (sink->field_count == 0)
        return fail(context, TOPN_ERROR_OPTION, "--context-columns: the format %s of %s has no columns to name",
                    chosen->name, source_path(from));
done:
    return status;
}

static topn_status read_source(topn_context *context, source *from, const char *path, const reader_params *params,
                               topn_data **out)
{
    topn_status status;
    event_sink *sink = NULL;
    TRY(event_sink_create(context, &sink));
    TRY(collect(context, from, path, params, sink));
    status = finish(context, from, sink, path, params, out);
done:
    event_sink_free(sink);
    return status;
}

/* Whether the options leave events as they are. */
static bool no_filters(const reader_params *params)
{
    return !params->event_weights && !params->half_life && isnan(params->min_weight) && params->min_user_events == 0 &&
           params->min_item_events == 0 && !params->since && !params->until && !params->titles &&
           !params->context_columns && !params->time_fields && params->previous_items == 0 && !params->user_features &&
           !params->item_features;
}

static topn_status read_folder(topn_context *context, const char *path, const reader_params *params, topn_data **out)
{
    topn_status status;
    event_sink *sink = NULL;
    TRY(event_sink_create(context, &sink));
    TRY(netflix_read_folder(context, path, sink));
    status = finish(context, NULL, sink, path, params, out);
done:
    event_sink_free(sink);
    return status;
}

/* true when path is a folder, or a plain file in the binary form. */
static void look_at(const char *path, bool *folder, bool *binary)
{
    struct stat about;
    unsigned char head[64];
    *folder = *binary = false;
    if (strcmp(path, "-") == 0 || stat(path, &about) != 0)
        return;
    *folder = S_ISDIR(about.st_mode);
    FILE *file = S_ISREG(about.st_mode) ? fopen(path, "rbe") : NULL;
    if (!file)
        return;
    const size_t size = fread(head, 1, sizeof head, file);
    *binary = safetensors_looks_like(head, size);
    fclose(file);
}

topn_status reader_read(topn_context *context, const char *path, const reader_params *params, topn_data **out)
{
    source *from = NULL;
    *out = NULL;
    topn_status status;
    bool folder, binary;
    look_at(path, &folder, &binary);
    const bool guess = !params->format || strcmp(params->format, "auto") == 0;
    if (folder && (guess || strcmp(params->format, "netflix") == 0))
        return read_folder(context, path, params, out);
    if (binary && no_filters(params) && (guess || strcmp(params->format, "binary") == 0))
        return data_open(context, path, out);
    TRY(source_open(context, path, &from));
    status = read_source(context, from, path, params, out);
done:
    source_close(from);
    return status;
}

topn_status reader_read_memory(topn_context *context, const char *name, const void *bytes, size_t size,
                               const reader_params *params, topn_data **out)
{
    source *from = NULL;
    *out = NULL;
    topn_status status;
    TRY(source_from_memory(context, name, bytes, size, &from));
    status = read_source(context, from, name, params, out);
done:
    source_close(from);
    return status;
}

topn_status reader_collect(topn_context *context, const char *path, const reader_params *params, event_sink **out)
{
    source *from = NULL;
    *out = NULL;
    topn_status status;
    event_sink *sink = NULL;
    bool folder, binary;
    look_at(path, &folder, &binary);
    TRY(event_sink_create(context, &sink));
    if (folder) {
        TRY(netflix_read_folder(context, path, sink));
    } else {
        TRY(source_open(context, path, &from));
        TRY(collect(context, from, path, params, sink));
    }
    *out = sink;
    sink = NULL;
done:
    event_sink_free(sink);
    source_close(from);
    return status;
}
