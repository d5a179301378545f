/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/panel_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "retrieve/cache.h"
#include "retrieve/encode.h"
#include "retrieve/panel.h"
#include "retrieve/panel_offer.h"
#include "retrieve/top_list.h"

enum {
    LANES = PANEL_MOST_LANES,
    GROUP = PANEL_LEAST_LANES, /* lanes that one thread encodes: a cache line of a dimension */
    PANELS_PER_THREAD = 4,     /* in one run, at most */
    CLEARED = 4096,            /* dimensions that are cleared together */
    LEAST_SHARE = 8,           /* n is at most one in so many of the items */
    MOST_LIST_BYTES = 64 << 20 /* lists of one panel and thread */
};

/* One thread's memory. */
typedef struct searcher {
    float *tile_block, *tile; /* [PANEL_TILE_ROWS × LANES], aligned */
    float *row;               /* [dimensions] or NULL, for encode_lane */
    encode_scratch encode;
    lane_list *lists;  /* [panels × LANES], in items and scores */
    float *thresholds; /* [panels × LANES] */
    uint32_t *items;   /* [panels × LANES × lane_room(n)] */
    float *scores;     /* [panels × LANES × lane_room(n)] */
} searcher;

/* Items of one user's history. */
typedef struct seen_items {
    const uint32_t *items; /* [count], ascending */
    size_t count;
} seen_items;

struct panel_search {
    const topn_retriever *retriever;
    const panel_table *table; /* sparse item rows: lent by the retriever; else NULL */
    size_t dimensions, n, threads;
    size_t panels;       /* in one run, at most */
    float *panel_block;  /* what the panels lie in */
    float *panel;        /* [panels × dimensions × LANES], aligned; a panel of fewer lanes is packed */
    searcher *searchers; /* [threads] */
    seen_items *seen;    /* [panels × LANES] */
    uint32_t *sorted;    /* [sorted_capacity] histories that did not ascend */
    uint64_t sorted_capacity;
};

bool panel_search_serves(const topn_retriever *retriever, size_t n)
{
    const uint64_t list_bytes = (uint64_t)LANES * lane_room(n) * (sizeof(uint32_t) + sizeof(float));
    return retriever->rows && !retriever->view && n > 0 && n <= retriever->model->items / LEAST_SHARE &&
           list_bytes <= MOST_LIST_BYTES && !(retriever->cut && retriever->rows->form == TABLE_SPARSE);
}

static float *aligned(float *block)
{
    const uintptr_t address = (uintptr_t)block;
    return block + ((address + PANEL_ALIGNMENT - 1) / PANEL_ALIGNMENT * PANEL_ALIGNMENT - address) / sizeof(float);
}

static topn_status create_searcher(topn_context *context, const panel_search *search, searcher *own)
{
    const size_t spare = PANEL_ALIGNMENT / sizeof(float), users = search->panels * LANES;
    topn_status status;
    TRY(ALLOCATE(context, (size_t)PANEL_TILE_ROWS * LANES + spare, &own->tile_block));
    own->tile = aligned(own->tile_block);
    if (encode_needs_row(search->retriever))
        TRY(ALLOCATE(context, search->dimensions, &own->row));
    TRY(encode_scratch_create(context, search->retriever->model, &own->encode));
    TRY(ALLOCATE(context, users, &own->lists));
    TRY(ALLOCATE(context, users, &own->thresholds));
    TRY(ALLOCATE(context, users * lane_room(search->n), &own->items));
    TRY(ALLOCATE(context, users * lane_room(search->n), &own->scores));
done:
    return status;
}

/* Panels of one run: as the users need, the threads keep busy and the memory allows. */
static size_t choose_panels(const panel_search *search, size_t users)
{
    const uint64_t panel_bytes = (uint64_t)search->dimensions * LANES * sizeof(float);
    const uint64_t list_bytes =
        (uint64_t)LANES * lane_room(search->n) * (sizeof(uint32_t) + sizeof(float)) * search->threads;
    const uint64_t fitting = search->retriever->block_memory * search->threads / (panel_bytes + list_bytes + 1);
    const size_t useful = PANELS_PER_THREAD * search->threads, needed = (users + LANES - 1) / LANES;
    const size_t most = useful < needed ? useful : needed;
    return fitting < 1 || most < 1 ? 1 : fitting < most ? (size_t)fitting : most;
}

