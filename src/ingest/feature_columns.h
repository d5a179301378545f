/* SPDX-License-Identifier: Apache-2.0
 *
 * What the columns of a file of features are.
 */
#ifndef TOPN_INGEST_FEATURE_COLUMNS_H
#define TOPN_INGEST_FEATURE_COLUMNS_H

#include "ingest/features.h"
#include "ingest/table.h"

enum { FEATURE_COLUMNS = 512, FEATURE_NAME = 128 };

typedef enum column_type {
    COLUMN_SKIP,
    COLUMN_ID,       /* of the user or item */
    COLUMN_CATEGORY, /* feature "name=value" */
    COLUMN_SET,      /* the same for each member */
    COLUMN_NUMBER,   /* feature "name" with the number */
    COLUMN_VECTOR,   /* features "name.1", … with the numbers between blanks */
    COLUMN_AMOUNT,   /* the number of the categories in the row */
} column_type;

typedef struct feature_column {
    char name[FEATURE_NAME];
    column_type type;
    bool decided;       /* by option or header; else the content decides */
    char separator;     /* of a set's members */
    const char *reason; /* why the content says skip, or NULL */
} feature_column;

typedef struct feature_layout {
    table_dialect dialect;
    bool latin1, header;
    size_t count, id;
    feature_column columns[FEATURE_COLUMNS];
} feature_layout;

/* Finds dialect, header, names and types of the text. `matched` [entries of side->columns] is set where the file has
 * such a column; several: there are other files that may have it. */
topn_status feature_columns_find(topn_context *context, const char *path, const reader_params *params,
                                 const feature_side *side, const unsigned char *text, size_t size, bool several,
                                 bool *matched, feature_layout *layout);
/* "gender category, zip skipped (mostly values of one user)" */
void feature_columns_describe(const feature_layout *layout, char *out, size_t capacity);

#endif
