/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers and fields of text, fast: eight bytes at a time in a 64-bit word.
 */
#ifndef TOPN_INGEST_FIELDS_H
#define TOPN_INGEST_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FIELD_MARGIN = 32 }; /* bytes past a field that fast paths may read */

/* Number of leading decimal digits among eight bytes (0–8), and their value. */
static inline unsigned digits_leading(const unsigned char *text, uint64_t *value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;
    memcpy(&word, text, sizeof word);
    word ^= UINT64_C(0x3030303030303030);
    /* A byte above 9 carries into its top bit; carries go upward only, so the lowest mark is right. */
    const uint64_t other = ((word + UINT64_C(0x7676767676767676)) | word) & UINT64_C(0x8080808080808080);
    const unsigned count = other ? (unsigned)__builtin_ctzll(other) / 8 : 8;
    if (count == 0) {
        *value = 0;
        return 0;
    }
    word <<= 64 - 8 * count; /* leading zeros in the low bytes */
    word = word * 10 + (word >> 8);
    word = ((word & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
            ((word >> 16 & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001))) >>
           32;
    *value = (uint32_t)word;
    return count;
#else
    unsigned count = 0;
    *value = 0;
    for (; count < 8 && (unsigned)(text[count] - '0') < 10; count++)
        *value = *value * 10 + (text[count] - '0');
    return count;
#endif
}

/* First byte in [text, end) that is `mark` or a newline, else end. */
static inline const unsigned char *find_mark(const unsigned char *text, const unsigned char *end, unsigned char mark)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    const uint64_t marks = ones * mark, newlines = ones * '\n';
    for (; end - text >= 8; text += 8) {
        uint64_t word;
        memcpy(&word, text, sizeof word);
        const uint64_t a = word ^ marks, b = word ^ newlines;
        if ((((a - ones) & ~a) | ((b - ones) & ~b)) & tops)
            break;
    }
    while (text < end && *text != mark && *text != '\n')
        text++;
    return text;
}

static inline bool is_blank(unsigned char byte)
{
    return byte == ' ' || byte == '\t';
}

/* Leaves blanks at both ends, and a carriage return at the right one, out. */
static inline void trim(const unsigned char **begin, const unsigned char **end)
{
    while (*begin < *end && is_blank(**begin))
        ++*begin;
    while (*end > *begin && (is_blank((*end)[-1]) || (*end)[-1] == '\r'))
        --*end;
}

/* A decimal number, "inf" and "nan" included; the whole text. */
bool parse_real(const unsigned char *text, size_t length, double *out);
/* A whole number in 64 bits; the whole text. */
bool parse_whole(const unsigned char *text, size_t length, uint64_t *out);
/* Text for a message: at most 40 bytes, unprintable ones as '?'. Returns out. */
const char *text_excerpt(const unsigned char *text, size_t length, char out[48]);

#endif
