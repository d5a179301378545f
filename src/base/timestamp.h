/* SPDX-License-Identifier: Apache-2.0
 *
 * Points in time as users write them.
 */
#ifndef TOPN_BASE_TIMESTAMP_H
#define TOPN_BASE_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds since 1970-01-01 UTC from a whole number or YYYY-MM-DD[THH:MM[:SS]][Z]; a space may stand for the T. false
 * when text is anything else or names no day of the calendar. */
bool timestamp_parse(const char *text, int64_t *out);

#endif
