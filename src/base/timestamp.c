/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timestamp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar: eras of 400 years that begin in March. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    const int64_t era = (year >= 0 ? year : year - 399) / 400;
    const unsigned year_of_era = (unsigned)(year - era * 400);
    const unsigned day_of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
    const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + (int64_t)day_of_era - 719468;
}

/* Reads exactly `width` digits. */
static bool digits(const char **at, const char *end, int width, unsigned *out)
{
    *out = 0;
    if (end - *at < width)
        return false;
    for (int place = 0; place < width; place++, (*at)++) {
        const unsigned digit = (unsigned char)**at - (unsigned)'0';
        if (digit > 9)
            return false;
        *out = 10 * *out + digit;
    }
    return true;
}

static bool accept(const char **at, const char *end, char what)
{
    if (*at == end || **at != what)
        return false;
    ++*at;
    return true;
}

/* "Z", "+01:00", "-0130", "+02"; nothing = UTC. */
static bool parse_zone(const char **at, const char *end, int64_t *seconds)
{
    *seconds = 0;
    if (*at == end || accept(at, end, 'Z'))
        return true;
    const int sign = accept(at, end, '-') ? -1 : accept(at, end, '+') ? 1 : 0;
    unsigned hours, minutes = 0;
    if (sign == 0 || !digits(at, end, 2, &hours))
        return false;
    accept(at, end, ':');
    if (*at != end && !digits(at, end, 2, &minutes))
        return false;
    *seconds = sign * (int64_t)(hours * 3600 + minutes * 60);
    return hours < 24 && minutes < 60;
}

static bool parse_clock(const char **at, const char *end, int64_t *seconds)
{
    unsigned hour, minute, second = 0;
    int64_t zone;
    if (!digits(at, end, 2, &hour) || !accept(at, end, ':') || !digits(at, end, 2, &minute))
        return false;
    if (accept(at, end, ':')) {
        if (!digits(at, end, 2, &second))
            return false;
        if (accept(at, end, '.'))
            while (*at < end && **at >= '0' && **at <= '9')
                ++*at;
    }
    accept(at, end, ' ');
    if (!parse_zone(at, end, &zone))
        return false;
    *seconds = (int64_t)(hour * 3600 + minute * 60 + second) - zone;
    return hour < 24 && minute < 60 && second < 61;
}

static bool parse_date(const char *at, const char *end, int64_t *out)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year, month, day;
    int64_t clock = 0;
    if (!digits(&at, end, 4, &year) || at == end || (*at != '-' && *at != '/'))
        return false;
    const char mark = *at++;
    if (!digits(&at, end, 2, &month) || !accept(&at, end, mark) || !digits(&at, end, 2, &day))
        return false;
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > lengths[month - 1] + (month == 2 && leap ? 1u : 0u))
        return false;
    if (accept(&at, end, 'T') || accept(&at, end, ' ')) {
        if (!parse_clock(&at, end, &clock))
            return false;
    } else {
        accept(&at, end, 'Z');
    }
    *out = days_from_date(year, month, day) * 86400 + clock;
    return at == end;
}

int64_t timestamp_scale(int64_t number, bool *scaled)
{
    int64_t unit = 1;
    const uint64_t size = number < 0 ? -(uint64_t)number : (uint64_t)number;
    for (uint64_t bound = (uint64_t)TIMESTAMP_SECONDS_END; unit < 1000000000 && size >= bound; bound *= 1000)
        unit *= 1000;
    if (unit == 1)
        return number;
    *scaled = true;
    return number / unit - (number % unit < 0);
}

bool timestamp_read(const char *text, size_t length, int64_t *out, bool *scaled)
{
    if (parse_date(text, text + length, out))
        return true;
    char copy[64], *end;
    if (length == 0 || length >= sizeof copy)
        return false;
    for (size_t at = 0; at < length; at++)
        if (!strchr("0123456789+-.eE", text[at]) || text[at] == '\0')
            return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    const double number = strtod(copy, &end);
    if (*end || end == copy || !(fabs(number) < 0x1p63))
        return false;
    const bool whole = !strpbrk(copy, ".eE");
    *out = timestamp_scale(whole ? (int64_t)strtoll(copy, NULL, 10) : (int64_t)floor(number), scaled);
    return true;
}

bool timestamp_parse(const char *text, int64_t *out)
{
    bool scaled = false;
    return timestamp_read(text, strlen(text), out, &scaled);
}
