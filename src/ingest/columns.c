/* SPDX-License-Identifier: Apache-2.0
 *
 * Which column of a table is what: by options, by names of the header, by position and content.
 */
#include "ingest/table.h"

#include "ingest/fields.h"
#include "ingest/name_list.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/timestamp.h"

/* Names in the form that column_plain_name gives them; the first found wins. */
static const char *const user_names[] = {
    "user",       "userid",     "uid",         "users",        "userindex", "useridx",    "userkey",      "userhash",
    "customer",   "customerid", "custid",      "visitor",      "visitorid", "member",     "memberid",     "reviewer",
    "reviewerid", "account",    "accountid",   "client",       "clientid",  "person",     "personid",     "profile",
    "profileid",  "listener",   "listenerid",  "reader",       "readerid",  "viewer",     "viewerid",     "buyer",
    "buyerid",    "shopper",    "shopperid",   "player",       "playerid",  "subscriber", "subscriberid", "student",
    "studentid",  "household",  "householdid", "householdkey", "username",  "usersha1",   "device",       "deviceid",
    "cookie",     "cookieid",   "session",     "sessionid",    "playlist",  "playlistid", "basket",       "basketid",
    "order",      "orderid",    "invoice",     "invoiceno",    "u",         NULL};
static const char *const item_names[] = {
    "item",   "itemid",   "iid",        "items",        "itemindex", "itemidx",   "itemkey",     "itemcode",
    "movie",  "movieid",  "film",       "filmid",       "product",   "productid", "productcode", "parentasin",
    "asin",   "sku",      "skuid",      "stockcode",    "article",   "articleid", "artist",      "artistid",
    "song",   "songid",   "track",      "trackid",      "trackuri",  "album",     "albumid",     "book",
    "bookid", "isbn",     "business",   "businessid",   "game",      "gameid",    "app",         "appid",
    "venue",  "venueid",  "location",   "locationid",   "poi",       "poiid",     "place",       "placeid",
    "hotel",  "hotelid",  "restaurant", "restaurantid", "listing",   "listingid", "property",    "propertyid",
    "paper",  "paperid",  "anime",      "animeid",      "recipe",    "recipeid",  "beer",        "beerid",
    "wine",   "wineid",   "news",       "newsid",       "doc",       "docid",     "video",       "videoid",
    "show",   "showid",   "episode",    "episodeid",    "podcast",   "podcastid", "channel",     "channelid",
    "course", "courseid", "job",        "jobid",        "post",      "postid",    "page",        "pageid",
    "photo",  "photoid",  "image",      "imageid",      "content",   "contentid", "offer",       "offerid",
    "repo",   "repoid",   "ean",        "gtin",         "upc",       "url",       "i",           NULL};
static const char *const weight_names[] = {
    "rating",    "ratings",    "weight",     "score",    "count",  "counts",   "value",      "stars",
    "overall",   "plays",      "playcount",  "listens",  "clicks", "views",    "visits",     "purchases",
    "checkins",  "bookrating", "userrating", "quantity", "qty",    "strength", "confidence", "preference",
    "frequency", "watchratio", "r",          "w",        NULL};
/* In the place of weights, with --event-weights. */
static const char *const kind_names[] = {
    "event",        "eventtype", "eventname",   "action", "actiontype",   "type", "behavior",
    "behaviortype", "behaviour", "interaction", "kind",   "feedbacktype", NULL};
static const char *const time_names[] = {"timestamp",
                                         "time",
                                         "date",
                                         "datetime",
                                         "unixtime",
                                         "unixreviewtime",
                                         "unixtimestamp",
                                         "eventtime",
                                         "ts",
                                         "tstamp",
                                         "createdat",
                                         "created",
                                         "ratingtimestamp",
                                         "reviewtime",
                                         "orderdate",
                                         "invoicedate",
                                         "reviewdate",
                                         "purchasedate",
                                         "t",
                                         NULL};
static const char *const *const known_names[ROLE_COUNT] = {
    [ROLE_USER] = user_names, [ROLE_ITEM] = item_names, [ROLE_WEIGHT] = weight_names, [ROLE_TIME] = time_names};

const char *column_role_name(column_role role)
{
    static const char *const names[ROLE_COUNT] = {"", "user", "item", "weight", "time"};
    return names[role];
}

