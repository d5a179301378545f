/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/recommend_many.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/threads.h"
#include "retrieve/encode.h"
#include "retrieve/filter.h"
#include "retrieve/panel_search.h"
#include "retrieve/query.h"

enum {
    BLOCKS_PER_THREAD = 4,        /* in one group, so that uneven blocks level out */
    INDEX_BLOCK = 16,             /* users that a thread takes at a time where an index answers each by itself */
    GROUP_RESULT_BYTES = 64 << 20 /* answers held between two rounds of callbacks */
};

/* One thread's memory. */
typedef struct worker {
    block_scorer *scorer;   /* of exact retrievers */
    index_query *index;     /* of approximate ones */
    history *histories;     /* [block] */
    uint32_t *items;        /* [longest] histories in the model's numbering, when there is a map */
    float *weights;         /* [longest] */
    unsigned char *refused; /* [items] */
} worker;

typedef struct round_state {
    const recommend_job *job;
    worker *workers; /* [worker_count] */
    size_t worker_count;
    panel_search *search;   /* the way without scores in memory, which takes all threads; NULL: blocks by threads */
    unsigned char *refused; /* [items] with `search`, what the filters refuse to everybody; NULL = nothing */
    size_t block;           /* users scored together */
    size_t group;           /* users between two rounds of callbacks, a multiple of block */
    size_t n;               /* ≤ items */
    uint32_t *item_out;     /* [group × n] */
    float *score_out;       /* [group × n] */
    size_t *found;          /* [group] */
} round_state;

static uint32_t user_at(const recommend_job *job, size_t place)
{
    return job->users ? job->users[place] : (uint32_t)place;
}

/* Events in the largest block of `block` users: what a worker's arrays must hold. */
static uint64_t longest_block(const recommend_job *job, size_t block)
{
    uint64_t longest = 0;
    for (size_t begin = 0; begin < job->user_count; begin += block) {
        uint64_t events = 0;
        for (size_t place = begin; place < job->user_count && place < begin + block; place++) {
            const uint32_t user = user_at(job, place);
            events += job->histories->indptr[user + 1] - job->histories->indptr[user];
        }
        if (events > longest)
            longest = events;
    }
    return longest;
}

/* What the filters say of everybody, and whether the history is one that the model has a row for. */
static void add_context(const recommend_job *job, uint32_t user, history *out)
{
    const topn_model *model = job->retriever->model;
    const bool kept = job->histories == &model->histories;
    const uint32_t known = kept ? user : job->user_map ? job->user_map[user] : UINT32_MAX;
    out->values = job->filters->context;
    out->features = job->filters->features;
    out->feature_values = job->filters->feature_values;
    out->feature_count = job->filters->feature_count;
    if (job->features && !out->feature_count) {
        const uint64_t begin = job->features->indptr[user];
        out->features = job->features->indices + begin;
        out->feature_values = job->features->values + begin;
        out->feature_count = job->features->indptr[user + 1] - begin;
    }
    out->user = known;
    out->trained = model_user_rows(model) && is_trained_history(model, known, out);
}

/* Fills own->histories for `count` users from `begin` on. */
static void gather_histories(const recommend_job *job, worker *own, size_t begin, size_t count)
{
    const sparse_matrix *rows = job->histories;
    size_t filled = 0;
    for (size_t place = 0; place < count; place++) {
        const uint32_t user = user_at(job, begin + place);
        const uint64_t first = rows->indptr[user], last = rows->indptr[user + 1];
        history *user_history = &own->histories[place];
        if (!job->item_map) {
            user_history->items = rows->indices + first;
            user_history->weights = rows->values ? rows->values + first : NULL;
            user_history->length = last - first;
            add_context(job, user, user_history);
            continue;
        }
        user_history->items = own->items + filled;
        user_history->weights = rows->values ? own->weights + filled : NULL;
        const size_t start = filled;
        for (uint64_t at = first; at < last; at++) {
            const uint32_t item = job->item_map[rows->indices[at]];
            if (item == UINT32_MAX)
                continue;
            own->items[filled] = item;
            own->weights[filled] = rows->values ? rows->values[at] : 1.0f;
            filled++;
        }
        user_history->length = filled - start;
        add_context(job, user, user_history);
    }
}

