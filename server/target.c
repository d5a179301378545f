/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes text[0 … length) in place, which only ever makes it shorter; NULL or what is wrong. */
static const char *decode(char *text, size_t length, bool plus_is_blank)
{
    size_t to = 0;
    for (size_t from = 0; from < length; from++) {
        char c = text[from];
        if (c == '%') {
            const int high = from + 2 < length ? digit_of(text[from + 1]) : -1;
            const int low = high >= 0 ? digit_of(text[from + 2]) : -1;
            if (low < 0)
                return "a % is not followed by two hexadecimal digits";
            c = (char)(high * 16 + low);
            from += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return "it holds a control character";
        text[to++] = c;
    }
    text[to] = '\0';
    return text_is_utf8(text, to) ? NULL : "it is not UTF-8";
}

static const char *read_path(target *out, char *path)
{
    if (path[0] != '/')
        return "the path does not begin with /";
    for (char *at = path + 1; at && *(path + 1);) {
        char *end = strchr(at, '/');
        const size_t length = end ? (size_t)(end - at) : strlen(at);
        if (!length)
            return "the path holds an empty segment";
        if (out->segment_count == TARGET_SEGMENTS)
            return "the path has too many segments";
        const char *fault = decode(at, length, false);
        if (fault)
            return fault;
        if (strcmp(at, ".") == 0 || strcmp(at, "..") == 0)
            return "the path holds a dot segment";
        out->segments[out->segment_count++] = at;
        at = end ? end + 1 : NULL;
    }
    return NULL;
}

static const char *read_query(target *out, char *query)
{
    for (char *at = query; at;) {
        char *end = strchr(at, '&');
        if (end)
            *end = '\0';
        char *equals = strchr(at, '=');
        char *value = equals ? equals + 1 : at + strlen(at);
        if (equals)
            *equals = '\0';
        if (!*at)
            return "the query string holds a parameter without a name";
        if (out->parameter_count == TARGET_PARAMETERS)
            return "the query string has too many parameters";
        const char *fault = decode(at, strlen(at), true);
        fault = fault ? fault : decode(value, strlen(value), true);
        if (fault)
            return fault;
        for (size_t i = 0; i < out->parameter_count; i++)
            if (strcmp(out->parameters[i].name, at) == 0)
                return "a parameter of the query string is given twice";
        out->parameters[out->parameter_count++] = (target_parameter){at, value};
        at = end ? end + 1 : NULL;
    }
    return NULL;
}

bool target_parse(const char *raw, target *out, const char **why)
{
    *out = (target){.storage = strdup(raw)};
    *why = out->storage ? NULL : "out of memory";
    if (*why)
        return false;
    char *query = strchr(out->storage, '?');
    if (query)
        *query++ = '\0';
    *why = strchr(raw, '#') ? "it holds a fragment" : read_path(out, out->storage);
    if (!*why && query && *query)
        *why = read_query(out, query);
    return !*why;
}

void target_clear(target *whole)
{
    free(whole->storage);
    whole->storage = NULL;
    whole->segment_count = whole->parameter_count = 0;
}
