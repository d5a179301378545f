/* SPDX-License-Identifier: Apache-2.0
 *
 * A file format is one file that exports one descriptor; formats.def lists them, most specific first.
 */
#ifndef TOPN_INGEST_FORMAT_H
#define TOPN_INGEST_FORMAT_H

#include "base/option_table.h"
#include "data/interactions.h"

/* Reader options (TOPN_KIND_READER). */
typedef struct reader_params {
    char *format;                                                  /* name of a format, or "auto" */
    char *user_column, *item_column, *weight_column, *time_column; /* name or 1-based number; NULL = guess; "none" */
    char *separator;                                               /* "auto", ",", "tab", "::", ";", "|", "space" */
    int header;                                                    /* choice auto|yes|no */
    int encoding;                                                  /* choice auto|utf-8|latin-1 */
    char *event_weights; /* KIND:WEIGHT,… of words in the weight column; NULL = numbers stand there */
    char *half_life;     /* "30d"; NULL = events do not age */
    double min_weight;   /* auto (NAN) = no limit */
    int64_t min_user_events, min_item_events;
    int filter_order;                    /* choice repeat|items-users */
    char *since, *until;                 /* seconds since 1970, or YYYY-MM-DD[THH:MM:SS], UTC; NULL = open */
    int duplicates;                      /* choice sum|max|last|count */
    char *titles;                        /* side file or NULL */
    char *context_columns;               /* list of columns, NULL = none */
    char *time_fields;                   /* list of hour, weekday, month; NULL = none */
    int64_t previous_items;              /* fields previous_item, previous_item_2, … */
    char *user_features, *item_features; /* lists of side files, NULL = none */
    char *user_feature_columns, *item_feature_columns; /* list of COLUMN[:TYPE]; NULL = decide by content */
    int feature_ids;                                   /* choice all|known */
    int feature_scale;                                 /* choice none|standard|unit */
} reader_params;
extern const option_table reader_option_table;

typedef struct event_sink event_sink; /* src/ingest/events.h: where formats put what they read */
typedef struct source source;         /* src/ingest/source.h: bytes of a file, decompressed */

typedef struct format {
    const char *name;    /* "delimited" */
    const char *summary; /* one line with an example */
    /* 0 = surely not, 100 = surely, from the path and the first bytes. */
    int (*probe)(const char *path, const unsigned char *head, size_t size);
    topn_status (*read)(topn_context *, source *, const reader_params *, event_sink *);
} format;

const format *format_at(size_t index);
const format *format_find(const char *name);

#endif
