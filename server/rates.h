/* SPDX-License-Identifier: Apache-2.0
 *
 * How often one key or address may ask: a bucket that fills at the rate and holds what one second brings (one request
 * at least). The table is bounded: of those that share a slot, the one that has been quiet for longest makes room, and
 * begins again with a full bucket when it returns.
 */
#ifndef TOPN_SERVER_RATES_H
#define TOPN_SERVER_RATES_H

#include <stddef.h>
#include <stdint.h>

typedef struct rates rates;

/* rate: requests a second, > 0. NULL without memory. */
rates *rates_create(double rate);
void rates_free(rates *rates);
/* Takes one request of `who` at the time `now` (microseconds of a clock that only goes forward): 0 when there was one
 * to take, else seconds, 1 or more, after which there is. */
unsigned rates_take(rates *rates, const char *who, uint64_t now);

#endif