/* The answers of `count` users from `begin` on, into the group's slots from `slot` on. */
static topn_status answer_block(round_state *state, worker *own, size_t begin, size_t count, size_t slot)
{
    const recommend_job *job = state->job;
    const uint32_t items = job->retriever->model->items;
    float *scores;
    gather_histories(job, own, begin, count);
    const topn_status status = block_scores(own->scorer, own->histories, count, &scores);
    if (status != TOPN_OK)
        return status;
    for (size_t place = 0; place < count; place++) {
        float *row = scores + place * items;
        const history *user_history = &own->histories[place];
        mask_scores(row, items, job->filters, user_history->items, user_history->length, own->refused);
        const size_t at = (slot + place) * state->n;
        state->found[slot + place] = select_top(row, items, state->n, state->item_out + at, state->score_out + at);
    }
    return TOPN_OK;
}

/* The same through an index. */
static topn_status search_block(round_state *state, worker *own, size_t begin, size_t count, size_t slot)
{
    gather_histories(state->job, own, begin, count);
    for (size_t place = 0; place < count; place++) {
        const size_t at = (slot + place) * state->n;
        const topn_status status =
            index_query_answer(own->index, &own->histories[place], state->job->filters, state->n, state->item_out + at,
                               state->score_out + at, &state->found[slot + place]);
        if (status != TOPN_OK)
            return status;
    }
    return TOPN_OK;
}

/* The answers of users begin … end−1 with all threads at once, without their scores in memory. */
static topn_status search_group(round_state *state, size_t begin, size_t end)
{
    const panel_filter filter = {.refused = state->refused, .include_seen = state->job->filters->include_seen};
    worker *own = &state->workers[0];
    gather_histories(state->job, own, begin, end - begin);
    return panel_search_run(state->search, own->histories, end - begin, &filter, state->item_out, state->score_out,
                            state->found);
}

static int score_blocks(round_state *state, size_t begin, size_t end)
{
    const size_t blocks = (end - begin + state->block - 1) / state->block;
    int failed = 0; /* the largest status: the same whichever thread comes first */
#pragma omp parallel for num_threads((int)state->worker_count) schedule(dynamic, 1) reduction(max : failed)
    for (size_t block = 0; block < blocks; block++) {
        const size_t first = begin + block * state->block;
        const size_t count = end - first < state->block ? end - first : state->block;
        worker *own = &state->workers[thread_index()];
        const int status =
            (int)(own->index ? search_block : answer_block)(state, own, first, count, block * state->block);
        if (status > failed)
            failed = status;
    }
    return failed;
}

static topn_status score_group(topn_context *context, round_state *state, size_t begin, size_t end)
{
    const int failed = state->search ? (int)search_group(state, begin, end) : score_blocks(state, begin, end);
    if (failed == TOPN_ERROR_NUMERIC)
        return fail_encode(context, state->job->retriever->model);
    return failed ? fail(context, TOPN_ERROR_MEMORY, "recommend: no memory to score a block of %zu users", state->block)
                  : TOPN_OK;
}

static topn_status create_searcher(topn_context *context, const topn_retriever *retriever, worker *own, size_t *block)
{
    topn_status status;
    if (retriever->view) {
        TRY(index_query_create(context, retriever, &own->index));
        *block = INDEX_BLOCK;
    } else {
        TRY(block_scorer_create(context, retriever, &own->scorer));
        *block = block_scorer_users(own->scorer);
    }
done:
    return status;
}

/* One worker gathers the histories of the whole group. */
static topn_status allocate_search(topn_context *context, round_state *state)
{
    const recommend_job *job = state->job;
    const topn_request *filters = job->filters;
    const size_t threads = context->threads > 1 ? (size_t)context->threads : 1;
    topn_status status;
    TRY(panel_search_create(context, job->retriever, state->n, job->user_count, threads, &state->search));
    state->block = state->group = panel_search_users(state->search);
    state->worker_count = 1;
    if (filters->allow || filters->deny_count || filters->filter_count) {
        TRY(ALLOCATE(context, job->retriever->model->items, &state->refused));
        mark_refused(filters, NULL, 0, job->retriever->model->items, state->refused);
    }
done:
    return status;
}

