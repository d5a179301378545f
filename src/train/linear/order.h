/* SPDX-License-Identifier: Apache-2.0
 *
 * The order in which a factorisation takes the items (P1 §3.4).
 */
#ifndef TOPN_TRAIN_LINEAR_ORDER_H
#define TOPN_TRAIN_LINEAR_ORDER_H

#include "base/context.h"
#include "numeric/matrix.h"

#define ITEM_ORDER_CHOICES "popular-first|popular-last|co-count-first|co-count-last|random|given"

typedef enum item_order {
    ORDER_POPULAR_FIRST, /* most events first */
    ORDER_POPULAR_LAST,
    ORDER_CO_COUNT_FIRST, /* most items with a common user first */
    ORDER_CO_COUNT_LAST,
    ORDER_RANDOM,
    ORDER_GIVEN /* as in the data: sorted ids */
} item_order;

/* item_at [items]: model position → item. Ties by item index. O(events + items log items); co-counts O(Σ_u |I_u|²). */
topn_status item_order_compute(topn_context *context, const sparse_matrix *x, item_order order, uint32_t *item_at);

#endif
