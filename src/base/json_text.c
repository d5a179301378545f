/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

#include <string.h>

/* Bytes of the UTF-8 sequence that starts at text, 0 when it is none (overlong forms and surrogates included). */
static int sequence_length(const unsigned char *text)
{
    const unsigned char first = text[0];
    if (first < 0x80)
        return 1;
    const int length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    for (int index = 1; index < length; index++)
        if ((text[index] & 0xC0) != 0x80)
            return 0;
    if ((first == 0xE0 && text[1] < 0xA0) || (first == 0xED && text[1] > 0x9F) || (first == 0xF0 && text[1] < 0x90) ||
        (first == 0xF4 && text[1] > 0x8F))
        return 0;
    return length;
}

static topn_status write_string(file_writer *writer, const char *text)
{
    topn_status status;
    TRY(file_write(writer, "\"", 1));
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        const int length = sequence_length(at);
        if (length == 0)
            TRY(file_print(writer, "\\ufffd"));
        else if (*at < 0x20 || *at == 0x7F)
            TRY(file_print(writer, "\\u%04x", *at));
        else if (*at == '"' || *at == '\\')
            TRY(file_print(writer, "\\%c", *at));
        else
            TRY(file_write(writer, at, (size_t)length));
        at += length ? length : 1;
    }
    TRY(file_write(writer, "\"", 1));
done:
    return status;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?, short enough to survive a double. */
static bool is_number(const char *text)
{
    static const char digits[] = "0123456789";
    if (strlen(text) > 15)
        return false;
    const char *at = text + (*text == '-');
    const size_t whole = strspn(at, digits);
    if (whole == 0 || (whole > 1 && *at == '0'))
        return false;
    at += whole;
    if (*at == '.') {
        const size_t fraction = strspn(at + 1, digits);
        if (fraction == 0)
            return false;
        at += 1 + fraction;
    }
    return *at == '\0';
}

topn_status json_write_record(file_writer *writer, const record *entries)
{
    topn_status status;
    TRY(file_print(writer, "{"));
    for (size_t index = 0; index < entries->count; index++) {
        const char *value = entries->entries[index].value;
        TRY(file_print(writer, "%s\n  ", index ? "," : ""));
        TRY(write_string(writer, entries->entries[index].key));
        TRY(file_print(writer, ": "));
        if (is_number(value) || strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
            TRY(file_print(writer, "%s", value));
        else
            TRY(write_string(writer, value));
    }
    TRY(file_print(writer, "\n}\n"));
done:
    return status;
}
