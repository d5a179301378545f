/* SPDX-License-Identifier: Apache-2.0
 *
 * Expressions of filters as trees:
 *
 *     any   = all { OR all }
 *     all   = one { AND one }
 *     one   = NOT one | "(" any ")" | HAS name | name compare value | name [NOT] IN "(" value { "," value } ")"
 *
 * compare is = == != < <= > >=; a name or value is a word of letters, digits, '_', '-', '.', ':' and bytes beyond
 * ASCII, or a text in single or double quotes, with \ before a quote or \.
 */
#ifndef TOPN_RETRIEVE_FILTER_PARSE_H
#define TOPN_RETRIEVE_FILTER_PARSE_H

#include "retrieve/attributes.h"

/* What an expression may be at most: it may come from anybody. */
enum { FILTER_LONGEST = 65536, FILTER_DEEPEST = 64, FILTER_COMPARISONS = 256 };

typedef enum filter_kind {
    FILTER_AND,
    FILTER_OR,
    FILTER_NOT,
    FILTER_HAS,
    FILTER_IN, /* also =, with one value */
    FILTER_LESS,
    FILTER_AT_MOST,
    FILTER_MORE,
    FILTER_AT_LEAST
} filter_kind;

typedef struct filter_node {
    filter_kind kind;
    uint32_t left, right;       /* nodes; NOT has a left one only */
    const attribute *attribute; /* of HAS and comparisons */
    uint32_t first, count;      /* values of a comparison */
} filter_node;

typedef struct filter_tree {
    filter_node *nodes; /* [count] */
    uint32_t count, capacity, root, comparisons;
    const char **values; /* [value_count] in texts */
    uint32_t value_count, value_capacity;
    char *texts; /* of all words, each with its NUL */
} filter_tree;

/* OPTION with the place in the expression. The tree lends attributes. O(length). */
topn_status filter_parse(topn_context *context, const topn_attributes *attributes, const char *expression,
                         filter_tree *out);
void filter_tree_clear(filter_tree *tree);

#endif
