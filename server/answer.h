/* SPDX-License-Identifier: Apache-2.0
 *
 * Small pieces that all answers are made of.
 */
#ifndef TOPN_SERVER_ANSWER_H
#define TOPN_SERVER_ANSWER_H

#include "call.h"
#include "store.h"

/* A text as JSON whatever its bytes: what is not UTF-8 becomes U+FFFD. NULL is null. */
json_t *text_value(const char *text);
/* null where the number is not finite. */
json_t *number_value(double number);
/* "2026-11-23T00:12:01Z". */
json_t *time_value(int64_t seconds);
/* Seconds since 1970 of a whole number (seconds, or milliseconds where they would be a year past 5138), of
 * YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]]][Z|±HH:MM], UTC without a zone. false with `why`. */
bool time_read(const json_t *value, int64_t *out, char *why, size_t why_size);

/* What a failed call of the store is answered with: 400, 404, 409, 503, 507 or 500. */
void reply_store(call *call, store_status status, const char *message);
/* This thread's worker in call->worker; otherwise replies 503, and returns false. */
bool call_worker(call *call);

#endif
