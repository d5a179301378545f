/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/order.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "numeric/sparse.h"

typedef struct ranked_item {
    uint64_t key;
    uint32_t item;
} ranked_item;

static int ascending(const void *a, const void *b)
{
    const ranked_item *left = a, *right = b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return (left->item > right->item) - (left->item < right->item);
}

/* Number of items that share a user with each item, itself included. */
static topn_status co_counts(topn_context *context, const sparse_matrix *x, ranked_item *items)
{
    topn_status status;
    sparse_matrix xt = {0};
    uint32_t *stamp = NULL; /* [threads × items], last item that marked it, plus 1 */
    TRY(sparse_transpose(context, x, &xt));
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads * x->columns, &stamp));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
    for (uint32_t item = 0; item < x->columns; item++) {
        uint32_t *mark = stamp + (size_t)thread_index() * x->columns;
        uint64_t count = 0;
        for (uint64_t at = xt.indptr[item]; at < xt.indptr[item + 1]; at++) {
            const uint32_t user = xt.indices[at];
            for (uint64_t other = x->indptr[user]; other < x->indptr[user + 1]; other++) {
                count += mark[x->indices[other]] != item + 1;
                mark[x->indices[other]] = item + 1;
            }
        }
        items[item].key = count;
    }
done:
    sparse_clear(&xt);
    free(stamp);
    return status;
}

topn_status item_order_compute(topn_context *context, const sparse_matrix *x, item_order order, uint32_t *item_at)
{
    topn_status status = TOPN_OK;
    ranked_item *items = NULL;
    TRY(ALLOCATE_ZEROED(context, x->columns, &items));
    for (uint32_t item = 0; item < x->columns; item++)
        items[item] = (ranked_item){.item = item,
                                    .key = order == ORDER_RANDOM ? random_bits(context->seed, RANDOM_ORDER, item) : 0};
    if (order == ORDER_POPULAR_FIRST || order == ORDER_POPULAR_LAST)
        for (uint64_t at = 0; at < x->indptr[x->rows]; at++)
            items[x->indices[at]].key++;
    if (order == ORDER_CO_COUNT_FIRST || order == ORDER_CO_COUNT_LAST)
        TRY(co_counts(context, x, items));
    if (order == ORDER_POPULAR_FIRST || order == ORDER_CO_COUNT_FIRST)
        for (uint32_t item = 0; item < x->columns; item++)
            items[item].key = UINT64_MAX - items[item].key;
    qsort(items, x->columns, sizeof *items, ascending);
    for (uint32_t position = 0; position < x->columns; position++)
        item_at[position] = items[position].item;
done:
    free(items);
    return status;
}
