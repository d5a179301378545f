/* SPDX-License-Identifier: Apache-2.0
 *
 * RecBole's atomic files: delimited text whose header says name:type in every column. ".inter" files hold events.
 */
#include "base/memory.h"
#include "ingest/table.h"

#include <stdlib.h>
#include <string.h>

static bool known_type(const char *type)
{
    static const char *const types[] = {"token", "token_seq", "float", "float_seq"};
    for (size_t at = 0; at < sizeof types / sizeof *types; at++)
        if (strcmp(types[at], type) == 0)
            return true;
    return false;
}

/* Columns of the header when every one of them is name:type, else 0. */
static size_t typed_columns(const table_dialect *dialect, const unsigned char *head, size_t size)
{
    table_field fields[64];
    const unsigned char *next;
    const size_t count = table_split(dialect, head, head + size, fields, 64, &next);
    for (size_t column = 0; column < count && column < 64; column++) {
        char name[128];
        table_text(&fields[column], false, name, sizeof name);
        const char *type = strrchr(name, ':');
        if (!type || type == name || !known_type(type + 1))
            return 0;
    }
    return count;
}

static const table_dialect tabs = {.separator = '\t', .name = "tab"};
static const table_dialect commas = {.separator = ',', .quotes = true, .name = "comma"};

static int probe(const char *path, const unsigned char *head, size_t size)
{
    (void)path;
    return typed_columns(&tabs, head, size) > 1 || typed_columns(&commas, head, size) > 1 ? 95 : 0;
}

static topn_status read_atomic(topn_context *context, source *from, const reader_params *params, event_sink *sink)
{
    topn_status status;
    const unsigned char *head;
    size_t size;
    bool last;
    TRY(source_peek(context, from, TABLE_HEAD, &head, &size, &last));
    const bool tabbed = typed_columns(&tabs, head, size) > 1;
    if (!tabbed && typed_columns(&commas, head, size) < 2)
        return fail(context, TOPN_ERROR_DATA,
                    "%s:1: not a header of name:type with the types token, token_seq, float, float_seq",
                    source_path(from));
    const table_dialect *dialect = tabbed ? &tabs : &commas;
    status = table_read(context, from, params, "recbole", dialect, true, sink);
done:
    return status;
}

const format format_recbole = {
    .name = "recbole",
    .summary = "RecBole's atomic files: a table whose header says name:type, such as user_id:token",
    .probe = probe,
    .read = read_atomic,
};
