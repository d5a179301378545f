/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/feature_columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ingest/encoding.h"
#include "ingest/fields.h"
#include "ingest/name_list.h"

/* Content decides: whole numbers of more values than this are numbers, fewer are classes (ages, jobs); a text of more
 * values than that, most of which one row alone has, says nothing; a longer text is prose. */
enum { MOST_CLASSES = 64, MANY_VALUES = 100, LONGEST_VALUE = 200 };

static const char *const type_names[] = {"skip", "id", "category", "set", "number", "vector", "amount"};
enum { TYPES = sizeof type_names / sizeof *type_names };

/* "set", "set;", "set comma": type and separator. */
static bool parse_type(const char *text, feature_column *column)
{
    static const struct {
        const char *word;
        char separator;
    } words[] = {{"", '|'}, {"comma", ','}, {"space", ' '}, {"semicolon", ';'}, {"pipe", '|'}, {"tab", '\t'}};
    for (int type = 0; type < TYPES; type++) {
        if (strcmp(type_names[type], text) != 0)
            continue;
        column->type = (column_type)type;
        column->separator = '|';
        return true;
    }
    if (strncmp(text, "set", 3) != 0)
        return false;
    text += 3 + strspn(text + 3, " ");
    column->type = COLUMN_SET;
    column->separator = *text;
    if (*text && !text[1])
        return true;
    for (size_t word = 0; word < sizeof words / sizeof *words; word++) {
        column->separator = words[word].separator;
        if (strcmp(words[word].word, text) == 0)
            return true;
    }
    return false;
}

/* Type of RecBole's "name:type", which leaves the name; false when the name has none. */
static bool typed_name(char *name, feature_column *column)
{
    static const struct {
        const char *type;
        column_type means;
    } types[] = {
        {"token", COLUMN_CATEGORY}, {"token_seq", COLUMN_SET}, {"float", COLUMN_NUMBER}, {"float_seq", COLUMN_VECTOR}};
    char *colon = strrchr(name, ':');
    for (size_t at = 0; colon && colon != name && at < sizeof types / sizeof *types; at++) {
        if (strcmp(types[at].type, colon + 1) != 0)
            continue;
        column->type = types[at].means;
        column->decided = true;
        column->separator = ' ';
        *colon = '\0';
        return true;
    }
    return false;
}

static bool names_id(const char *name, bool items)
{
    char plain[FEATURE_NAME];
    column_plain_name(name, plain, sizeof plain);
    return strcmp(plain, "id") == 0 || column_guess(name) == (items ? ROLE_ITEM : ROLE_USER);
}

/* What the lines show of a column. */
typedef struct column_stats {
    id_pool values;
    uint32_t *counts; /* [room] of each value, up to 2 */
    size_t room;
    uint64_t filled, numbers, wholes, bars;
    bool first_number, prose;
} column_stats;

static topn_status count_cell(topn_context *context, const table_field *cell, column_stats *stats)
{
    topn_status status;
    double real;
    uint64_t whole;
    uint32_t value;
    const size_t length = (size_t)(cell->end - cell->begin);
    if (length == 0)
        return TOPN_OK;
    stats->filled++;
    stats->numbers += parse_real(cell->begin, length, &real);
    stats->wholes += parse_whole(cell->begin, length, &whole);
    stats->bars += memchr(cell->begin, '|', length) != NULL;
    stats->prose = stats->prose || length > LONGEST_VALUE;
    if (stats->prose)
        return TOPN_OK;
    status = id_pool_add(&stats->values, cell->begin, length, &value);
    if (status != TOPN_OK)
        return fail_memory(context, length);
    if (value >= stats->room) {
        const size_t room = 2 * stats->room + 256;
        TRY(RESIZE(context, room, &stats->counts));
        memset(stats->counts + stats->room, 0, (room - stats->room) * sizeof *stats->counts);
        stats->room = room;
    }
    stats->counts[value] += stats->counts[value] < 2;
done:
    return status;
}

static const unsigned char *first_line(const unsigned char *text, const unsigned char *end)
{
    while (text < end && (*text == '\n' || *text == '\r'))
        text++;
    return text;
}

