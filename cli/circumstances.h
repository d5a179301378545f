/* SPDX-License-Identifier: Apache-2.0
 *
 * In which context somebody asks, and his features: --context FIELD=VALUE (several times) and --features.
 */
#ifndef TOPN_CLI_CIRCUMSTANCES_H
#define TOPN_CLI_CIRCUMSTANCES_H

#include "session.h"

struct circumstances {
    uint32_t *values; /* [fields of the model], or NULL without fields */
    uint32_t *features;
    float *numbers; /* [feature_count] */
    size_t feature_count;
};

/* What is said of the model's fields and features; a warning for each value and feature that it does not know. A field
 * that it does not know is an error. */
int circumstances_find(struct session *session, const topn_model *model, struct circumstances *out);
/* Puts them into a request. */
void circumstances_apply(const struct circumstances *from, topn_request *request);
void circumstances_clear(struct circumstances *known);

#define CIRCUMSTANCES_OPTIONS                                                                                          \
    {"context", 0, "FIELD=VALUE", "",                                                                                  \
     "the context that the answer is for, such as hour=evening; may be given for several fields"},                     \
    {                                                                                                                  \
        "features", 0, "NAME,NAME=N", "", "features of the user asked about, such as gender=F,age=25"                  \
    }

#endif
