/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/memory.h"
#include "data/interactions.h"

/* Place of the item in the user's row. */
static uint64_t find_pair(const topn_data *data, uint32_t user, uint32_t item)
{
    uint64_t low = data->matrix.indptr[user], high = data->matrix.indptr[user + 1];
    while (low + 1 < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (data->matrix.indices[middle] <= item)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Whether the event of a context is what its pair was merged to. */
static bool is_pair(const topn_data *data, uint64_t pair, uint64_t event)
{
    const data_contexts *contexts = &data->contexts;
    return contexts->events.values[event] == data->matrix.values[pair] &&
           (!data->times || contexts->times[event] == data->times[pair]);
}

/* Adds the events of contexts [from, to), all of one user: those that are the last of their pair, or all others. */
static void add_user(const topn_data *data, uint32_t from, uint32_t to, const uint64_t *last, bool lasts,
                     context_place *order, uint64_t *count)
{
    const data_contexts *contexts = &data->contexts;
    const uint64_t begin = data->matrix.indptr[contexts->users[from]];
    for (uint32_t row = from; row < to; row++)
        for (uint64_t at = contexts->events.indptr[row]; at < contexts->events.indptr[row + 1]; at++)
            if ((last[find_pair(data, contexts->users[row], contexts->events.indices[at]) - begin] == at) == lasts)
                order[(*count)++] = (context_place){at, row};
}

topn_status data_context_order(topn_context *context, const topn_data *data, context_place **out)
{
    topn_status status;
    const data_contexts *contexts = &data->contexts;
    const uint32_t rows = contexts->events.rows;
    uint64_t *last = NULL; /* [longest history] of each pair of a user */
    uint64_t longest = 0, count = 0;
    *out = NULL;
    for (uint32_t user = 0; user < data->matrix.rows; user++) {
        const uint64_t length = data->matrix.indptr[user + 1] - data->matrix.indptr[user];
        longest = length > longest ? length : longest;
    }
    TRY(ALLOCATE(context, longest, &last));
    TRY(ALLOCATE(context, topn_data_context_events(data), out));
    for (uint32_t from = 0, to; from < rows; from = to) {
        const uint32_t user = contexts->users[from];
        const uint64_t begin = data->matrix.indptr[user];
        for (uint64_t pair = begin; pair < data->matrix.indptr[user + 1]; pair++)
            last[pair - begin] = UINT64_MAX;
        for (to = from; to < rows && contexts->users[to] == user; to++) {
            for (uint64_t at = contexts->events.indptr[to]; at < contexts->events.indptr[to + 1]; at++) {
                const uint64_t pair = find_pair(data, user, contexts->events.indices[at]);
                if (is_pair(data, pair, at))
                    last[pair - begin] = at;
            }
        }
        add_user(data, from, to, last, false, *out, &count);
        add_user(data, from, to, last, true, *out, &count);
    }
done:
    free(last);
    return status;
}
