/* SPDX-License-Identifier: Apache-2.0 */
#include "base/option_table.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct topn_options {
    topn_kind kind;
    const char *owner;
    const option_table *table;
    void *params; /* [table->params_size] */
    bool *set;    /* [table->count] */
    char **text;  /* [table->count], rendered by topn_options_get; entries may be NULL */
    char bounds[256];
};

static void *field_of(const topn_options *options, const option_row *row)
{
    return (char *)options->params + row->offset;
}

/* Index of `value` in "a|b|c", -1 when absent. */
static int choice_index(const char *choices, const char *value)
{
    const size_t length = strlen(value);
    int index = 0;
    for (const char *at = choices; at; index++) {
        const char *end = strchr(at, '|');
        const size_t width = end ? (size_t)(end - at) : strlen(at);
        if (width == length && memcmp(at, value, width) == 0)
            return index;
        at = end ? end + 1 : NULL;
    }
    return -1;
}

static void choice_name(const char *choices, int index, char *out, size_t capacity)
{
    const char *at = choices;
    while (index-- > 0)
        at = strchr(at, '|') + 1;
    const char *end = strchr(at, '|');
    snprintf(out, capacity, "%.*s", end ? (int)(end - at) : (int)strlen(at), at);
}

static void describe_bounds(const option_row *row, char *out, size_t capacity)
{
    out[0] = '\0';
    if (row->type == TOPN_OPTION_CHOICE)
        snprintf(out, capacity, "%s", row->choices);
    else if (row->type == TOPN_OPTION_BOOLEAN)
        snprintf(out, capacity, "true|false");
    else if (row->type == TOPN_OPTION_SIZE)
        snprintf(out, capacity, "bytes, or with K, M, G, T");
    else if (row->type == TOPN_OPTION_INTEGER || row->type == TOPN_OPTION_REAL)
        snprintf(out, capacity, "%s%.10g … %.10g", row->automatic ? "auto or " : "", row->minimum, row->maximum);
}

static topn_status reject(topn_context *context, const topn_options *options, const option_row *row, const char *value)
{
    char wanted[320];
    if (row->type == TOPN_OPTION_INTEGER || row->type == TOPN_OPTION_REAL)
        snprintf(wanted, sizeof wanted, "%s%s from %.10g to %.10g", row->automatic ? "auto or " : "",
                 row->type == TOPN_OPTION_INTEGER ? "a whole number" : "a number", row->minimum, row->maximum);
    else if (row->type == TOPN_OPTION_CHOICE)
        snprintf(wanted, sizeof wanted, "one of %s", row->choices);
    else if (row->type == TOPN_OPTION_SIZE)
        snprintf(wanted, sizeof wanted, "a size in bytes, such as 1073741824, 512M or 8G");
    else
        snprintf(wanted, sizeof wanted, "true or false");
    return fail(context, TOPN_ERROR_OPTION, "option --%s of %s: \"%s\" is not %s", row->name, options->owner, value,
                wanted);
}

static topn_status parse_size(const char *value, uint64_t *out)
{
    char *end;
    errno = 0;
    const double number = strtod(value, &end);
    if (end == value || errno || !(number >= 0))
        return TOPN_ERROR_OPTION;
    static const char units[] = "KMGT";
    double scale = 1;
    if (*end) {
        const char unit = *end >= 'a' ? (char)(*end - 32) : *end;
        const char *at = strchr(units, unit);
        if (!at || (end[1] && strcmp(end + 1, "B") && strcmp(end + 1, "iB")))
            return TOPN_ERROR_OPTION;
        scale = ldexp(1.0, 10 * (int)(at - units + 1));
    }
    if (number * scale >= 0x1p63)
        return TOPN_ERROR_OPTION;
    *out = (uint64_t)(number * scale);
    return TOPN_OK;
}

static topn_status parse_number(const option_row *row, const char *value, void *field)
{
    char *end;
    errno = 0;
    if (row->type == TOPN_OPTION_INTEGER) {
        const long long number = strtoll(value, &end, 10);
        if (end == value || *end || errno || (double)number < row->minimum || (double)number > row->maximum)
            return TOPN_ERROR_OPTION;
        *(int64_t *)field = number;
        return TOPN_OK;
    }
    double number = NAN;
    if (!row->automatic || strcmp(value, "auto") != 0) {
        number = strtod(value, &end);
        if (end == value || *end || !(number >= row->minimum && number <= row->maximum))
            return TOPN_ERROR_OPTION;
    }
    *(double *)field = number;
    return TOPN_OK;
}

