/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 and ISO 8859-1.
 */
#ifndef TOPN_INGEST_ENCODING_H
#define TOPN_INGEST_ENCODING_H

#include <stdbool.h>
#include <stddef.h>

enum { ID_LONGEST = 4096 }; /* bytes of an external id */

bool text_is_ascii(const unsigned char *text, size_t length);
/* Well-formed by Unicode's table 3-7: no overlong forms, surrogates or values past U+10FFFF. */
bool text_is_utf8(const unsigned char *text, size_t length);
/* Writes at most 2 × length bytes; returns how many. */
size_t text_from_latin1(const unsigned char *text, size_t length, unsigned char *out);

#endif
