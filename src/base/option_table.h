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
} option_row;

typedef struct option_table {
    const option_row *rows;
    size_t count;
    size_t params_size;
} option_table;

/* Field types: INTEGER int64_t, REAL double, BOOLEAN bool, TEXT char * (owned by the options), CHOICE int, SIZE
 * uint64_t. */
#define OPTION_INTEGER(params, field, spelling, standard, low, high, text)                                             \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_INTEGER, .offset = offsetof(params, field), .default_text = #standard,   \
        .minimum = (double)(low), .maximum = (double)(high), .help = text                                              \
    }
#define OPTION_REAL(params, field, spelling, standard, low, high, text)                                                \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_REAL, .offset = offsetof(params, field), .default_text = #standard,      \
        .minimum = (low), .maximum = (high), .help = text                                                              \
    }
/* standard: a string, such as "auto" */
#define OPTION_REAL_AUTO(params, field, spelling, standard, low, high, text)                                           \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_REAL, .offset = offsetof(params, field), .default_text = standard,       \
        .minimum = (low), .maximum = (high), .automatic = true, .help = text                                           \
    }
/* standard: true or false */
#define OPTION_BOOLEAN(params, field, spelling, standard, text)                                                        \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_BOOLEAN, .offset = offsetof(params, field), .default_text = #standard,   \
        .help = text                                                                                                   \
    }
/* standard: a string or NULL */
#define OPTION_TEXT(params, field, spelling, standard, text)                                                           \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_TEXT, .offset = offsetof(params, field), .default_text = standard,       \
        .help = text                                                                                                   \
    }
/* standard: a string, one of list */
#define OPTION_CHOICE(params, field, spelling, standard, list, text)                                                   \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_CHOICE, .offset = offsetof(params, field), .default_text = standard,     \
        .choices = list, .help = text                                                                                  \
    }
/* standard: a string, such as "0" or "1G" */
#define OPTION_SIZE(params, field, spelling, standard, text)                                                           \
    {                                                                                                                  \
        .name = spelling, .type = TOPN_OPTION_SIZE, .offset = offsetof(params, field), .default_text = standard,       \
        .help = text                                                                                                   \
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
