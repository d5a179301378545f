/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

#include <string.h>

#include "base/utf8.h"

topn_status json_write_string(file_writer *writer, const char *text)
{
    topn_status status;
    TRY(file_write(writer, "\"", 1));
    while (*text) {
        const size_t length = utf8_length(text);
        if (length == 0)
            TRY(file_print(writer, "\\ufffd"));
        else if ((unsigned char)*text < 0x20 || *text == 0x7F)
            TRY(file_print(writer, "\\u%04x", (unsigned)(unsigned char)*text));
        else if (*text == '"' || *text == '\\')
            TRY(file_print(writer, "\\%c", *text));
        else
            TRY(file_write(writer, text, length));
        text += length ? length : 1;
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
        TRY(json_write_string(writer, entries->entries[index].key));
        TRY(file_print(writer, ": "));
        if (is_number(value) || strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
            TRY(file_print(writer, "%s", value));
        else
            TRY(json_write_string(writer, value));
    }
    TRY(file_print(writer, "\n}\n"));
done:
    return status;
}