topn_status panel_search_create(topn_context *context, const topn_retriever *retriever, size_t n, size_t users,
                                size_t threads, panel_search **out)
{
    const size_t spare = PANEL_ALIGNMENT / sizeof(float);
    topn_status status;
    panel_search *search = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &search));
    search->retriever = retriever;
    search->dimensions = embedding_dimensions(retriever->rows);
    search->n = n;
    search->threads = threads;
    search->panels = choose_panels(search, users);
    if (retriever->rows->form == TABLE_SPARSE)
        TRY(cache_panel(context, retriever, &search->table));
    const size_t room = search->panels * search->dimensions * LANES + spare;
    TRY(ALLOCATE(context, room, &search->panel_block));
    memory_prefer_large_pages(search->panel_block, room * sizeof(float));
    search->panel = aligned(search->panel_block);
    TRY(ALLOCATE_ZEROED(context, threads, &search->searchers));
    for (size_t index = 0; index < threads; index++)
        TRY(create_searcher(context, search, &search->searchers[index]));
    TRY(ALLOCATE(context, search->panels * LANES, &search->seen));
    *out = search;
    return TOPN_OK;
done:
    panel_search_free(search);
    return status;
}

void panel_search_free(panel_search *search)
{
    if (!search)
        return;
    for (size_t index = 0; search->searchers && index < search->threads; index++) {
        searcher *own = &search->searchers[index];
        free(own->tile_block);
        free(own->row);
        encode_scratch_clear(&own->encode);
        free(own->lists);
        free(own->thresholds);
        free(own->items);
        free(own->scores);
    }
    free(search->searchers);
    free(search->panel_block);
    free(search->seen);
    free(search->sorted);
    free(search);
}

size_t panel_search_users(const panel_search *search)
{
    return search->panels * LANES;
}

