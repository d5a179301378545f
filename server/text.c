/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdint.h>

/* Bytes of the character at `at`, 0 when it is none. */
static size_t character_size(const unsigned char *at, size_t left)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least; /* below is an overlong form */
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t form = 0; form < sizeof forms / sizeof *forms; form++) {
        if ((at[0] & forms[form].mask) != forms[form].lead)
            continue;
        uint32_t point = at[0] & (unsigned char)~forms[form].mask;
        if (form >= left)
            return 0;
        for (size_t i = 1; i <= form; i++) {
            if ((at[i] & 0xc0) != 0x80)
                return 0;
            point = point << 6 | (at[i] & 0x3f);
        }
        const bool surrogate = point >= 0xd800 && point <= 0xdfff;
        return point < forms[form].least || point > 0x10ffff || surrogate ? 0 : form + 1;
    }
    return 0;
}

bool text_is_utf8(const char *bytes, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;
    for (size_t i = 0, step; i < size; i += step) {
        step = character_size(at + i, size - i);
        if (!step)
            return false;
    }
    return true;
}

bool text_number(const char *text, unsigned long long *out)
{
    unsigned long long value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > (~0ull - 9) / 10)
            return false;
        value = value * 10 + (unsigned long long)(*text - '0');
    }
    *out = value;
    return true;
}
