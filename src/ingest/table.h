/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables in delimited text: their separator, header and columns; shared by the formats "delimited" and "recbole" and by
 * side files of titles.
 */
#ifndef TOPN_INGEST_TABLE_H
#define TOPN_INGEST_TABLE_H

#include "ingest/event_weights.h"
#include "ingest/events.h"
#include "ingest/source.h"
#include "ingest/text_lines.h"

/* From ROLE_FIELD on: field `role − ROLE_FIELD` of the context. */
typedef enum column_role {
    ROLE_NONE,
    ROLE_USER,
    ROLE_ITEM,
    ROLE_WEIGHT,
    ROLE_TIME,
    ROLE_COUNT,
    ROLE_FIELD = 16
} column_role;

enum { TABLE_COLUMNS = 4096 /* most columns of a table */, TABLE_HEAD = 1 << 18 /* bytes looked at to guess */ };

/* How a table is written. */
typedef struct table_dialect {
    unsigned char separator; /* its first byte */
    bool doubled;            /* "::" */
    bool blanks;             /* any run of blanks separates */
    bool quotes;             /* fields may be quoted, with newlines inside */
    const char *name;        /* "comma" */
} table_dialect;

typedef struct table_layout {
    table_dialect dialect;
    bool latin1;
    bool header;
    bool typed;                         /* the header says name:type */
    size_t columns;                     /* of every row */
    size_t last_used;                   /* last column with a role */
    const char *const *field_names;     /* of the fields' roles, for messages */
    unsigned char roles[TABLE_COLUMNS]; /* column_role of each column */
    const event_weights *kinds;         /* of words in the weight column; NULL = numbers */
    bool ends[256];                     /* bytes that end an unquoted field */
} table_layout;

/* A field of a line: [begin, end) without quotes and blanks around; doubled quotes inside still stand when `escaped`.
 */
typedef struct table_field {
    const unsigned char *begin, *end;
    bool escaped;
} table_field;

/* Dialect named by the option ("auto" = guess from the head). OPTION for an unknown name, DATA when nothing fits. */
topn_status table_dialect_find(topn_context *context, const char *path, const char *separator,
                               const unsigned char *head, size_t size, table_dialect *out);
/* How well the head fits a table of that dialect: the share of lines with as many fields (≥ 2) as the first. */
double table_dialect_fit(const table_dialect *dialect, const unsigned char *head, size_t size, size_t *columns);
/* Splits the first line of [text, end) into at most `capacity` fields; *next = start of the next line. Returns how many
 * fields it has (may exceed capacity). */
size_t table_split(const table_dialect *dialect, const unsigned char *text, const unsigned char *end,
                   table_field *fields, size_t capacity, const unsigned char **next);
/* Text of a field: quotes undoubled, latin-1 converted, at most capacity − 1 bytes; returns the length. */
size_t table_text(const table_field *field, bool latin1, char *out, size_t capacity);

/* The text_parser of tables; layout is a table_layout. */
void table_parse(const text_chunk *chunk, const void *layout, event_run *run);

/* A header name in lower case, without anything but letters and digits: "User-ID" becomes "userid". */
void column_plain_name(const char *name, char *out, size_t capacity);
/* Column of a header name, by what the field calls users, items, weights and times; ROLE_NONE when unknown. */
column_role column_guess(const char *name);
const char *column_role_name(column_role role);

/* Reads a table: its dialect (NULL = by option or guessed), its columns by options, header (typed: RecBole's name:type)
 * and content; `name` is the format's for the provenance. */
topn_status table_read(topn_context *context, source *from, const reader_params *params, const char *name,
                       const table_dialect *dialect, bool typed, event_sink *sink);

#endif
