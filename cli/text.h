/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts from outside (ids, titles, messages) made safe for a terminal, CSV and JSON.
 */
#ifndef TOPN_CLI_TEXT_H
#define TOPN_CLI_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Bytes of the UTF-8 character at `text`, 0 when it is none. *code receives its code point. */
size_t text_character(const char *text, unsigned *code);
/* Prints with control characters and bytes that are not UTF-8 as \xNN. */
void text_print(FILE *file, const char *text);
/* Columns that text_print takes: code points, escapes counted as printed. */
size_t text_width(const char *text);
/* One CSV field, quoted when it must be. */
void text_print_csv(FILE *file, const char *text);

/* A JSON string, bytes that are not UTF-8 replaced by U+FFFD; JSON null for NULL. */
json_t *text_json(const char *text);
/* A JSON number; null for NaN and infinities, which JSON lacks. */
json_t *real_json(double value);
/* A text as JSON number or true/false when it is written as one, else as string. */
json_t *value_json(const char *text);
/* Dumps to standard output, ends the line, releases `value`. */
void json_print(json_t *value, bool indented);

#endif
