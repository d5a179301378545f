/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of texts, printed aligned for people or as CSV for programs.
 */
#ifndef TOPN_CLI_TABLE_H
#define TOPN_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_CSV } output_format;
/* false when `name` is none of table, json, csv. */
bool output_format_parse(const char *name, output_format *out);

typedef struct table table;

/* headings: one text a column, NULL for a table without; alignment: one 'l' or 'r' a column, which also counts them */
table *table_create(const char *const *headings, const char *alignment);
/* The next cell, row by row. */
void table_cell(table *grid, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The next cell from a text of any length; NULL is empty. */
void table_text(table *grid, const char *text);
/* Prints as TABLE or CSV, and frees. */
void table_finish(table *grid, output_format format);

#endif
