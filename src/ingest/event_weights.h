/* SPDX-License-Identifier: Apache-2.0
 *
 * What events weigh besides what the file says: by their kind ("view:1,cart:3,buy:10", in place of a number in the
 * weight column), and less the older they are.
 */
#ifndef TOPN_INGEST_EVENT_WEIGHTS_H
#define TOPN_INGEST_EVENT_WEIGHTS_H

#include "base/context.h"

enum { EVENT_KINDS = 64, EVENT_KIND_NAME = 64 };

typedef struct event_weights {
    struct {
        char name[EVENT_KIND_NAME];
        float weight;
    } kinds[EVENT_KINDS]; /* [count] */
    size_t count;
} event_weights;

/* OPTION naming the part that is wrong. */
topn_status event_weights_parse(topn_context *context, const char *text, event_weights *out);
/* NULL where the kind is not listed. */
const float *event_weights_find(const event_weights *from, const unsigned char *name, size_t length);

/* "30d", "12h", "2w", "1y" (365.25 days), or seconds. OPTION. */
topn_status half_life_parse(topn_context *context, const char *text, double *seconds);
/* 2^(−age / half-life), of 60 half-lives and more as of 60: a weight stays above 0. */
float half_life_factor(int64_t age, double half_life);

#endif