static topn_status parse_value(topn_context *context, const option_row *row, const char *value, void *field)
{
    switch (row->type) {
    case TOPN_OPTION_INTEGER:
    case TOPN_OPTION_REAL:
        return parse_number(row, value, field);
    case TOPN_OPTION_BOOLEAN: {
        const int index = choice_index("false|true|no|yes|0|1|off|on", value);
        if (index < 0)
            return TOPN_ERROR_OPTION;
        *(bool *)field = index & 1;
        return TOPN_OK;
    }
    case TOPN_OPTION_TEXT: {
        char *copy;
        const topn_status status = memory_copy_text(context, value, &copy);
        if (status != TOPN_OK)
            return status;
        free(*(char **)field);
        *(char **)field = copy;
        return TOPN_OK;
    }
    case TOPN_OPTION_CHOICE: {
        const int index = choice_index(row->choices, value);
        if (index < 0)
            return TOPN_ERROR_OPTION;
        *(int *)field = index;
        return TOPN_OK;
    }
    case TOPN_OPTION_SIZE:
        return parse_size(value, field);
    }
    return TOPN_ERROR_INTERNAL;
}

/* The text of a row's default in this table; NULL = NULL. */
static const char *default_text(const option_table *table, const option_row *row)
{
    for (size_t index = 0; index < table->default_count; index++)
        if (strcmp(table->defaults[index].option, row->name) == 0)
            return table->defaults[index].value;
    return row->default_text;
}

/* Every default of the table's own is about one of its rows. */
static topn_status check_defaults(topn_context *context, const option_table *table)
{
    for (size_t index = 0; index < table->default_count; index++) {
        size_t row = 0;
        while (row < table->count && strcmp(table->rows[row].name, table->defaults[index].option) != 0)
            row++;
        if (row == table->count)
            return fail(context, TOPN_ERROR_INTERNAL, "a default is about option %s, which is not there",
                        table->defaults[index].option);
    }
    return TOPN_OK;
}

topn_status options_new(topn_context *context, topn_kind kind, const char *owner, const option_table *table,
                        topn_options **out)
{
    topn_status status;
    topn_options *options = NULL;
    *out = NULL;
    TRY(check_defaults(context, table));
    TRY(ALLOCATE_ZEROED(context, 1, &options));
    options->kind = kind;
    options->owner = owner;
    options->table = table;
    TRY(memory_allocate_zeroed(context, 1, table->params_size, &options->params));
    TRY(ALLOCATE_ZEROED(context, table->count, &options->set));
    TRY(ALLOCATE_ZEROED(context, table->count, &options->text));
    for (size_t index = 0; index < table->count; index++) {
        const option_row *row = &table->rows[index];
        const char *text = default_text(table, row);
        if (!text)
            continue;
        status = parse_value(context, row, text, field_of(options, row));
        if (status == TOPN_ERROR_OPTION)
            status = fail(context, TOPN_ERROR_INTERNAL, "default \"%s\" of option %s breaks its own bounds", text,
                          row->name);
        TRY(status);
    }
    *out = options;
    return TOPN_OK;
done:
    topn_options_free(options);
    return status;
}

void topn_options_free(topn_options *options)
{
    if (!options)
        return;
    for (size_t index = 0; index < options->table->count; index++) {
        const option_row *row = &options->table->rows[index];
        if (row->type == TOPN_OPTION_TEXT && options->params)
            free(*(char **)field_of(options, row));
        if (options->text)
            free(options->text[index]);
    }
    free(options->params);
    free(options->set);
    free(options->text);
    free(options);
}

const void *options_params(const topn_options *options, const option_table *table)
{
    return options && options->table == table ? options->params : NULL;
}

topn_kind options_kind(const topn_options *options)
{
    return options->kind;
}

const char *options_owner(const topn_options *options)
{
    return options->owner;
}

topn_status options_or_default(topn_context *context, const topn_options *options, topn_kind kind, const char *owner,
                               const option_table *table, topn_options **standby, const void **params)
{
    *standby = NULL;
    if (!options) {
        const topn_status status = options_new(context, kind, owner, table, standby);
        if (status != TOPN_OK)
            return status;
        options = *standby;
    }
    *params = options_params(options, table);
    if (!*params)
        return fail(context, TOPN_ERROR_ARGUMENT, "options of \"%s\" were given where those of \"%s\" belong",
                    options->owner, owner);
    return TOPN_OK;
}

/* Index of a key in the table, SIZE_MAX when unknown. '_' stands for '-'. */
static size_t find_row(const topn_options *options, const char *key)
{
    for (size_t index = 0; index < options->table->count; index++) {
        const char *name = options->table->rows[index].name;
        const char *at = key;
        while (*name && (*at == *name || (*at == '_' && *name == '-'))) {
            at++;
            name++;
        }
        if (!*at && !*name)
            return index;
    }
    return SIZE_MAX;
}

