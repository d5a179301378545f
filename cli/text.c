/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "progress.h"

size_t text_character(const char *text, unsigned *code)
{
    const unsigned char *bytes = (const unsigned char *)text;
    const size_t length = bytes[0] < 0x80 ? 1 : bytes[0] >= 0xF0 ? 4 : bytes[0] >= 0xE0 ? 3 : 2;
    static const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (length == 1) {
        *code = bytes[0];
        return 1;
    }
    if (bytes[0] < 0xC2 || bytes[0] > 0xF4)
        return 0;
    unsigned value = bytes[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
        return 0;
    *code = value;
    return length;
}

/* Length of the character at `text` if it may be printed as it is, else 0. Directional overrides are left out: they
 * can make a line read as another. */
static size_t printable(const char *text)
{
    unsigned code = 0;
    const size_t length = text_character(text, &code);
    if (code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029)
        return 0;
    if ((code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069))
        return 0;
    return length;
}

void text_print(FILE *file, const char *text)
{
    while (*text) {
        const size_t length = printable(text);
        if (length)
            fwrite(text, 1, length, file);
        else
            fprintf(file, "\\x%02x", (unsigned char)*text);
        text += length ? length : 1;
    }
}

/* Combining marks and joiners take no column, East Asian wide characters and emoji two. */
static size_t columns_of(unsigned code)
{
    if ((code >= 0x300 && code < 0x370) || (code >= 0x200B && code < 0x2010) || (code >= 0xFE00 && code < 0xFE10))
        return 0;
    const bool wide = (code >= 0x1100 && code < 0x1160) || (code >= 0x2E80 && code < 0xA4D0) ||
                      (code >= 0xAC00 && code < 0xD7A4) || (code >= 0xF900 && code < 0xFB00) ||
                      (code >= 0xFF00 && code < 0xFF61) || (code >= 0x1F300 && code < 0x1FAFF) ||
                      (code >= 0x20000 && code < 0x30000);
    return wide ? 2 : 1;
}

size_t text_width(const char *text)
{
    size_t width = 0;
    while (*text) {
        const size_t length = printable(text);
        unsigned code = 0;
        if (length)
            text_character(text, &code);
        width += length ? columns_of(code) : 4;
        text += length ? length : 1;
    }
    return width;
}

void text_print_csv(FILE *file, const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")] && *text != ' ') {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

json_t *text_json(const char *text)
{
    if (!text)
        return json_null();
    json_t *value = json_string(text);
    if (value)
        return value;
    char *clean = need_memory(strlen(text) + 1, 3);
    size_t at = 0;
    while (*text) {
        unsigned code;
        const size_t length = text_character(text, &code);
        memcpy(clean + at, length ? text : "\xEF\xBF\xBD", length ? length : 3);
        at += length ? length : 3;
        text += length ? length : 1;
    }
    value = json_string(clean);
    free(clean);
    return value;
}

json_t *real_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *value_json(const char *text)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return json_boolean(*text == 't');
    char *end = NULL;
    const bool numeric = isdigit((unsigned char)*text) || (*text == '-' && isdigit((unsigned char)text[1]));
    const bool leading_zero = (*text == '0' && isdigit((unsigned char)text[1]));
    if (numeric && !leading_zero && strlen(text) < 16) {
        errno = 0;
        const long long whole = strtoll(text, &end, 10);
        if (!errno && !*end)
            return json_integer(whole);
        const double value = strtod(text, &end);
        if (!*end && isfinite(value) && !strpbrk(text, "xX"))
            return json_real(value);
    }
    if (numeric && strchr(text, '.')) {
        const double value = strtod(text, &end);
        if (!*end && isfinite(value))
            return json_real(value);
    }
    return text_json(text);
}

void json_print(json_t *value, bool indented)
{
    progress_clear();
    json_dumpf(value, stdout, JSON_REAL_PRECISION(12) | (indented ? JSON_INDENT(2) : JSON_COMPACT));
    fputc('\n', stdout);
    json_decref(value);
}