/* Looks at all lines after the first. */
static topn_status count_cells(topn_context *context, const feature_layout *layout, const unsigned char *text,
                               size_t size, table_field *cells, column_stats *stats)
{
    topn_status status = TOPN_OK;
    const unsigned char *end = text + size, *at = first_line(text, end);
    table_split(&layout->dialect, at, end, NULL, 0, &at);
    while (at < end) {
        const size_t count = table_split(&layout->dialect, at, end, cells, FEATURE_COLUMNS, &at);
        if (count != layout->count) /* the reader says what is wrong */
            continue;
        for (size_t column = 0; column < count; column++)
            TRY(count_cell(context, &cells[column], &stats[column]));
    }
done:
    return status;
}

/* Whether the first line names columns. */
static bool has_header(const feature_layout *layout, const feature_side *side, const column_stats *stats)
{
    char entry[LISTED_NAME];
    bool number = false, above_numbers = false, known = false;
    for (size_t column = 0; column < layout->count; column++) {
        const char *name = layout->columns[column].name;
        number = number || stats[column].first_number;
        above_numbers = above_numbers || (*name && !stats[column].first_number && stats[column].numbers > 0 &&
                                          stats[column].numbers == stats[column].filled);
        known = known || names_id(name, side->items);
        for (const char *rest = side->columns; list_next(&rest, entry, sizeof entry);) {
            char *colon = strrchr(entry, ':');
            if (colon)
                *colon = '\0';
            if (*entry && strcmp(entry, name) == 0)
                return true;
        }
    }
    return !number && (above_numbers || known);
}

/* Entry of the option: its name is left in `entry`, its type goes to `column`, whose `decided` says if there is one. */
static topn_status parse_entry(topn_context *context, const feature_side *side, char *entry, feature_column *column)
{
    char *colon = strrchr(entry, ':');
    *column = (feature_column){.separator = '|'};
    if (!colon)
        return TOPN_OK;
    *colon = '\0';
    column->decided = true;
    if (parse_type(colon + 1, column))
        return TOPN_OK;
    return fail(context, TOPN_ERROR_OPTION,
                "--%s-feature-columns: \"%.60s\" is no type of column; there are id, category, set, number, vector, "
                "amount and skip",
                side->who, colon + 1);
}

/* The option's column in the file, by name or number. */
static size_t find_column(const feature_layout *layout, const char *name)
{
    for (size_t column = 0; column < layout->count; column++)
        if (strcmp(layout->columns[column].name, name) == 0)
            return column;
    const unsigned long number = *name && name[strspn(name, "0123456789")] == '\0' ? strtoul(name, NULL, 10) : 0;
    return number >= 1 && number <= layout->count ? number - 1 : layout->count;
}

static topn_status no_column(topn_context *context, const char *path, const feature_side *side,
                             const feature_layout *layout, const char *name)
{
    char names[400] = "";
    size_t used = 0;
    for (size_t column = 0; column < layout->count; column++) {
        const int more =
            snprintf(names + used, sizeof names - used, "%s%s", column ? ", " : "", layout->columns[column].name);
        used = used + (size_t)more < sizeof names ? used + (size_t)more : sizeof names - 1;
    }
    return fail(context, TOPN_ERROR_OPTION, "%s:1: no column \"%.60s\" for --%s-feature-columns; the columns are: %s",
                path, name, side->who, names);
}

/* Header: the option picks columns; the others are skipped. */
static topn_status pick_columns(topn_context *context, const char *path, const feature_side *side, bool several,
                                bool *matched, feature_layout *layout)
{
    topn_status status = TOPN_OK;
    char entry[LISTED_NAME];
    bool picked[FEATURE_COLUMNS] = {false}, any = false;
    size_t index = 0;
    for (const char *rest = side->columns; list_next(&rest, entry, sizeof entry) && index < FEATURE_COLUMNS; index++) {
        feature_column wanted;
        TRY(parse_entry(context, side, entry, &wanted));
        const size_t at = find_column(layout, entry);
        if (at == layout->count && several)
            continue;
        if (at == layout->count)
            return no_column(context, path, side, layout, entry);
        feature_column *column = &layout->columns[at];
        if (wanted.decided) {
            column->type = wanted.type;
            column->separator = wanted.separator;
            column->decided = true;
        }
        picked[at] = any = matched[index] = true;
    }
    for (size_t column = 0; any && column < layout->count; column++) {
        if (picked[column])
            continue;
        layout->columns[column].type = COLUMN_SKIP;
        layout->columns[column].decided = true;
    }
done:
    return status;
}

