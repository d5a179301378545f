/* SPDX-License-Identifier: Apache-2.0
 *
 * Every option a command takes: its own, the common ones, and those of the library's tables, under one roof for the
 * parser, --help, the man pages and the completions.
 */
#ifndef TOPN_CLI_CATALOG_H
#define TOPN_CLI_CATALOG_H

#include "command.h"

typedef struct catalog_option {
    const char *name;
    char letter;
    bool boolean, own;
    topn_option_type type;
    topn_kind kind;    /* of the table, unless own */
    const char *entry; /* registry entry of the table, unless own */
    char *argument;    /* "FILE", "a|b|c"; "" for booleans */
    char *standard;    /* default or "" */
    char *bounds;      /* or "" */
    char *search;      /* what `topn tune` looks through: "1 … 20000 (log)", "cosine|jaccard"; or "" */
    const char *help;
} catalog_option;

typedef struct catalog {
    catalog_option *options; /* [count] */
    size_t count, capacity;
} catalog;

/* Returns an exit code. */
int catalog_create(topn_context *context, const struct command *command, catalog *out);
void catalog_clear(catalog *catalog);
/* The first option of that name, NULL when there is none. */
const catalog_option *catalog_find(const catalog *catalog, const char *name);
const catalog_option *catalog_find_letter(const catalog *catalog, char letter);
/* The name nearest to a misspelt one, or NULL. */
const char *catalog_nearest(const catalog *catalog, const char *name);
/* "ease" for entries of kinds that have several; the title of the section otherwise: "Reading". */
const char *catalog_kind_title(topn_kind kind);
/* Kinds in the order in which they are shown; TOPN_KIND_COUNT past the end. */
topn_kind catalog_kind_at(size_t index);
/* Whether a kind has entries among which the command chooses (methods, protocols, export formats, retrievers). */
bool catalog_kind_chooses(topn_kind kind);
/* Whether the command takes entry `index` of the kind: those that don't choose a retriever score exactly, with its
 * first entry. */
bool catalog_offers(const struct command *command, topn_kind kind, size_t index);

#endif
