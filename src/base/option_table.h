/* SPDX-License-Identifier: Apache-2.0
 *
 * Options are declared once, as rows beside the parameter struct that they fill:
 *
 *     typedef struct ease_params { double l2; int64_t k; } ease_params;
 *     static const option_row ease_options[] = {
 *         OPTION_REAL(ease_params, l2, "l2", 500.0, 1e-9, 1e12, "ridge added to the Gram diagonal"),
 *         OPTION_INTEGER(ease_params, k, "k", 0, 0, UINT32_MAX, "weights kept per item; 0 = all"),
 *     };
 *     const option_table ease_option_table = OPTION_TABLE(ease_params, ease_options);
 *
 * One engine fills defaults, parses, checks bounds, prints and documents them.
 */
#ifndef TOPN_BASE_OPTION_TABLE_H
#define TOPN_BASE_OPTION_TABLE_H

#include "base/context.h"

typedef struct option_row {
    const char *name; /* words joined by '-' */
    topn_option_type type;
    size_t offset;            /* of the field in the parameter struct */
    const char *default_text; /* parsed like any other value; NULL = NULL (TEXT only) */
    double minimum, maximum;  /* INTEGER and REAL */
    bool automatic;           /* REAL: "auto" is allowed and stored as NAN */
    const char *choices;      /* CHOICE: "a|b|c"; the field is an int, the index */
    const char *help;
    topn_option_search search; /* where tuning looks; scale NONE: nowhere */
} option_row;

/* A default in place of the row's. */
typedef struct option_default {
    const char *option, *value;
} option_default;

typedef struct option_table {
    const option_row *rows;
    size_t count;
    size_t params_size;
    const option_default *defaults; /* [default_count] of tables that share rows and differ in defaults */
    size_t default_count;
} option_table;

/* What may follow the help of a row: the range that tuning searches, within the bounds. For INTEGER rows LINEAR and LOG
 * give whole numbers; "a|b|c" may name choices, true|false, or numbers. Only what makes a model better or worse belongs
 * here; what only makes it larger or slower is the user's to say. */
#define SEARCH_LINEAR(from, to) .search = {.scale = TOPN_SEARCH_LINEAR, .low = (from), .high = (to)}
#define SEARCH_LOG(from, to) .search = {.scale = TOPN_SEARCH_LOG, .low = (from), .high = (to)}
#define SEARCH_CHOICES(list) .search = {.scale = TOPN_SEARCH_CHOICES, .choices = (list)}

/* Field types: INTEGER int64_t, REAL double, BOOLEAN bool, TEXT char * (owned by the options), CHOICE int, SIZE
 * uint64_t. */
#define OPTION_INTEGER(params, field, spelling, standard, low, high, ...)                                              \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_INTEGER, .offset = offsetof(params, field), .default_text = #standard,   \
        .minimum = (double)(low), .maximum = (double)(high), .help = __VA_ARGS__                                       \
    }
#define OPTION_REAL(params, field, spelling, standard, low, high, ...)                                                 \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_REAL, .offset = offsetof(params, field), .default_text = #standard,      \
        .minimum = (low), .maximum = (high), .help = __VA_ARGS__                                                       \
    }
/* standard: a string, such as "auto" */
#define OPTION_REAL_AUTO(params, field, spelling, standard, low, high, ...)                                            \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_REAL, .offset = offsetof(params, field), .default_text = standard,       \
        .minimum = (low), .maximum = (high), .automatic = true, .help = __VA_ARGS__                                    \
    }
/* standard: true or false */
#define OPTION_BOOLEAN(params, field, spelling, standard, ...)                                                         \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_BOOLEAN, .offset = offsetof(params, field), .default_text = #standard,   \
        .help = __VA_ARGS__                                                                                            \
    }
/* standard: a string or NULL */
#define OPTION_TEXT(params, field, spelling, standard, ...)                                                            \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_TEXT, .offset = offsetof(params, field), .default_text = standard,       \
        .help = __VA_ARGS__                                                                                            \
    }
/* standard: a string, one of list */
#define OPTION_CHOICE(params, field, spelling, standard, list, ...)                                                    \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_CHOICE, .offset = offsetof(params, field), .default_text = standard,     \
        .choices = list, .help = __VA_ARGS__                                                                           \
    }
/* standard: a string, such as "0" or "1G" */
#define OPTION_SIZE(params, field, spelling, standard, ...)                                                            \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_SIZE, .offset = offsetof(params, field), .default_text = standard,       \
        .help = __VA_ARGS__                                                                                            \
    }
#define OPTION_TABLE(params, table)                                                                                    \
    {                                                                                                                  \
        .rows = table, .count = sizeof table / sizeof *table, .params_size = sizeof(params)                            \
    }

/* Options of the entry `owner` ("chol"), filled with defaults. `table` and `owner` are kept by reference. */
topn_status options_new(topn_context *context, topn_kind kind, const char *owner, const option_table *table,
                        topn_options **out);
/* The parameter struct, or NULL when `options` is NULL or was not made from `table`. */
const void *options_params(const topn_options *options, const option_table *table);
topn_kind options_kind(const topn_options *options);
const char *options_owner(const topn_options *options);
/* options_params, or the table's defaults held in *standby (freed by the caller) when options is NULL. */
topn_status options_or_default(topn_context *context, const topn_options *options, topn_kind kind, const char *owner,
                               const option_table *table, topn_options **standby, const void **params);
/* The candidate with the least edit distance to `word`, NULL when none is near. candidate(i, data) gives names, NULL
 * ends. */
const char *nearest_name(const char *word, const char *(*candidate)(size_t index, const void *data), const void *data);

extern const option_table context_option_table;

#endif
