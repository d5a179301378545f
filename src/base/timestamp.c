/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timestamp.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* `count` digits at *at, which moves past them; −1 when there are not as many. */
static int digits(const char **at, int count)
{
    int value = 0;
    for (int index = 0; index < count; index++) {
        const char digit = (*at)[index];
        if (digit < '0' || digit > '9')
            return -1;
        value = 10 * value + (digit - '0');
    }
    *at += count;
    return value;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; years count from March, so that the leap day is last. */
static int64_t days_since_1970(int year, int month, int day)
{
    const int64_t years = month > 2 ? year : year - 1;
    const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return 365 * years + years / 4 - years / 100 + years / 400 + day_of_year - 719468;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* "HH:MM[:SS][Z]" up to the end of the text, as seconds; −1 when it is not one. */
static int parse_clock(const char *at)
{
    const int hour = digits(&at, 2);
    if (hour < 0 || hour > 23 || *at++ != ':')
        return -1;
    const int minute = digits(&at, 2);
    int second = 0;
    if (*at == ':') {
        at++;
        second = digits(&at, 2);
    }
    if (*at == 'Z')
        at++;
    if (minute < 0 || minute > 59 || second < 0 || second > 59 || *at)
        return -1;
    return 3600 * hour + 60 * minute + second;
}

static bool parse_date(const char *at, int64_t *out)
{
    const int year = digits(&at, 4);
    if (year < 1 || *at++ != '-')
        return false;
    const int month = digits(&at, 2);
    if (month < 1 || month > 12 || *at++ != '-')
        return false;
    const int day = digits(&at, 2);
    if (day < 1 || day > days_of_month(year, month))
        return false;
    int seconds = 0;
    if (*at == 'T' || *at == ' ')
        seconds = parse_clock(at + 1);
    else if (*at && strcmp(at, "Z") != 0)
        return false;
    if (seconds < 0)
        return false;
    *out = 86400 * days_since_1970(year, month, day) + seconds;
    return true;
}

bool timestamp_parse(const char *text, int64_t *out)
{
    const char *first = text + (*text == '-' || *text == '+');
    if (*first && strspn(first, "0123456789") == strlen(first)) {
        errno = 0;
        const long long number = strtoll(text, NULL, 10);
        if (errno)
            return false;
        *out = number;
        return true;
    }
    return parse_date(text, out);
}
