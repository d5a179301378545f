/* SPDX-License-Identifier: Apache-2.0
 *
 * Text that must be UTF-8 (JSON, YAML), from bytes that may be anything.
 */
#ifndef TOPN_BASE_UTF8_H
#define TOPN_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the UTF-8 character at text (NUL-terminated), 0 when there is none. By RFC 3629: no overlong forms, no
 * surrogates, nothing past U+10FFFF. */
size_t utf8_length(const char *text);
/* Bytes that belong to no character become '?'. */
void utf8_clean(char *text);

#endif
