/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/fields.h"

#include "ingest/encoding.h"

#include <stdlib.h>

bool parse_real(const unsigned char *text, size_t length, double *out)
{
    char copy[128], *end;
    if (length == 0 || length >= sizeof copy || memchr(text, 0, length) || memchr(text, 'x', length) ||
        memchr(text, 'X', length) || is_blank(text[0]))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    *out = strtod(copy, &end);
    return end == copy + length;
}

bool parse_whole(const unsigned char *text, size_t length, uint64_t *out)
{
    *out = 0;
    for (size_t at = 0; at < length; at++) {
        const unsigned digit = (unsigned)text[at] - '0';
        if (digit > 9 || __builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, digit, out))
            return false;
    }
    return length > 0;
}

const char *text_excerpt(const unsigned char *text, size_t length, char out[48])
{
    const size_t shown = length < 40 ? length : 40;
    const bool ascii = !text_is_utf8(text, shown); /* then bytes beyond ASCII may be anything */
    for (size_t at = 0; at < shown; at++)
        out[at] = text[at] < 0x20 || text[at] == 0x7f || (ascii && text[at] >= 0x80) ? '?' : (char)text[at];
    memcpy(out + shown, length > shown ? "…" : "", length > shown ? 4 : 1);
    return out;
}