/* No header: the option names the columns in their order. */
static topn_status name_columns(topn_context *context, const char *path, const feature_side *side, bool *matched,
                                feature_layout *layout)
{
    topn_status status = TOPN_OK;
    char entry[LISTED_NAME];
    size_t index = 0;
    for (const char *rest = side->columns; list_next(&rest, entry, sizeof entry); index++) {
        feature_column named;
        TRY(parse_entry(context, side, entry, &named));
        if (index >= layout->count)
            return fail(context, TOPN_ERROR_OPTION,
                        "%s:1: --%s-feature-columns names more columns than the %zu that there are", path, side->who,
                        layout->count);
        matched[index] = true;
        if (!*entry || strcmp(entry, "-") == 0) {
            named.type = COLUMN_SKIP;
            named.decided = true;
        }
        snprintf(named.name, sizeof named.name, "%.120s", entry);
        layout->columns[index] = named;
    }
    for (; side->columns && *side->columns && index < layout->count; index++) {
        layout->columns[index].type = COLUMN_SKIP;
        layout->columns[index].decided = true;
    }
done:
    return status;
}

/* The column of ids: as said, by its name, or the first. */
static topn_status find_id(topn_context *context, const char *path, const feature_side *side, feature_layout *layout)
{
    layout->id = layout->count;
    for (size_t column = 0; column < layout->count; column++) {
        if (layout->columns[column].type != COLUMN_ID)
            continue;
        if (layout->id < layout->count)
            return fail(context, TOPN_ERROR_OPTION, "%s:1: columns %zu and %zu are both the id of a %s", path,
                        layout->id + 1, column + 1, side->who);
        layout->id = column;
    }
    for (size_t column = 0; layout->header && layout->id == layout->count && column < layout->count; column++)
        if (names_id(layout->columns[column].name, side->items))
            layout->id = column;
    if (layout->id == layout->count)
        layout->id = 0;
    layout->columns[layout->id].type = COLUMN_ID;
    layout->columns[layout->id].decided = true;
    layout->columns[layout->id].reason = NULL;
    return TOPN_OK;
}

/* Type of a column by its content. */
static void decide(const column_stats *stats, feature_column *column)
{
    const uint32_t distinct = stats->values.count;
    uint32_t single = 0;
    for (uint32_t value = 0; value < distinct; value++)
        single += stats->counts[value] == 1;
    column->type = COLUMN_CATEGORY;
    column->separator = '|';
    if (stats->filled == 0) {
        column->type = COLUMN_SKIP;
        column->reason = "empty";
    } else if (stats->numbers == stats->filled) {
        if (stats->wholes < stats->filled || distinct > MOST_CLASSES)
            column->type = COLUMN_NUMBER;
    } else if (stats->prose) {
        column->type = COLUMN_SKIP;
        column->reason = "long texts";
    } else if (stats->bars > 0) {
        column->type = COLUMN_SET;
    } else if (distinct > MANY_VALUES && single > distinct / 2) {
        column->type = COLUMN_SKIP;
        column->reason = "most values occur once";
    }
}

/* Types that are not decided. Repeated ids and two or three columns: each row is a feature [and its number]. */
static void decide_all(const column_stats *stats, uint64_t lines, feature_layout *layout)
{
    const bool repeats = stats[layout->id].values.count < lines;
    size_t others = 0, last = layout->count;
    for (size_t column = 0; column < layout->count; column++) {
        others += column != layout->id;
        last = column != layout->id ? column : last;
    }
    for (size_t column = 0; column < layout->count; column++) {
        feature_column *at = &layout->columns[column];
        if (at->decided)
            continue;
        decide(&stats[column], at);
        if (!repeats || others > 2 || at->type == COLUMN_SKIP)
            continue;
        const bool amount = others == 2 && column == last && stats[column].numbers == stats[column].filled;
        at->type = amount ? COLUMN_AMOUNT : at->type == COLUMN_NUMBER ? COLUMN_CATEGORY : at->type;
    }
}

