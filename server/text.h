/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes of requests as text.
 */
#ifndef TOPN_SERVER_TEXT_H
#define TOPN_SERVER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
bool text_is_utf8(const char *bytes, size_t size);
/* A whole decimal number without sign, blanks or overflow. */
bool text_number(const char *text, unsigned long long *out);

#endif