void column_plain_name(const char *name, char *out, size_t capacity)
{
    size_t length = 0;
    for (; *name && length + 1 < capacity; name++) {
        const char letter = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;
        if ((letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9'))
            out[length++] = letter;
    }
    out[length] = '\0';
}

/* Place of the name in the list of a role, SIZE_MAX when absent. */
static size_t name_rank(const char *name, column_role role)
{
    char plain[64];
    column_plain_name(name, plain, sizeof plain);
    for (size_t rank = 0; known_names[role] && known_names[role][rank]; rank++)
        if (strcmp(known_names[role][rank], plain) == 0)
            return rank;
    return SIZE_MAX;
}

column_role column_guess(const char *name)
{
    for (column_role role = ROLE_USER; role < ROLE_COUNT; role++)
        if (name_rank(name, role) != SIZE_MAX)
            return role;
    return ROLE_NONE;
}

enum { NAME_SIZE = 64, SAMPLE_LINES = 100 };

/* What the head shows of every column. */
typedef struct column_look {
    char name[NAME_SIZE];         /* field of the first line */
    bool first_number;            /* the first line's field is a number */
    size_t numbers, dates, times; /* among the sampled lines after the first */
} column_look;

typedef struct table_look {
    column_look *columns; /* [count] */
    size_t count, lines;  /* lines sampled after the first */
} table_look;

static bool is_number(const table_field *field, double *value)
{
    return parse_real(field->begin, (size_t)(field->end - field->begin), value);
}

/* Would the value be read as a plausible time, from 1980 on, in seconds or milliseconds? */
static bool is_epoch(double value)
{
    return (value >= 315532800.0 && value < 4.2e9) || (value >= 315532800e3 && value < 4.2e12);
}

static void look_at_field(const table_field *field, column_look *column)
{
    double value;
    int64_t time;
    bool scaled = false;
    const size_t length = (size_t)(field->end - field->begin);
    const bool number = is_number(field, &value);
    column->numbers += number;
    column->times += number && is_epoch(value);
    column->dates += !number && timestamp_read((const char *)field->begin, length, &time, &scaled);
}

static topn_status look(topn_context *context, const table_layout *layout, const unsigned char *head, size_t size,
                        table_look *out)
{
    topn_status status;
    table_field *fields = NULL;
    const table_dialect *dialect = &layout->dialect;
    const unsigned char *at = head, *end = head + size;
    *out = (table_look){0};
    TRY(ALLOCATE(context, TABLE_COLUMNS, &fields));
    while (at < end && (*at == '\n' || (*at == '\r' && at + 1 < end && at[1] == '\n')))
        at++;
    const size_t count = table_split(dialect, at, end, fields, TABLE_COLUMNS, &at);
    out->count = count < TABLE_COLUMNS ? count : TABLE_COLUMNS;
    TRY(ALLOCATE_ZEROED(context, out->count, &out->columns));
    for (size_t column = 0; column < out->count; column++) {
        double value;
        char *name = out->columns[column].name;
        table_text(&fields[column], layout->latin1, name, NAME_SIZE);
        if (layout->typed && strrchr(name, ':'))
            *strrchr(name, ':') = '\0';
        out->columns[column].first_number = is_number(&fields[column], &value);
    }
    while (at < end && out->lines < SAMPLE_LINES) {
        const unsigned char *next;
        if (table_split(dialect, at, end, fields, TABLE_COLUMNS, &next) == out->count) {
            for (size_t column = 0; column < out->count; column++)
                look_at_field(&fields[column], &out->columns[column]);
            out->lines++;
        }
        at = next;
    }
done:
    free(fields);
    return status;
}

static bool is_named(const char *option)
{
    return option && strcmp(option, "none") != 0 && option[strspn(option, "0123456789")] != '\0';
}

/* Whether names of the first line are those of columns. One letter is also an id: then a user's and an item's name must
 * both be there. */
static bool has_known_names(const table_look *look)
{
    bool word = false, roles[ROLE_COUNT] = {false};
    for (size_t column = 0; column < look->count; column++) {
        const char *name = look->columns[column].name;
        const column_role role = column_guess(name);
        roles[role] = true;
        word = word || (role != ROLE_NONE && name[0] && name[1]);
    }
    return word || (roles[ROLE_USER] && roles[ROLE_ITEM]);
}

/* Entry of --context-columns: NAME=COLUMN, or COLUMN alone. */
static const char *context_column(const char *entry)
{
    const char *equals = strrchr(entry, '=');
    return equals ? equals + 1 : entry;
}

static bool names_contexts(const char *list)
{
    char entry[LISTED_NAME];
    while (list_next(&list, entry, sizeof entry))
        if (is_named(context_column(entry)))
            return true;
    return false;
}

/* A first line is a header when it holds names the field uses, or text above numbers. */
static bool has_header(const reader_params *params, const table_look *look)
{
    bool above_numbers = false, numeric = false;
    if (params->header != 0)
        return params->header == 1;
    if (is_named(params->user_column) || is_named(params->item_column) || is_named(params->weight_column) ||
        is_named(params->time_column) || names_contexts(params->context_columns))
        return true;
    for (size_t column = 0; column < look->count; column++) {
        const column_look *at = &look->columns[column];
        numeric = numeric || at->first_number;
        above_numbers = above_numbers || (!at->first_number && look->lines > 0 && at->numbers == look->lines);
    }
    return !numeric && (above_numbers || has_known_names(look));
}

/* Column that the option names: its index, or look->count for none; FAILs with what there is. */
static topn_status column_by_option(topn_context *context, const char *path, const table_look *look, bool header,
                                    const char *what, const char *spelling, const char *option, size_t *out)
{
    if (!is_named(option)) {
        const unsigned long number = strtoul(option, NULL, 10);
        if (number < 1 || number > look->count)
            return fail(context, TOPN_ERROR_DATA, "%s:1: --%s %s: the columns are numbered 1 to %zu", path, spelling,
                        option, look->count);
        *out = number - 1;
        return TOPN_OK;
    }
    char names[400] = "";
    size_t used = 0;
    for (size_t column = 0; column < look->count; column++) {
        if (header && strcmp(look->columns[column].name, option) == 0) {
            *out = column;
            return TOPN_OK;
        }
        const int more =
            snprintf(names + used, sizeof names - used, "%s%s", column ? ", " : "", look->columns[column].name);
        used = used + (size_t)more < sizeof names ? used + (size_t)more : sizeof names - 1;
    }
    if (!header)
        return fail(context, TOPN_ERROR_OPTION, "%s:1: --%s \"%s\": there is no header, give a number from 1 to %zu",
                    path, spelling, option, look->count);
    return fail(context, TOPN_ERROR_DATA, "%s:1: no column \"%s\" for the %s; the columns are: %s", path, option, what,
                names);
}

/* Best header name for a role among the columns not taken, look->count when none. */
static size_t column_by_name(const table_look *look, const unsigned char *taken, column_role role)
{
    size_t best = look->count, best_rank = SIZE_MAX;
    for (size_t column = 0; column < look->count; column++) {
        const size_t rank = taken[column] ? SIZE_MAX : name_rank(look->columns[column].name, role);
        if (rank < best_rank) {
            best = column;
            best_rank = rank;
        }
    }
    return best;
}

static size_t first_free(const table_look *look, const unsigned char *taken)
{
    size_t column = 0;
    while (column < look->count && taken[column])
        column++;
    return column;
}

/* Without a header: weight in the third column, time in the fourth, when their content allows it. */
static size_t column_by_content(const table_look *look, const unsigned char *taken, column_role role)
{
    for (size_t column = 2; column < look->count && column < 4; column++) {
        const column_look *at = &look->columns[column];
        const size_t numbers = at->numbers + (look->lines == 0 && at->first_number);
        const size_t lines = look->lines ? look->lines : 1;
        if (taken[column])
            continue;
        const bool number = numbers == lines;
        const bool time = look->lines > 0 && (at->times == lines || at->dates == lines);
        if (role == ROLE_TIME && (time || (number && column == 3)))
            return column;
        if (role == ROLE_WEIGHT && number && !time && column == 2)
            return column;
    }
    return look->count;
}

/* What a column is taken for, in words. */
static const char *role_text(unsigned char role)
{
    return role >= ROLE_FIELD ? "context" : column_role_name((column_role)role);
}

static topn_status take_column(topn_context *context, table_layout *layout, size_t column, unsigned char role)
{
    if (layout->roles[column] != ROLE_NONE)
        return fail(context, TOPN_ERROR_OPTION, "column %zu is given for the %s and for the %s", column + 1,
                    role_text(layout->roles[column]), role_text(role));
    layout->roles[column] = role;
    return TOPN_OK;
}

/* The columns of --context-columns become fields of the sink. */
static topn_status assign_contexts(topn_context *context, const char *path, const char *list, const table_look *look,
                                   table_layout *layout, event_sink *sink)
{
    topn_status status = TOPN_OK;
    char entry[LISTED_NAME], number[32];
    while (list_next(&list, entry, sizeof entry)) {
        size_t column;
        const char *option = context_column(entry);
        TRY(column_by_option(context, path, look, layout->header, "context", "context-columns", option, &column));
        const char *name = layout->header ? look->columns[column].name : number;
        snprintf(number, sizeof number, "column%zu", column + 1);
        if (option != entry) {
            entry[option - entry - 1] = '\0';
            name = entry;
        }
        TRY(event_sink_field(context, sink, name));
        TRY(take_column(context, layout, column, (unsigned char)(ROLE_FIELD + sink->field_count - 1)));
    }
done:
    return status;
}

/* The column of kinds of events by its name, for --event-weights without --weight-column. */
static topn_status assign_kinds(topn_context *context, const char *path, const reader_params *params,
                                const table_look *look, table_layout *layout, size_t *place)
{
    for (size_t rank = 0; layout->header && kind_names[rank]; rank++)
        for (size_t column = 0; column < look->count; column++) {
            char plain[64];
            column_plain_name(look->columns[column].name, plain, sizeof plain);
            if (layout->roles[column] == ROLE_NONE && strcmp(plain, kind_names[rank]) == 0) {
                *place = column;
                layout->roles[column] = ROLE_WEIGHT;
                return TOPN_OK;
            }
        }
    return fail(context, TOPN_ERROR_OPTION,
                "%s:1: --event-weights %s: no column is named event, type, action or the like; --weight-column says "
                "where the kinds of events stand",
                path, params->event_weights);
}

static topn_status assign(topn_context *context, const char *path, const reader_params *params, const table_look *look,
                          table_layout *layout, size_t places[ROLE_COUNT], event_sink *sink)
{
    topn_status status = TOPN_OK;
    const char *const options[ROLE_COUNT] = {NULL, params->user_column, params->item_column, params->weight_column,
                                             params->time_column};
    for (column_role role = ROLE_USER; role < ROLE_COUNT; role++) {
        places[role] = look->count;
        if (!options[role] || !*options[role] || strcmp(options[role], "none") == 0)
            continue;
        char spelling[32];
        snprintf(spelling, sizeof spelling, "%s-column", column_role_name(role));
        TRY(column_by_option(context, path, look, layout->header, column_role_name(role), spelling, options[role],
                             &places[role]));
        TRY(take_column(context, layout, places[role], (unsigned char)role));
    }
    TRY(assign_contexts(context, path, params->context_columns, look, layout, sink));
    if (params->event_weights && places[ROLE_WEIGHT] == look->count)
        TRY(assign_kinds(context, path, params, look, layout, &places[ROLE_WEIGHT]));
    for (column_role role = ROLE_USER; role < ROLE_COUNT; role++) {
        if ((options[role] && *options[role]) || (role == ROLE_WEIGHT && params->event_weights))
            continue;
        if (layout->header)
            places[role] = column_by_name(look, layout->roles, role);
        else if (role >= ROLE_WEIGHT)
            places[role] = column_by_content(look, layout->roles, role);
        if (places[role] < look->count)
            layout->roles[places[role]] = (unsigned char)role;
    }
    for (column_role role = ROLE_USER; role <= ROLE_ITEM; role++) {
        if (places[role] < look->count || (options[role] && *options[role] && strcmp(options[role], "none") != 0))
            continue;
        places[role] = first_free(look, layout->roles);
        if (places[role] == look->count)
            return fail(context, TOPN_ERROR_DATA, "%s:1: no column is left for the %s; --%s-column names it", path,
                        column_role_name(role), column_role_name(role));
        layout->roles[places[role]] = (unsigned char)role;
    }
done:
    return status;
}

enum { UNUSED_NAMED = 12 }; /* columns not used that are named; the others are counted */

/* "user=1 (userId), item=2 (movieId); not used: 3 (event)" */
static void describe(const table_look *look, const table_layout *layout, const size_t places[ROLE_COUNT], char *out,
                     size_t capacity)
{
    size_t used = 0;
    out[0] = '\0';
    for (column_role role = ROLE_USER; role < ROLE_COUNT; role++) {
        if (places[role] >= look->count)
            continue;
        const char *name = look->columns[places[role]].name;
        const int more = snprintf(out + used, capacity - used, layout->header ? "%s%s=%zu (%s)" : "%s%s=%zu",
                                  used ? ", " : "", column_role_name(role), places[role] + 1, name);
        used = used + (size_t)more < capacity ? used + (size_t)more : capacity - 1;
    }
    for (size_t column = 0; column < look->count; column++) {
        if (layout->roles[column] < ROLE_FIELD)
            continue;
        const int more = snprintf(out + used, capacity - used, ", %s=%zu",
                                  layout->field_names[layout->roles[column] - ROLE_FIELD], column + 1);
        used = used + (size_t)more < capacity ? used + (size_t)more : capacity - 1;
    }
    bool first = true;
    size_t unused = 0;
    for (size_t column = 0; column < look->count; column++) {
        const column_look *at = &look->columns[column];
        if (layout->roles[column] != ROLE_NONE || ++unused > UNUSED_NAMED)
            continue;
        const bool text = !layout->header && column < 4 && at->numbers < look->lines;
        const int more = snprintf(out + used, capacity - used,
                                  layout->header ? "%s %zu (%s)"
                                  : text         ? "%s %zu (text)"
                                                 : "%s %zu",
                                  first ? "; not used:" : ",", column + 1, at->name);
        used = used + (size_t)more < capacity ? used + (size_t)more : capacity - 1;
        first = false;
    }
    if (unused > UNUSED_NAMED)
        snprintf(out + used, capacity - used, " and %zu more", unused - UNUSED_NAMED);
}

static topn_status columns_find(topn_context *context, const char *path, const reader_params *params, const char *name,
                                const unsigned char *head, size_t size, table_layout *layout, event_sink *sink)
{
    topn_status status;
    table_look seen = {0};
    size_t places[ROLE_COUNT];
    char text[900];
    layout->latin1 = params->encoding == 2;
    memset(layout->roles, ROLE_NONE, sizeof layout->roles);
    TRY(look(context, layout, head, size, &seen));
    layout->columns = seen.count;
    layout->header = layout->typed || has_header(params, &seen);
    layout->field_names = (const char *const *)sink->field_names;
    TRY(assign(context, path, params, &seen, layout, places, sink));
    memset(layout->ends, 0, sizeof layout->ends);
    layout->ends['\n'] = layout->ends['\r'] = layout->ends[layout->dialect.separator] = true;
    for (size_t column = 0; column < layout->columns; column++)
        if (layout->roles[column] != ROLE_NONE)
            layout->last_used = column;
    sink->has_weights = places[ROLE_WEIGHT] < seen.count;
    sink->has_times = places[ROLE_TIME] < seen.count;
    describe(&seen, layout, places, text, sizeof text);
    log_line(context, "header: %s", layout->header ? "line 1" : "none");
    log_line(context, "columns: %s", text);
    TRY(event_sink_describe(context, sink, name, text));
done:
    free(seen.columns);
    return status;
}

/* Whole lines of the head only, unless the file ends with it. */
static size_t whole_lines(const unsigned char *head, size_t size, bool last)
{
    if (last)
        return size;
    const unsigned char *newline = memrchr(head, '\n', size);
    return newline ? (size_t)(newline + 1 - head) : size;
}

/* Bytes of the header with the empty lines before it; *lines = how many lines these are. */
static size_t header_size(const table_dialect *dialect, const unsigned char *head, size_t size, uint64_t *lines)
{
    const unsigned char *at = head, *next;
    while (at < head + size && (*at == '\n' || *at == '\r'))
        at++;
    table_split(dialect, at, head + size, NULL, 0, &next);
    *lines = 0;
    for (at = head; at < next; at++)
        *lines += *at == '\n';
    return (size_t)(next - head);
}

topn_status table_read(topn_context *context, source *from, const reader_params *params, const char *name,
                       const table_dialect *dialect, bool typed, event_sink *sink)
{
    topn_status status;
    table_layout *layout = NULL;
    event_weights *kinds = NULL;
    const unsigned char *head;
    size_t size;
    bool last;
    char title[64];
    TRY(ALLOCATE_ZEROED(context, 1, &layout));
    if (params->event_weights) {
        TRY(ALLOCATE_ZEROED(context, 1, &kinds));
        TRY(event_weights_parse(context, params->event_weights, kinds));
        layout->kinds = kinds;
        sink->kinds = true;
    }
    layout->typed = typed;
    TRY(source_peek(context, from, TABLE_HEAD, &head, &size, &last));
    size = whole_lines(head, size, last);
    if (memchr(head, 0, size)) {
        status = fail(context, TOPN_ERROR_DATA, "%s:1: not text, and of no binary format that topn knows",
                      source_path(from));
        goto done;
    }
    if (dialect)
        layout->dialect = *dialect;
    else
        TRY(table_dialect_find(context, source_path(from), params->separator, head, size, &layout->dialect));
    snprintf(title, sizeof title, "%s (%s)", name, layout->dialect.name);
    TRY(columns_find(context, source_path(from), params, title, head, size, layout, sink));
    text_lines lines = {.parse = table_parse,
                        .layout = layout,
                        .separator = layout->dialect.separator,
                        .quoted = layout->dialect.quotes};
    if (layout->header)
        source_consume(from, header_size(&layout->dialect, head, size, &lines.first_line));
    status = text_lines_read(context, from, &lines, sink);
done:
    free(layout);
    free(kinds);
    return status;
}
