/* SPDX-License-Identifier: Apache-2.0
 *
 * Times as text: seconds since 1970 (or milli-, micro- or nanoseconds, known by their size), or ISO 8601 dates in UTC.
 */
#ifndef TOPN_INGEST_EVENT_TIME_H
#define TOPN_INGEST_EVENT_TIME_H

#include "base/context.h"

/* Beyond this a number counts milliseconds: as seconds it would be the year 5138. */
#define EVENT_TIME_SECONDS_END INT64_C(100000000000)

/* Whole seconds of a number of seconds, milliseconds, microseconds or nanoseconds; *scaled is set for the latter. */
int64_t event_time_scale(int64_t number, bool *scaled);
/* A number, or YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]][Z|±HH[:]MM]], also with '/' in the date. false = neither. */
bool event_time_parse(const char *text, size_t length, int64_t *out, bool *scaled);
/* Value of the option --name; OPTION when it is no time. */
topn_status event_time_option(topn_context *context, const char *name, const char *text, int64_t *out);

#endif
