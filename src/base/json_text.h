/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON written by hand: strings, and a flat object of a record.
 */
#ifndef TOPN_BASE_JSON_TEXT_H
#define TOPN_BASE_JSON_TEXT_H

#include "base/file.h"
#include "base/record.h"

/* A JSON string. Bytes that are no valid UTF-8 become U+FFFD. */
topn_status json_write_string(file_writer *writer, const char *text);
/* One object, an entry a line. Values that read as plain decimal numbers of at most 15 characters, or as true or false,
 * are written as such, all others as strings. */
topn_status json_write_record(file_writer *writer, const record *entries);

#endif