static const char *row_name(size_t index, const void *data)
{
    const option_table *table = data;
    return index < table->count ? table->rows[index].name : NULL;
}

topn_status topn_options_set(topn_context *context, topn_options *options, const char *key, const char *value)
{
    if (!options || !key || !value)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_options_set takes options, a key and a value");
    const size_t index = find_row(options, key);
    if (index == SIZE_MAX) {
        const char *near = nearest_name(key, row_name, options->table);
        return fail(context, TOPN_ERROR_OPTION, "%s has no option --%s%s%s%s", options->owner, key,
                    near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
    }
    const option_row *row = &options->table->rows[index];
    const topn_status status = parse_value(context, row, value, field_of(options, row));
    if (status == TOPN_ERROR_OPTION)
        return reject(context, options, row, value);
    if (status == TOPN_OK)
        options->set[index] = true;
    return status;
}

static void render(const option_row *row, const void *field, char *out, size_t capacity)
{
    switch (row->type) {
    case TOPN_OPTION_INTEGER:
        snprintf(out, capacity, "%" PRId64, *(const int64_t *)field);
        break;
    case TOPN_OPTION_REAL: {
        const double value = *(const double *)field;
        if (isnan(value)) {
            snprintf(out, capacity, "auto");
            break;
        }
        int digits = 6; /* the shortest text that reads back as the same number */
        do
            snprintf(out, capacity, "%.*g", digits, value);
        while (strtod(out, NULL) != value && ++digits <= 17);
        break;
    }
    case TOPN_OPTION_BOOLEAN:
        snprintf(out, capacity, "%s", *(const bool *)field ? "true" : "false");
        break;
    case TOPN_OPTION_TEXT:
        snprintf(out, capacity, "%s", *(char *const *)field ? *(char *const *)field : "");
        break;
    case TOPN_OPTION_CHOICE:
        choice_name(row->choices, *(const int *)field, out, capacity);
        break;
    case TOPN_OPTION_SIZE:
        snprintf(out, capacity, "%" PRIu64, *(const uint64_t *)field);
        break;
    }
}

const char *topn_options_get(const topn_options *options, const char *key)
{
    const size_t index = options && key ? find_row(options, key) : SIZE_MAX;
    if (index == SIZE_MAX)
        return NULL;
    const option_row *row = &options->table->rows[index];
    const void *field = field_of(options, row);
    if (row->type == TOPN_OPTION_TEXT)
        return *(char *const *)field ? *(char *const *)field : "";
    if (!options->text[index])
        options->text[index] = malloc(128);
    if (options->text[index])
        render(row, field, options->text[index], 128);
    return options->text[index];
}

bool topn_options_has(const topn_options *options, const char *key)
{
    return options && key && find_row(options, key) != SIZE_MAX;
}

size_t topn_options_count(const topn_options *options)
{
    return options ? options->table->count : 0;
}

bool topn_options_info(const topn_options *options, size_t index, topn_option_info *out)
{
    if (!options || !out || index >= options->table->count)
        return false;
    const option_row *row = &options->table->rows[index];
    topn_options *owner = (topn_options *)options; /* bounds are rendered into a buffer of the object */
    describe_bounds(row, owner->bounds, sizeof owner->bounds);
    const char *text = default_text(options->table, row);
    *out = (topn_option_info){.name = row->name,
                              .help = row->help,
                              .default_text = text ? text : "",
                              .bounds = owner->bounds,
                              .type = row->type,
                              .is_set = options->set[index],
                              .search = row->search};
    return true;
}

static size_t edit_distance(const char *a, const char *b)
{
    size_t row[64];
    const size_t width = strlen(b);
    if (width >= sizeof row / sizeof *row)
        return SIZE_MAX;
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            const size_t substitution = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            size_t best = row[j + 1] < row[j] ? row[j + 1] + 1 : row[j] + 1;
            row[j + 1] = substitution < best ? substitution : best;
        }
    }
    return row[width];
}

const char *nearest_name(const char *word, const char *(*candidate)(size_t index, const void *data), const void *data)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 2 + 1; /* farther is no hint */
    for (size_t index = 0; candidate(index, data); index++) {
        const char *name = candidate(index, data);
        const size_t distance = edit_distance(word, name);
        const bool prefix = strncmp(name, word, strlen(word)) == 0;
        if (distance < best_distance || (prefix && !best)) {
            best = name;
            best_distance = distance < best_distance ? distance : best_distance;
        }
    }
    return best;
}