static topn_status allocate_blocks(topn_context *context, round_state *state)
{
    const recommend_job *job = state->job;
    topn_status status;
    TRY(create_searcher(context, job->retriever, &state->workers[0], &state->block));
    /* Blocks for all threads. Long lists of answers: fewer users at a time, whose bits don't depend on their block. */
    const size_t even = (job->user_count + state->worker_count - 1) / state->worker_count;
    if (even < state->block)
        state->block = even;
    const size_t answer_bytes = state->n * (sizeof(uint32_t) + sizeof(float));
    const size_t affordable = GROUP_RESULT_BYTES / (answer_bytes ? answer_bytes : 1);
    const size_t per_block = affordable / (state->worker_count * BLOCKS_PER_THREAD);
    if (per_block < state->block)
        state->block = per_block ? per_block : 1;
    state->group = state->block * state->worker_count * BLOCKS_PER_THREAD;
    for (size_t index = 0; index < state->worker_count; index++) {
        size_t block;
        if (index)
            TRY(create_searcher(context, job->retriever, &state->workers[index], &block));
        TRY(ALLOCATE(context, job->retriever->model->items, &state->workers[index].refused));
    }
done:
    return status;
}

static topn_status allocate_workers(topn_context *context, round_state *state)
{
    const recommend_job *job = state->job;
    topn_status status;
    TRY(ALLOCATE_ZEROED(context, state->worker_count, &state->workers));
    if (panel_search_serves(job->retriever, state->n))
        TRY(allocate_search(context, state));
    else
        TRY(allocate_blocks(context, state));
    const uint64_t longest = job->item_map ? longest_block(job, state->block) : 0;
    for (size_t index = 0; index < state->worker_count; index++) {
        worker *own = &state->workers[index];
        TRY(ALLOCATE(context, state->block, &own->histories));
        TRY(ALLOCATE(context, longest, &own->items));
        TRY(ALLOCATE(context, longest, &own->weights));
    }
    TRY(ALLOCATE(context, state->group * state->n, &state->item_out));
    TRY(ALLOCATE(context, state->group * state->n, &state->score_out));
    TRY(ALLOCATE(context, state->group, &state->found));
done:
    return status;
}

static void free_workers(round_state *state)
{
    for (size_t index = 0; state->workers && index < state->worker_count; index++) {
        block_scorer_free(state->workers[index].scorer);
        index_query_free(state->workers[index].index);
        free(state->workers[index].histories);
        free(state->workers[index].items);
        free(state->workers[index].weights);
        free(state->workers[index].refused);
    }
    free(state->workers);
    panel_search_free(state->search);
    free(state->refused);
    free(state->item_out);
    free(state->score_out);
    free(state->found);
}

/* Says once how much of the histories the model does not know. */
static void report_unknown(topn_context *context, const recommend_job *job)
{
    size_t users = 0;
    uint64_t events = 0;
    for (size_t place = 0; job->item_map && place < job->user_count; place++) {
        const uint32_t user = user_at(job, place);
        uint64_t unknown = 0;
        for (uint64_t at = job->histories->indptr[user]; at < job->histories->indptr[user + 1]; at++)
            unknown += job->item_map[job->histories->indices[at]] == UINT32_MAX;
        users += unknown != 0;
        events += unknown;
    }
    if (users)
        log_line(context, "recommend: %zu of %zu users have items that the model does not know; %llu events left out",
                 users, job->user_count, (unsigned long long)events);
}

topn_status recommend_many(topn_context *context, const recommend_job *job)
{
    topn_status status = TOPN_OK;
    const uint32_t items = job->retriever->model->items;
    round_state state = {.job = job, .n = job->n < items ? job->n : items};
    report_unknown(context, job);
    if (job->user_count == 0)
        return TOPN_OK;
    state.worker_count = context->threads > 1 ? (size_t)context->threads : 1;
    if (state.worker_count > job->user_count)
        state.worker_count = job->user_count;
    TRY(allocate_workers(context, &state));
    for (size_t begin = 0; begin < job->user_count; begin += state.group) {
        const size_t end = job->user_count - begin < state.group ? job->user_count : begin + state.group;
        TRY(score_group(context, &state, begin, end));
        for (size_t place = begin; place < end; place++) {
            const size_t at = (place - begin) * state.n;
            if (!job->callback(user_at(job, place), state.item_out + at, state.score_out + at,
                               state.found[place - begin], job->user_data))
                TRY(fail(context, TOPN_ERROR_CANCELLED, "recommend: cancelled after %zu of %zu users", place + 1,
                         job->user_count));
        }
        TRY(progress_report(context, "recommend", "users", end, job->user_count, NAN));
    }
done:
    free_workers(&state);
    return status;
}