static int compare_items(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static bool ascends(const history *user)
{
    for (size_t place = 1; place < user->length; place++)
        if (user->items[place - 1] >= user->items[place])
            return false;
    return true;
}

/* Everybody's history in ascending order: it lends itself where it is. */
static topn_status list_seen(panel_search *search, const history *users, size_t count, bool include_seen)
{
    uint64_t needed = 0, filled = 0;
    for (size_t user = 0; user < count; user++)
        if (!include_seen && !ascends(&users[user]))
            needed += users[user].length;
    if (needed > search->sorted_capacity) {
        const topn_status status = RESIZE(NULL, needed, &search->sorted);
        if (status != TOPN_OK)
            return status;
        search->sorted_capacity = needed;
    }
    for (size_t user = 0; user < count; user++) {
        search->seen[user] = (seen_items){.items = users[user].items, .count = include_seen ? 0 : users[user].length};
        if (include_seen || ascends(&users[user]))
            continue;
        memcpy(search->sorted + filled, users[user].items, users[user].length * sizeof *search->sorted);
        qsort(search->sorted + filled, users[user].length, sizeof *search->sorted, compare_items);
        search->seen[user].items = search->sorted + filled;
        filled += users[user].length;
    }
    return TOPN_OK;
}

static float *panel_of(const panel_search *search, size_t panel)
{
    return search->panel + panel * search->dimensions * LANES;
}

static size_t users_of(size_t panel, size_t count)
{
    return count - panel * LANES < LANES ? count - panel * LANES : LANES;
}

/* φ of the users in the lanes of group `group`, counted over all panels. */
static topn_status encode_group(const panel_search *search, const searcher *own, const history *users, size_t count,
                                size_t group)
{
    const size_t panel = group * GROUP / LANES, lanes = panel_lanes(users_of(panel, count));
    topn_status status = TOPN_OK;
    for (size_t user = group * GROUP; status == TOPN_OK && user < count && user < (group + 1) * GROUP; user++)
        status = encode_lane(search->retriever, &users[user], &own->encode, own->row,
                             panel_of(search, panel) + user % LANES, lanes);
    return status;
}

static int encode_all(const panel_search *search, const history *users, size_t count)
{
    const size_t panels = (count + LANES - 1) / LANES, groups = (count + GROUP - 1) / GROUP;
    const size_t stripes = (search->dimensions + CLEARED - 1) / CLEARED;
    int failed = 0; /* the largest status: the same whichever thread comes first */
#pragma omp parallel num_threads((int)search->threads)
    {
#pragma omp for schedule(dynamic, 1)
        for (size_t part = 0; part < panels * stripes; part++) {
            const size_t panel = part / stripes, begin = part % stripes * CLEARED;
            const size_t lanes = panel_lanes(users_of(panel, count));
            const size_t width = search->dimensions - begin < CLEARED ? search->dimensions - begin : CLEARED;
            memset(panel_of(search, panel) + begin * lanes, 0, width * lanes * sizeof(float));
        }
#pragma omp for schedule(dynamic, 1) reduction(max : failed)
        for (size_t group = 0; group < groups; group++) {
            const int status = (int)encode_group(search, &search->searchers[thread_index()], users, count, group);
            if (status > failed)
                failed = status;
        }
    }
    return failed;
}

static void clear_lists(const panel_search *search, searcher *own, size_t count)
{
    const size_t panels = (count + LANES - 1) / LANES, room = lane_room(search->n);
    for (size_t lane = 0; lane < panels * LANES; lane++) {
        own->lists[lane] =
            (lane_list){.items = own->items + lane * room, .scores = own->scores + lane * room, .n = search->n};
        if (lane < count) {
            own->lists[lane].seen = search->seen[lane].items;
            own->lists[lane].seen_left = search->seen[lane].count;
        }
        own->thresholds[lane] = lane < count ? -INFINITY : INFINITY;
    }
}

static void search_tile(const panel_search *search, searcher *own, size_t count, const panel_filter *filter,
                        size_t panel, uint32_t tile)
{
    const topn_model *model = search->retriever->model;
    const size_t users = users_of(panel, count);
    const panel_block block = {
        .panel = panel_of(search, panel), .tile = own->tile, .lanes = panel_lanes(users), .users = users};
    const panel_offer offer = {.lists = own->lists + panel * LANES,
                               .thresholds = own->thresholds + panel * LANES,
                               .priors = model->table.priors,
                               .biases = model->table.biases,
                               .refused = filter->refused};
    if (search->table)
        panel_tile(search->table, tile, &block, 0);
    else
        panel_tile_dense(&search->retriever->rows->dense, tile, &block, 0);
    panel_offer_tile(&offer, block.tile, block.lanes, tile * PANEL_TILE_ROWS, panel_tile_height(model->items, tile), 0);
}

/* One user's lists of all threads. */
static size_t merge_lists(panel_search *search, size_t user, uint32_t *item_out, float *score_out)
{
    top_list best = {.items = item_out, .scores = score_out, .room = search->n};
    for (size_t index = 0; index < search->threads; index++) {
        lane_list *list = &search->searchers[index].lists[user];
        lane_list_cut(list);
        for (size_t place = 0; place < list->count; place++)
            top_list_offer(&best, list->items[place], list->scores[place]);
    }
    top_list_sort(&best);
    return best.count;
}

topn_status panel_search_run(panel_search *search, const history *users, size_t count, const panel_filter *filter,
                             uint32_t *item_out, float *score_out, size_t *found)
{
    const size_t panels = (count + LANES - 1) / LANES;
    const size_t tiles = ((size_t)search->retriever->model->items + PANEL_TILE_ROWS - 1) / PANEL_TILE_ROWS;
    topn_status status = list_seen(search, users, count, filter->include_seen);
    if (status == TOPN_OK)
        status = (topn_status)encode_all(search, users, count);
    if (status != TOPN_OK)
        return status;
    for (size_t index = 0; index < search->threads; index++)
        clear_lists(search, &search->searchers[index], count);
#pragma omp parallel num_threads((int)search->threads)
    {
        /* A tile for all panels before the next one; each thread's tiles ascend, as panel_offer_tile asks. */
#pragma omp for schedule(monotonic : dynamic, 1)
        for (size_t part = 0; part < panels * tiles; part++)
            search_tile(search, &search->searchers[thread_index()], count, filter, part % panels,
                        (uint32_t)(part / panels));
#pragma omp for schedule(dynamic, GROUP)
        for (size_t user = 0; user < count; user++)
            found[user] = merge_lists(search, user, item_out + user * search->n, score_out + user * search->n);
    }
    return TOPN_OK;
}
