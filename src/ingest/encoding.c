/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/encoding.h"

bool text_is_ascii(const unsigned char *text, size_t length)
{
    unsigned char all = 0;
    for (size_t at = 0; at < length; at++)
        all |= text[at];
    return all < 0x80;
}

/* Bytes of the well-formed sequence that starts at text, 0 when there is none. */
static size_t sequence(const unsigned char *text, size_t left)
{
    const unsigned char lead = text[0];
    if (lead < 0x80)
        return 1;
    size_t length = lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) == 0xe0 ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    for (size_t at = 1; at < length; at++)
        if ((text[at] & 0xc0) != 0x80)
            return 0;
    const bool overlong = (lead == 0xe0 && text[1] < 0xa0) || (lead == 0xf0 && text[1] < 0x90);
    const bool excluded = (lead == 0xed && text[1] > 0x9f) || (lead == 0xf4 && text[1] > 0x8f);
    return overlong || excluded ? 0 : length;
}

bool text_is_utf8(const unsigned char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        const size_t step = sequence(text + at, length - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

size_t text_from_latin1(const unsigned char *text, size_t length, unsigned char *out)
{
    size_t to = 0;
    for (size_t at = 0; at < length; at++) {
        if (text[at] < 0x80) {
            out[to++] = text[at];
        } else {
            out[to++] = (unsigned char)(0xc0 | text[at] >> 6);
            out[to++] = (unsigned char)(0x80 | (text[at] & 0x3f));
        }
    }
    return to;
}
