/* SPDX-License-Identifier: Apache-2.0
 *
 * Points in time as text: seconds since 1970 (or milli-, micro- or nanoseconds, known by their size), or ISO 8601
 * dates.
 */
#ifndef TOPN_BASE_TIMESTAMP_H
#define TOPN_BASE_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From here on a number counts milliseconds: as seconds it would be the year 5138. */
#define TIMESTAMP_SECONDS_END INT64_C(100000000000)

/* Whole seconds of a number of seconds, milliseconds, microseconds or nanoseconds; *scaled is set for the latter. */
int64_t timestamp_scale(int64_t number, bool *scaled);
/* A number, or YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]]][Z|±HH[:]MM] of a day that the calendar has, also with '/' in the
 * date; without a zone it is UTC. false = neither. */
bool timestamp_read(const char *text, size_t length, int64_t *out, bool *scaled);
/* The same for a whole C string, such as an option's value. */
bool timestamp_parse(const char *text, int64_t *out);

#endif