static void read_names(const table_field *cells, feature_layout *layout, column_stats *stats)
{
    double value;
    size_t typed = 0;
    for (size_t column = 0; column < layout->count; column++) {
        feature_column *at = &layout->columns[column];
        *at = (feature_column){.separator = '|'};
        table_text(&cells[column], layout->latin1, at->name, sizeof at->name);
        stats[column].first_number =
            parse_real(cells[column].begin, (size_t)(cells[column].end - cells[column].begin), &value);
        typed += typed_name(at->name, at);
    }
    layout->header = typed > 0 && typed == layout->count;
}

topn_status feature_columns_find(topn_context *context, const char *path, const reader_params *params,
                                 const feature_side *side, const unsigned char *text, size_t size, bool several,
                                 bool *matched, feature_layout *layout)
{
    topn_status status;
    table_field *cells = NULL;
    column_stats *stats = NULL;
    const unsigned char *end = text + size, *next;
    TRY(table_dialect_find(context, path, "auto", text, size < TABLE_HEAD ? size : TABLE_HEAD, &layout->dialect));
    layout->latin1 = params->encoding == 2 || (params->encoding == 0 && !text_is_utf8(text, size));
    TRY(ALLOCATE(context, FEATURE_COLUMNS, &cells));
    TRY(ALLOCATE_ZEROED(context, FEATURE_COLUMNS, &stats));
    layout->count = table_split(&layout->dialect, first_line(text, end), end, cells, FEATURE_COLUMNS, &next);
    if (layout->count > FEATURE_COLUMNS) {
        status = fail(context, TOPN_ERROR_DATA, "%s:1: %zu columns of features; at most %d are possible", path,
                      layout->count, FEATURE_COLUMNS);
        goto done;
    }
    read_names(cells, layout, stats);
    const bool typed = layout->header;
    TRY(count_cells(context, layout, text, size, cells, stats));
    layout->header = typed || has_header(layout, side, stats);
    uint64_t lines = 0;
    if (!layout->header) { /* the first line counts as well; names are numbers */
        table_split(&layout->dialect, first_line(text, end), end, cells, FEATURE_COLUMNS, &next);
        for (size_t column = 0; column < layout->count; column++) {
            TRY(count_cell(context, &cells[column], &stats[column]));
            layout->columns[column] = (feature_column){.separator = '|'};
            snprintf(layout->columns[column].name, FEATURE_NAME, "column%zu", column + 1);
        }
    }
    if (side->columns && layout->header)
        TRY(pick_columns(context, path, side, several, matched, layout));
    else
        TRY(name_columns(context, path, side, matched, layout));
    TRY(find_id(context, path, side, layout));
    lines = stats[layout->id].filled;
    decide_all(stats, lines, layout);
done:
    for (size_t column = 0; stats && column < FEATURE_COLUMNS; column++) {
        id_pool_clear(&stats[column].values);
        free(stats[column].counts);
    }
    free(stats);
    free(cells);
    return status;
}

void feature_columns_describe(const feature_layout *layout, char *out, size_t capacity)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t column = 0; column < layout->count; column++) {
        const feature_column *at = &layout->columns[column];
        if (at->type == COLUMN_SKIP && at->decided)
            continue;
        const int more = snprintf(out + used, capacity - used, "%s%s %s%s%s%s", used ? ", " : "", at->name,
                                  at->type == COLUMN_SKIP ? "skipped" : type_names[at->type], at->reason ? " (" : "",
                                  at->reason ? at->reason : "", at->reason ? ")" : "");
        used = used + (size_t)more < capacity ? used + (size_t)more : capacity - 1;
    }
}
