/* SPDX-License-Identifier: Apache-2.0
 *
 * The items that an expression holds for. A comparison is decided once for each distinct value of its attribute, then
 * for the items by their values.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "retrieve/filter.h"
#include "retrieve/filter_parse.h"

typedef struct evaluation {
    topn_context *context;
    const filter_tree *tree;
    size_t words; /* of a set */
} evaluation;

/* holds[value] = 1 for the values that equal one of those of the node: the same text, or the same number. */
static void mark_equal(const filter_tree *tree, const filter_node *node, unsigned char *holds)
{
    const value_pool *values = &node->attribute->values;
    for (uint32_t at = 0; at < node->count; at++) {
        const char *text = tree->values[node->first + at];
        uint32_t same;
        double number;
        if (value_find(values, text, &same))
            holds[same] = 1;
        if (number_read(text, &number))
            for (uint32_t value = 0; value < values->count; value++)
                holds[value] |= values->numbers[value] == number;
    }
}

static bool in_order(filter_kind kind, int order)
{
    switch (kind) {
    case FILTER_LESS:
        return order < 0;
    case FILTER_AT_MOST:
        return order <= 0;
    case FILTER_MORE:
        return order > 0;
    default:
        return order >= 0;
    }
}

/* Beside a number only numbers count, in their order; beside another text all values, in byte order. */
static void mark_ordered(const filter_tree *tree, const filter_node *node, unsigned char *holds)
{
    const value_pool *values = &node->attribute->values;
    const char *text = tree->values[node->first];
    double bound;
    const bool number = number_read(text, &bound);
    for (uint32_t value = 0; value < values->count; value++) {
        const double own = values->numbers[value];
        holds[value] = number ? own == own && in_order(node->kind, (own > bound) - (own < bound))
                              : in_order(node->kind, strcmp(value_text(values, value), text));
    }
}

/* Items with a value that holds; entries ascend by item, so a word of the set is complete when the next begins. */
static void collect(const attribute *from, const unsigned char *holds, uint64_t *out)
{
    uint64_t bits = 0;
    size_t word = 0;
    for (size_t at = 0; at < from->count; at++) {
        const attribute_entry entry = from->entries[at];
        if (entry.item / 64 != word) {
            out[word] |= bits;
            word = entry.item / 64;
            bits = 0;
        }
        bits |= (uint64_t)holds[entry.value] << entry.item % 64;
    }
    if (from->count)
        out[word] |= bits;
}

static topn_status compare(const evaluation *run, const filter_node *node, uint64_t *out)
{
    topn_status status;
    unsigned char *holds = NULL; /* [values] */
    const attribute *from = attribute_settled(node->attribute);
    TRY(ALLOCATE_ZEROED(run->context, from->values.count, &holds));
    if (node->kind == FILTER_HAS)
        memset(holds, 1, from->values.count);
    else if (node->kind == FILTER_IN)
        mark_equal(run->tree, node, holds);
    else
        mark_ordered(run->tree, node, holds);
    memset(out, 0, run->words * sizeof *out);
    collect(from, holds, out);
done:
    free(holds);
    return status;
}

/* As deep as the tree, whose right and turned sides nest at most FILTER_DEEPEST and whose left ones as often as there
 * are comparisons. */
static topn_status evaluate(const evaluation *run, uint32_t at, uint64_t *out)
{
    topn_status status;
    const filter_node *node = &run->tree->nodes[at];
    uint64_t *right = NULL;
    if (node->kind != FILTER_AND && node->kind != FILTER_OR && node->kind != FILTER_NOT)
        return compare(run, node, out);
    TRY(evaluate(run, node->left, out));
    if (node->kind == FILTER_NOT) {
        for (size_t word = 0; word < run->words; word++)
            out[word] = ~out[word];
        return TOPN_OK;
    }
    TRY(ALLOCATE(run->context, run->words, &right));
    TRY(evaluate(run, node->right, right));
    for (size_t word = 0; word < run->words; word++)
        out[word] = node->kind == FILTER_AND ? out[word] & right[word] : out[word] | right[word];
done:
    free(right);
    return status;
}

topn_status filter_create_expression(topn_context *context, const topn_attributes *attributes, const char *expression,
                                     topn_filter **out)
{
    topn_status status;
    topn_filter *filter = NULL;
    filter_tree tree = {0};
    *out = NULL;
    TRY(filter_parse(context, attributes, expression, &tree));
    TRY(filter_create(context, attributes->model->items, &filter));
    const evaluation run = {context, &tree, ((size_t)filter->items + 63) / 64};
    TRY(evaluate(&run, tree.root, filter->bits));
    filter_finish(filter);
    *out = filter;
    filter = NULL;
done:
    filter_free(filter);
    filter_tree_clear(&tree);
    return status;
}
