/* SPDX-License-Identifier: Apache-2.0
 *
 * How an answer is wanted: the parameters that all resources with lists of items share.
 */
#ifndef TOPN_SERVER_WISHES_H
#define TOPN_SERVER_WISHES_H

#include "call.h"

enum {
    MOST_DIVERSE = 200,   /* items of a list that is made diverse: each costs a comparison with all candidates */
    MOST_EXPLAINED = 100, /* items of a list with reasons */
};

typedef struct wishes {
    size_t n, offset;
    const char *filter; /* expression, or NULL. Lent by the call */
    double diversity;   /* 0 … 1, 0 = none */
    bool explain, include_seen;
    bool exact; /* in place of the index that the server searches by default */
} wishes;

/* Rows of route_parameter. */
#define WISHES_OF_LISTS                                                                                                \
    {.name = "n", .type = "integer", .standard = "10", .help = "items wanted, 1 to the server's --max-number"},        \
        {.name = "offset", .type = "integer", .standard = "0", .help = "items of the list to leave out at its start"}, \
    {                                                                                                                  \
        .name = "filter", .type = "string",                                                                            \
        .help = "only items that this expression holds for: genre=Drama AND year>=1990"                                \
    }
#define WISHES_OF_LISTS_OF_ITEMS                                                                                       \
    WISHES_OF_LISTS,                                                                                                   \
        {.name = "diversity",                                                                                          \
         .type = "number",                                                                                             \
         .standard = "0",                                                                                              \
         .help = "0 to 1: how much an item that is like those before it gives way to others"},                         \
    {                                                                                                                  \
        .name = "retriever", .type = "string", .help = "exact or index; by default what the server was started with"   \
    }
#define WISHES_OF_USERS                                                                                                \
    WISHES_OF_LISTS_OF_ITEMS,                                                                                          \
        {.name = "explain",                                                                                            \
         .type = "boolean",                                                                                            \
         .standard = "false",                                                                                          \
         .help = "true: with the items of the history that speak most for each item"},                                 \
        {.name = "include_seen",                                                                                       \
         .type = "boolean",                                                                                            \
         .standard = "false",                                                                                          \
         .help = "true: items of the history may appear too"},                                                         \
        WISHES_OF_CONTEXTS
#define WISHES_OF_CONTEXTS                                                                                             \
    {                                                                                                                  \
        .name = "context.", .type = "string",                                                                          \
        .help = "the context of the request, for models that know such: context.hour=evening", .prefix = true          \
    }

/* What the route takes of these; the rest stays 0. Otherwise replies 400, and returns false. */
bool wishes_read(call *call, wishes *out);

#endif
