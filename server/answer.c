/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "worker.h"

static const int64_t seconds_end = INT64_C(100000000000); /* larger numbers count milliseconds */

/* Bytes of the character at `text`, 0 where it is not UTF-8. */
static size_t character_size(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    const size_t size = bytes[0] < 0x80   ? 1
                        : bytes[0] < 0xC2 ? 0
                        : bytes[0] < 0xE0 ? 2
                        : bytes[0] < 0xF0 ? 3
                        : bytes[0] < 0xF5 ? 4
                                          : 0;
    for (size_t at = 1; at < size; at++)
        if ((bytes[at] & 0xC0) != 0x80)
            return 0;
    const bool overlong = (bytes[0] == 0xE0 && bytes[1] < 0xA0) || (bytes[0] == 0xF0 && bytes[1] < 0x90);
    const bool outside = (bytes[0] == 0xED && bytes[1] > 0x9F) || (bytes[0] == 0xF4 && bytes[1] > 0x8F);
    return overlong || outside ? 0 : size;
}

json_t *text_value(const char *text)
{
    if (!text)
        return json_null();
    json_t *value = json_string(text);
    if (value)
        return value;
    char *clean = malloc(3 * strlen(text) + 1);
    size_t length = 0;
    while (clean && *text) {
        const size_t size = character_size(text);
        memcpy(clean + length, size ? text : "\xEF\xBF\xBD", size ? size : 3);
        length += size ? size : 3;
        text += size ? size : 1;
    }
    value = clean ? json_stringn(clean, length) : NULL;
    free(clean);
    return value ? value : json_null();
}

json_t *number_value(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

json_t *time_value(int64_t seconds)
{
    const time_t moment = (time_t)seconds;
    struct tm parts;
    char text[40];
    if (!gmtime_r(&moment, &parts) || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        return json_integer(seconds);
    return json_string(text);
}

/* Digits of a fixed number; −1 where others stand there. */
static int digits(const char **text, int count)
{
    int value = 0;
    for (int at = 0; at < count; at++) {
        if (**text < '0' || **text > '9')
            return -1;
        value = 10 * value + (*(*text)++ - '0');
    }
    return value;
}

static bool skip(const char **text, char wanted)
{
    if (**text != wanted)
        return false;
    ++*text;
    return true;
}

/* Z, ±HH:MM, ±HHMM or nothing, as seconds to take off. */
static bool read_zone(const char **text, int64_t *out)
{
    *out = 0;
    if (skip(text, 'Z') || !**text)
        return true;
    const int sign = **text == '-' ? -1 : 1;
    if (!skip(text, '+') && !skip(text, '-'))
        return false;
    const int hours = digits(text, 2);
    (void)skip(text, ':');
    const int minutes = digits(text, 2);
    *out = sign * (int64_t)(hours * 3600 + minutes * 60);
    return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

static bool read_clock(const char **text, struct tm *parts)
{
    if (!skip(text, 'T') && !skip(text, ' '))
        return true;
    parts->tm_hour = digits(text, 2);
    if (!skip(text, ':'))
        return false;
    parts->tm_min = digits(text, 2);
    if (skip(text, ':')) {
        parts->tm_sec = digits(text, 2);
        if (skip(text, '.'))
            while (**text >= '0' && **text <= '9')
                ++*text;
    }
    return parts->tm_hour >= 0 && parts->tm_hour < 24 && parts->tm_min >= 0 && parts->tm_min < 60 &&
           parts->tm_sec >= 0 && parts->tm_sec < 61;
}

static bool read_date(const char *text, int64_t *out)
{
    struct tm parts = {0};
    int64_t zone;
    const int year = digits(&text, 4);
    if (year < 0 || !skip(&text, '-'))
        return false;
    const int month = digits(&text, 2);
    if (month < 1 || month > 12 || !skip(&text, '-'))
        return false;
    const int day = digits(&text, 2);
    parts.tm_year = year - 1900;
    parts.tm_mon = month - 1;
    parts.tm_mday = day;
    if (day < 1 || !read_clock(&text, &parts) || !read_zone(&text, &zone) || *text)
        return false;
    *out = (int64_t)timegm(&parts) - zone;
    return parts.tm_mon == month - 1 && parts.tm_mday == day; /* a day that the calendar has */
}

bool time_read(const json_t *value, int64_t *out, char *why, size_t why_size)
{
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        if (*out >= seconds_end)
            *out /= 1000;
        if (*out >= 0 && *out < seconds_end)
            return true;
        snprintf(why, why_size, "Timestamp: %" JSON_INTEGER_FORMAT " is no number of seconds since 1970",
                 json_integer_value(value));
        return false;
    }
    if (json_is_string(value) && read_date(json_string_value(value), out) && *out >= 0)
        return true;
    snprintf(why, why_size, "Timestamp: \"%.40s\" is no point in time from 1970 on, such as 2026-11-23T08:30:00Z",
             json_is_string(value) ? json_string_value(value) : "");
    return false;
}

void reply_store(call *request, store_status status, const char *message)
{
    switch (status) {
    case STORE_OK:
    case STORE_BROKEN:
        reply_error(request, 500, "store", "the store of events is broken: %s", message);
        break;
    case STORE_NOT_FOUND:
        reply_error(request, 404, "not-found", "%s", message && *message ? message : "the store has no such entry");
        break;
    case STORE_CONFLICT:
        reply_error(request, 409, "conflict", "this Idempotency-Key was sent before with another request");
        break;
    case STORE_FULL:
        reply_error(request, 507, "store-full", "nothing was written: %s", message);
        break;
    case STORE_INVALID:
        reply_error(request, 400, "body", "%s", message);
        break;
    case STORE_UNCERTAIN:
        reply_header(request, "Retry-After", "1");
        reply_error(request, 503, "store-uncertain",
                    "the connection to the store broke while writing; send it again with the same Idempotency-Key: %s",
                    message);
        break;
    case STORE_UNAVAILABLE:
        reply_header(request, "Retry-After", "1");
        reply_error(request, 503, "store-unavailable", "the store of events does not answer, nothing was written: %s",
                    message);
        break;
    }
}

bool call_worker(call *request)
{
    char why[512];
    if (!request->worker)
        request->worker = worker_of(request->server, why, sizeof why);
    if (request->worker)
        return true;
    reply_header(request, "Retry-After", "1");
    reply_error(request, 503, "store-unavailable", "%s", why);
    return false;
}
