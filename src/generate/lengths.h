/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOPN_GENERATE_LENGTHS_H
#define TOPN_GENERATE_LENGTHS_H

#include "base/context.h"
#include "generate/shape.h"

/* indptr [users + 1]: where each user's events begin, with lengths as shape.h says and exactly `events` in all.
 * users ≤ events ≤ users · items. */
topn_status lengths_draw(topn_context *context, const shape *like, uint32_t users, uint32_t items, uint64_t events,
                         uint64_t *indptr);

#endif
