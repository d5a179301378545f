/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"
#include "progress.h"
#include "text.h"

struct table {
    const char *alignment; /* [columns] */
    const char *const *headings;
    size_t columns, count, capacity;
    char **cells; /* [count], row by row */
};

bool output_format_parse(const char *name, output_format *out)
{
    static const char *const names[] = {"table", "json", "csv"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (output_format)i;
            return true;
        }
    return false;
}

table *table_create(const char *const *headings, const char *alignment)
{
    table *new_table = need_memory(1, sizeof *new_table);
    new_table->alignment = alignment;
    new_table->headings = headings;
    new_table->columns = strlen(alignment);
    return new_table;
}

static void add_cell(table *grid, char *text)
{
    if (grid->count == grid->capacity) {
        grid->capacity = grid->capacity ? 2 * grid->capacity : 64;
        grid->cells = need_more(grid->cells, grid->capacity, sizeof *grid->cells);
    }
    grid->cells[grid->count++] = text;
}

void table_cell(table *grid, const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    const int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    add_cell(grid, length < 0 ? need_text("") : text);
}

void table_text(table *grid, const char *text)
{
    add_cell(grid, need_text(text ? text : ""));
}

static void print_row(const table *grid, const char *const *cells, const size_t *widths)
{
    for (size_t column = 0; column < grid->columns; column++) {
        const size_t width = text_width(cells[column]);
        const int padding = (int)(widths[column] - width);
        const bool right = grid->alignment[column] == 'r';
        const bool last = column + 1 == grid->columns;
        printf("%s%*s", column ? "  " : "", right ? padding : 0, "");
        text_print(stdout, cells[column]);
        if (!right && !last)
            printf("%*s", padding, "");
    }
    putchar('\n');
}

static void print_aligned(const table *grid)
{
    size_t *widths = need_memory(grid->columns, sizeof *widths);
    for (size_t i = 0; i < grid->count; i++) {
        const size_t width = text_width(grid->cells[i]);
        size_t *widest = &widths[i % grid->columns];
        *widest = width > *widest ? width : *widest;
    }
    for (size_t column = 0; grid->headings && column < grid->columns; column++) {
        const size_t width = text_width(grid->headings[column]);
        widths[column] = width > widths[column] ? width : widths[column];
    }
    const char *plain = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    const bool bold = isatty(STDOUT_FILENO) && !(plain && *plain) && terminal && strcmp(terminal, "dumb") != 0;
    if (grid->headings) {
        fputs(bold ? "\033[1m" : "", stdout);
        print_row(grid, grid->headings, widths);
        fputs(bold ? "\033[0m" : "", stdout);
    }
    for (size_t i = 0; i + grid->columns <= grid->count; i += grid->columns)
        print_row(grid, (const char *const *)grid->cells + i, widths);
    free(widths);
}

static void print_csv(const table *grid)
{
    for (size_t column = 0; grid->headings && column < grid->columns; column++) {
        fputs(column ? "," : "", stdout);
        text_print_csv(stdout, grid->headings[column]);
    }
    fputs(grid->headings ? "\n" : "", stdout);
    for (size_t i = 0; i < grid->count; i++) {
        text_print_csv(stdout, grid->cells[i]);
        putchar((i + 1) % grid->columns ? ',' : '\n');
    }
}

void table_finish(table *grid, output_format format)
{
    progress_clear();
    if (format == OUTPUT_CSV)
        print_csv(grid);
    else
        print_aligned(grid);
    for (size_t i = 0; i < grid->count; i++)
        free(grid->cells[i]);
    free(grid->cells);
    free(grid);
}
