/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/titles.h"

#include "base/memory.h"
#include "ingest/encoding.h"
#include "ingest/fields.h"
#include "ingest/source.h"
#include "ingest/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TITLE_SIZE = 1024, TITLE_FIELDS = 64 };

/* What is known of the side file. */
typedef struct title_layout {
    table_dialect dialect;
    size_t id_column, title_column;
    bool header, latin1;
} title_layout;

static bool name_is(const char *name, const char *const *list)
{
    char plain[64];
    column_plain_name(name, plain, sizeof plain);
    for (; *list; list++)
        if (strcmp(*list, plain) == 0)
            return true;
    return false;
}

/* Header names, with RecBole's ":type" left out. */
static void find_columns(const unsigned char *text, size_t size, title_layout *layout)
{
    static const char *const title_names[] = {"title",       "name",       "movietitle", "itemname",  "itemtitle",
                                              "productname", "artistname", "trackname",  "booktitle", NULL};
    static const char *const id_names[] = {"id", NULL};
    table_field fields[TITLE_FIELDS];
    const unsigned char *next;
    size_t count = table_split(&layout->dialect, text, text + size, fields, TITLE_FIELDS, &next);
    count = count < TITLE_FIELDS ? count : TITLE_FIELDS;
    size_t id = count, title = count;
    for (size_t column = 0; column < count; column++) {
        char name[64];
        table_text(&fields[column], layout->latin1, name, sizeof name);
        char *type = strchr(name, ':');
        if (type)
            *type = '\0';
        if (title == count && name_is(name, title_names))
            title = column;
        else if (id == count && (name_is(name, id_names) || column_guess(name) == ROLE_ITEM))
            id = column;
    }
    layout->header = title < count;
    layout->title_column = title < count ? title : 1;
    layout->id_column = title == count ? 0 : id < count ? id : title == 0 ? 1 : 0;
}

/* Reads lines into found[item] (owned texts, NULL = none yet). */
static topn_status read_lines(topn_context *context, const source *from, const unsigned char *text, size_t size,
                              const title_layout *layout, const id_index *index, char **found, uint64_t *unknown)
{
    topn_status status = TOPN_OK;
    table_field fields[TITLE_FIELDS];
    const unsigned char *at = text, *end = text + size;
    char id[ID_LONGEST + 1], title[TITLE_SIZE];
    for (uint64_t line = 1; at < end; line++) {
        const unsigned char *begin = at;
        const size_t count = table_split(&layout->dialect, at, end, fields, TITLE_FIELDS, &at);
        const bool blank = count == 1 && fields[0].begin == fields[0].end;
        if (blank || (line == 1 && layout->header))
            continue;
        if (count <= layout->id_column || count <= layout->title_column)
            return fail(context, TOPN_ERROR_DATA, "%s:%" PRIu64 ": %zu field%s; an id and a title are needed",
                        source_path(from), line, count, count == 1 ? "" : "s");
        table_text(&fields[layout->id_column], layout->latin1, id, sizeof id);
        size_t length = table_text(&fields[layout->title_column], layout->latin1, title, sizeof title);
        if (length + 4 >= TITLE_SIZE) /* cut, maybe inside a character */
            while (length + 7 > TITLE_SIZE && !text_is_utf8((const unsigned char *)title, length))
                title[--length] = '\0';
        if (!text_is_utf8((const unsigned char *)title, length))
            return fail(context, TOPN_ERROR_DATA,
                        "%s:%" PRIu64 ": the title is not UTF-8; for ISO 8859-1 use --encoding latin-1",
                        source_path(from), line);
        uint32_t item;
        if (!id_index_find(index, id, &item))
            ++*unknown;
        else if (!found[item])
            TRY(memory_copy_text(context, title, &found[item]));
        for (const unsigned char *inside = begin; inside + 1 < at; inside++)
            line += *inside == '\n';
    }
done:
    return status;
}

topn_status titles_read_source(topn_context *context, source *from, const reader_params *params,
                               const string_table *ids, string_table *titles)
{
    topn_status status;
    id_index index = {0};
    char **found = NULL;
    const unsigned char *text;
    size_t size;
    title_layout layout = {0};
    uint64_t unknown = 0, known = 0;
    TRY(source_rest(context, from, &text, &size));
    if (size == 0)
        return fail(context, TOPN_ERROR_DATA, "%s:1: the file is empty", source_path(from));
    TRY(table_dialect_find(context, source_path(from), "auto", text, size < TABLE_HEAD ? size : TABLE_HEAD,
                           &layout.dialect));
    layout.latin1 = params->encoding == 2 || (params->encoding == 0 && !text_is_utf8(text, size));
    find_columns(text, size, &layout);
    TRY(id_index_create(context, ids, &index));
    TRY(ALLOCATE_ZEROED(context, ids->count, &found));
    TRY(read_lines(context, from, text, size, &layout, &index, found, &unknown));
    for (uint32_t item = 0; item < ids->count; item++)
        known += found[item] != NULL;
    char *const nothing = "";
    for (uint32_t item = 0; item < ids->count; item++)
        found[item] = found[item] ? found[item] : nothing;
    status = string_table_create(context, (const char *const *)found, ids->count, titles);
    for (uint32_t item = 0; item < ids->count; item++)
        found[item] = found[item] == nothing ? NULL : found[item];
    TRY(status);
    log_line(context, "titles: %" PRIu64 " of %" PRIu32 " items from %s (%s%s)%s", known, ids->count, source_path(from),
             layout.dialect.name, layout.latin1 ? ", latin-1" : "",
             unknown ? "; ids unknown to the data were ignored" : "");
done:
    for (uint32_t item = 0; found && item < ids->count; item++)
        free(found[item]);
    free(found);
    id_index_clear(&index);
    return status;
}

topn_status titles_read(topn_context *context, const reader_params *params, const string_table *ids,
                        string_table *titles)
{
    source *from = NULL;
    topn_status status;
    TRY(source_open(context, params->titles, &from));
    status = titles_read_source(context, from, params, ids, titles);
done:
    source_close(from);
    return status;
}
