/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/evaluation.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "evaluate/cases.h"
#include "evaluate/report.h"
#include "evaluate/user_ranking.h"
#include "retrieve/encode.h"
#include "retrieve/index_query.h"

#define LIST_METRICS "recall@20,ndcg@20,hit@20,recall-capped@20,recall-capped@50,ndcg@100"
#define DEFAULT_METRICS LIST_METRICS ",coverage"

static const option_row evaluation_options[] = {
    OPTION_TEXT(evaluation_params, metrics, "metrics", DEFAULT_METRICS,
                "what to measure, separated by commas; NAME@n looks at the first n items"),
    OPTION_INTEGER(evaluation_params, bootstrap, "bootstrap", 1000, 0, 1000000,
                   "resamples of the users for the intervals; 0 = no intervals"),
    OPTION_REAL(evaluation_params, confidence, "confidence", 0.95, 0.5, 0.9999, "coverage of the intervals"),
    OPTION_CHOICE(evaluation_params, unknown_items, "unknown-items", "miss", "miss|drop",
                  "hidden items that the model does not know: count them as misses or leave them out"),
    OPTION_BOOLEAN(evaluation_params, include_seen, "include-seen", false,
                   "rank the items that the user has seen, too"),
    OPTION_CHOICE(evaluation_params, per_context, "per-context", "auto", "auto|yes|no",
                  "a list for each context of a user that has hidden events, and not one for the user; auto: where the "
                  "hidden events have contexts and the model knows fields of them"),
    OPTION_CHOICE(
        evaluation_params, rank_items, "rank-items", "all", "all|hidden",
        "rank all items, or only those that some user has a hidden event on: after a split by cold-items, the "
        "held-out items among each other"),
    OPTION_INTEGER(evaluation_params, keep_lists, "keep-lists", 0, 0, UINT32_MAX,
                   "items of each user's list that the report keeps for programs, at most; --trec-run sets it"),
};

const option_table evaluation_option_table = OPTION_TABLE(evaluation_params, evaluation_options);

enum { INDEX_BLOCK = 16 }; /* users that a thread takes at a time where an index answers each by itself */

/* One thread's memory. Its own context keeps messages of threads apart. */
typedef struct worker {
    topn_context context;
    block_scorer *scorer; /* of exact retrievers */
    index_query *index;   /* of approximate ones, which answer with lists */
    history *histories;   /* [users of a block] */
    ranking_scratch scratch;
} worker;

/* One evaluation under way. */
typedef struct evaluation {
    const topn_model *model;
    const evaluation_params *params;
    metric_list metrics;
    evaluation_cases cases;
    uint32_t *unranked; /* [unranked_count] ascending, items that are ranked for nobody */
    size_t unranked_count;
    size_t kept; /* items of a list that the report keeps */
    bool sampled;
    double *novelty;           /* [items] when a metric needs it */
    const char *novelty_basis; /* whose events it was counted on */
    uint64_t **counts;         /* [metrics] → [items] for metrics over all lists, else NULL */
    worker *workers;           /* [threads] */
    int threads;
    size_t block_users, blocks;
    topn_status *block_status; /* [blocks] */
    char **block_message;      /* [blocks] NULL but where a block failed */
    topn_report *report;
} evaluation;

static void workers_free(evaluation *run)
{
    for (int thread = 0; run->workers && thread < run->threads; thread++) {
        worker *own = &run->workers[thread];
        block_scorer_free(own->scorer);
        index_query_free(own->index);
        free(own->histories);
        ranking_scratch_clear(&own->scratch);
    }
    free(run->workers);
}

static void evaluation_clear(evaluation *run)
{
    workers_free(run);
    for (size_t index = 0; run->counts && index < run->metrics.count; index++)
        free(run->counts[index]);
    for (size_t block = 0; run->block_message && block < run->blocks; block++)
        free(run->block_message[block]);
    free(run->counts);
    free(run->novelty);
    free(run->unranked);
    free(run->block_status);
    free(run->block_message);
    metric_list_clear(&run->metrics);
    cases_clear(&run->cases);
    topn_report_free(run->report);
}

/* counts[i] += events of `seen` on model item i. */
static topn_status count_seen(topn_context *context, const topn_model *model, const topn_data *seen, double *counts)
{
    uint64_t *totals = NULL; /* [items of seen] */
    const topn_status status = ALLOCATE_ZEROED(context, seen->item_ids.count, &totals);
    if (status != TOPN_OK)
        return status;
    for (uint64_t at = 0; at < seen->matrix.indptr[seen->matrix.rows]; at++)
        totals[seen->matrix.indices[at]]++;
    for (uint32_t index = 0; index < seen->item_ids.count; index++) {
        uint32_t item;
        if (id_index_find(&model->items_by_id, string_table_get(&seen->item_ids, index), &item))
            counts[item] += (double)totals[index];
    }
    free(totals);
    return TOPN_OK;
}

/* −log2 of the share of users who have each item: of the users the model keeps, or else of the seen data. */
static topn_status create_novelty(topn_context *context, evaluation *run, const topn_data *seen)
{
    topn_status status;
    const topn_model *model = run->model;
    const bool kept = model->user_ids.count > 0 && model->histories.indptr;
    const double users = kept ? model->histories.rows : seen->matrix.rows;
    TRY(ALLOCATE_ZEROED(context, model->items, &run->novelty));
    if (kept)
        for (uint64_t at = 0; at < model->histories.indptr[model->histories.rows]; at++)
            run->novelty[model->histories.indices[at]]++;
    else
        TRY(count_seen(context, model, seen, run->novelty));
    for (uint32_t item = 0; item < model->items; item++)
        run->novelty[item] = users > 0 ? -log2(fmax(run->novelty[item], 1) / users) : 0;
    run->novelty_basis = kept ? "users of the model" : "users of the seen events";
done:
    return status;
}

static size_t longest_list(const evaluation *run)
{
    return run->kept > run->metrics.largest_cutoff ? run->kept : run->metrics.largest_cutoff;
}

/* A scorer for every thread. The first one says how large a block is; the rest must fit beside it. */
static topn_status create_workers(topn_context *context, const topn_retriever *retriever, evaluation *run)
{
    topn_status status;
    run->threads = context->threads;
    TRY(ALLOCATE_ZEROED(context, (size_t)run->threads, &run->workers));
    for (int thread = 0; thread < run->threads; thread++) {
        worker *own = &run->workers[thread];
        own->context = (topn_context){.threads = 1, .seed = context->seed, .memory_limit = context->memory_limit};
        status = retriever->view ? index_query_create(&own->context, retriever, &own->index)
                                 : block_scorer_create(&own->context, retriever, &own->scorer);
        if (status != TOPN_OK) {
            const char *message = own->context.message;
            status = fail(context, status, "%s", *message ? message : topn_status_text(status));
            goto done;
        }
        run->block_users = own->index ? INDEX_BLOCK : block_scorer_users(own->scorer);
        TRY(ALLOCATE(context, run->block_users, &own->histories));
        TRY(ranking_scratch_create(context, longest_list(run), &own->scratch));
        if (thread == 0 && own->scorer)
            TRY(memory_check(context, "evaluation",
                             (uint64_t)(run->threads - 1) * run->block_users * run->model->items * sizeof(float),
                             "use fewer --threads"));
    }
    run->blocks = (run->cases.users + run->block_users - 1) / run->block_users;
    TRY(ALLOCATE_ZEROED(context, run->blocks, &run->block_status));
    TRY(ALLOCATE_ZEROED(context, run->blocks, &run->block_message));
done:
    return status;
}

/* Whether cases are contexts. */
static topn_status choose_contexts(topn_context *context, const evaluation *run, const topn_data *hidden, bool *out)
{
    const bool there = hidden->contexts.field_count > 0;
    *out = false;
    if (run->params->per_context == CONTEXTS_YES && !there)
        return fail(context, TOPN_ERROR_OPTION,
                    "option --per-context yes: the hidden events have no contexts; read them with --context-columns");
    *out = there && (run->params->per_context == CONTEXTS_YES ||
                     (run->params->per_context == CONTEXTS_AUTO && topn_model_fields(run->model) > 0));
    return TOPN_OK;
}

/* --rank-items hidden: the items without a hidden event of an evaluated user. */
static topn_status choose_items(topn_context *context, evaluation *run)
{
    topn_status status;
    bool *ranked = NULL;
    const item_rows *hidden = &run->cases.hidden;
    if (run->params->rank_items == RANK_ALL)
        return TOPN_OK;
    TRY(ALLOCATE_ZEROED(context, run->model->items, &ranked));
    TRY(ALLOCATE(context, run->model->items, &run->unranked));
    for (uint64_t at = 0; at < hidden->indptr[run->cases.users]; at++)
        ranked[hidden->items[at]] = true;
    for (uint32_t item = 0; item < run->model->items; item++)
        if (!ranked[item])
            run->unranked[run->unranked_count++] = item;
done:
    free(ranked);
    return status;
}

/* An index finds the first items of a ranking and scores no others. */
static topn_status check_index(topn_context *context, const evaluation *run, const char *kind)
{
    if (run->sampled)
        return fail(context, TOPN_ERROR_OPTION,
                    "given candidates are all scored: an index of kind %s has no part in it; evaluate them with "
                    "--retriever exact",
                    kind);
    for (size_t index = 0; index < run->metrics.count; index++) {
        const metric *wanted = run->metrics.requests[index].metric;
        if (wanted->needs & (NEED_AUC | NEED_SCORED))
            return fail(context, TOPN_ERROR_OPTION,
                        "option --metrics: \"%s\" looks at the scores of all items, of which an index of kind %s finds "
                        "the highest only; leave it out or use --retriever exact",
                        wanted->name, kind);
    }
    return TOPN_OK;
}

static topn_status prepare(topn_context *context, const topn_retriever *retriever, const topn_data *seen,
                           const topn_data *hidden, const topn_data *candidates, evaluation *run)
{
    topn_status status;
    const evaluation_params *params = run->params;
    bool contexts;
    const bool is_default = params->metrics && strcmp(params->metrics, DEFAULT_METRICS) == 0;
    const char *metrics = is_default && retriever->view ? LIST_METRICS : params->metrics; /* what lists can tell */
    TRY(metric_list_parse(context, metrics, run->model->items, is_default, &run->metrics));
    if (retriever->view)
        TRY(check_index(context, run, retriever->kind->name));
    run->kept = params->keep_lists < (int64_t)run->model->items ? (size_t)params->keep_lists : run->model->items;
    TRY(choose_contexts(context, run, hidden, &contexts));
    TRY(cases_create(context, run->model, seen, hidden, candidates, params->unknown_items == UNKNOWN_DROP, contexts,
                     &run->cases));
    TRY(choose_items(context, run));
    if (run->metrics.needs & NEED_NOVELTY)
        TRY(create_novelty(context, run, seen));
    TRY(ALLOCATE_ZEROED(context, run->metrics.count, &run->counts));
    for (size_t index = 0; index < run->metrics.count; index++)
        if (run->metrics.requests[index].metric->overall)
            TRY(ALLOCATE_ZEROED(context, run->model->items, &run->counts[index]));
    TRY(report_create(context, &run->metrics, run->sampled ? "sampled-" : "", run->cases.users, &run->report));
    TRY(string_table_pick(context, &hidden->user_ids, run->cases.hidden_users, (uint32_t)run->cases.users,
                          &run->report->user_ids));
    TRY(report_keep_lists(context, run->report, run->kept));
    TRY(create_workers(context, retriever, run));
done:
    return status;
}

static item_list row_of(const item_rows *rows, size_t user)
{
    if (!rows->indptr)
        return (item_list){0};
    return (item_list){.items = rows->items + rows->indptr[user], .count = rows->indptr[user + 1] - rows->indptr[user]};
}

/* All metrics of one ranking. Counts are whole numbers, so their order of addition changes nothing. */
static void measure(evaluation *run, const ranking *ranked, size_t user)
{
    const size_t metrics = run->metrics.count;
    for (size_t index = 0; index < metrics; index++) {
        const metric_request *request = &run->metrics.requests[index];
        if (request->metric->value) {
            run->report->values[user * metrics + index] = request->metric->value(ranked, request->cutoff);
            continue;
        }
        uint64_t *counts = run->counts[index];
        for (size_t rank = 0; rank < ranked->list_length && rank < request->cutoff; rank++) {
#pragma omp atomic
            counts[ranked->list[rank]]++;
        }
    }
}

/* Keeps the list for who asks the report. */
static void keep_list(evaluation *run, const ranking *ranked, const float *scores, size_t user)
{
    topn_report *report = run->report;
    const size_t length = ranked->list_length < run->kept ? ranked->list_length : run->kept;
    if (length == 0)
        return;
    report->list_lengths[user] = length;
    memcpy(report->list_items + user * run->kept, ranked->list, length * sizeof *ranked->list);
    memcpy(report->list_scores + user * run->kept, scores, length * sizeof *scores);
}

/* What the model is told of a case. */
static history case_history(const evaluation *run, size_t place)
{
    const evaluation_cases *cases = &run->cases;
    const item_list seen = row_of(&cases->seen, place), features = row_of(&cases->features, place);
    history out = {.items = seen.items,
                   .weights = cases->seen.weights ? cases->seen.weights + cases->seen.indptr[place] : NULL,
                   .length = seen.count,
                   .features = features.items,
                   .feature_values = features.count ? cases->features.weights + cases->features.indptr[place] : NULL,
                   .feature_count = features.count,
                   .values = cases->values ? cases->values + place * topn_model_fields(run->model) : NULL,
                   .user = cases->model_users[place]};
    out.trained = is_trained_history(run->model, out.user, &out);
    return out;
}

/* The metrics of users whom an index answers. */
static topn_status search_block(evaluation *run, worker *own, size_t first, size_t count)
{
    const topn_request filters = {
        .deny = run->unranked, .deny_count = run->unranked_count, .include_seen = run->params->include_seen};
    for (size_t user = first; user < first + count; user++) {
        const history asked = case_history(run, user);
        ranking ranked = {.list = own->scratch.list,
                          .hits = own->scratch.hits,
                          .relevant = run->cases.relevant[user],
                          .catalogue = run->model->items,
                          .novelty = run->novelty};
        if (index_query_answer(own->index, &asked, &filters, own->scratch.cutoff, own->scratch.list,
                               own->scratch.list_scores, &ranked.list_length) != TOPN_OK)
            return fail_encode(&own->context, run->model);
        mark_hits(&own->scratch, row_of(&run->cases.hidden, user), ranked.list_length);
        measure(run, &ranked, user);
        keep_list(run, &ranked, own->scratch.list_scores, user);
    }
    return TOPN_OK;
}

static topn_status evaluate_block(evaluation *run, worker *own, size_t block)
{
    topn_status status;
    const evaluation_cases *cases = &run->cases;
    const uint32_t items = run->model->items;
    const size_t first = block * run->block_users;
    const size_t left = cases->users - first, count = left < run->block_users ? left : run->block_users;
    float *scores;
    if (own->index)
        return search_block(run, own, first, count);
    for (size_t index = 0; index < count; index++)
        own->histories[index] = case_history(run, first + index);
    status = block_scores(own->scorer, own->histories, count, &scores);
    if (status == TOPN_ERROR_NUMERIC)
        status = fail_encode(&own->context, run->model);
    if (status != TOPN_OK)
        return status;
    for (size_t index = 0; index < count; index++) {
        const size_t user = first + index;
        const ranking_task task = {
            .hidden = row_of(&cases->hidden, user),
            .masked = run->params->include_seen ? (item_list){0} : row_of(&cases->seen, user),
            .candidates = row_of(&cases->candidates, user),
            .unranked = {run->unranked, run->unranked_count},
            .sampled = run->sampled,
            .relevant = cases->relevant[user],
            .needs = run->metrics.needs,
        };
        ranking ranked;
        TRY(rank_user(&own->context, &own->scratch, &task, scores + index * items, items, &ranked));
        ranked.novelty = run->novelty;
        measure(run, &ranked, user);
        keep_list(run, &ranked, own->scratch.list_scores, user);
    }
done:
    return status;
}

/* Blocks in rounds, with a progress report between two rounds. */
static topn_status evaluate_blocks(topn_context *context, evaluation *run)
{
    topn_status status;
    const size_t round = 4 * (size_t)run->threads;
    for (size_t first = 0; first < run->blocks; first += round) {
        const size_t last = first + round < run->blocks ? first + round : run->blocks;
        TRY(progress_report(context, "evaluate", "users", first * run->block_users, run->cases.users, NAN));
#pragma omp parallel for num_threads(run->threads) schedule(dynamic, 1)
        for (size_t block = first; block < last; block++) {
            worker *own = &run->workers[thread_index()];
            run->block_status[block] = evaluate_block(run, own, block);
            if (run->block_status[block] != TOPN_OK)
                memory_copy_text(NULL, own->context.message, &run->block_message[block]);
        }
        for (size_t block = first; block < last; block++)
            if (run->block_status[block] != TOPN_OK) {
                const char *message = run->block_message[block];
                return fail(context, run->block_status[block], "%s",
                            message && *message ? message : topn_status_text(run->block_status[block]));
            }
    }
    TRY(progress_report(context, "evaluate", "users", run->cases.users, run->cases.users, NAN));
    for (size_t index = 0; index < run->metrics.count; index++)
        if (run->counts[index])
            run->report->metrics[index].mean =
                run->metrics.requests[index].metric->overall(run->counts[index], run->model->items);
done:
    return status;
}

/* Candidates that a user is ranked on beside the hidden items, on average. */
static double mean_candidates(const evaluation_cases *cases)
{
    uint64_t total = 0;
    for (size_t user = 0; user < cases->users; user++) {
        const item_list hidden = row_of(&cases->hidden, user), candidates = row_of(&cases->candidates, user);
        total += candidates.count;
        for (size_t a = 0, b = 0; a < hidden.count && b < candidates.count;) {
            total -= hidden.items[a] == candidates.items[b];
            if (hidden.items[a] <= candidates.items[b])
                a++;
            else
                b++;
        }
    }
    return (double)total / (double)cases->users;
}

static topn_status state_protocol(topn_context *context, const evaluation *run, record *facts)
{
    topn_status status;
    const evaluation_cases *cases = &run->cases;
    if (run->sampled)
        TRY(record_set(context, facts, "protocol", "sampled candidates, %.1f per user, ranked with the hidden items",
                       mean_candidates(cases)));
    else if (run->params->rank_items == RANK_HIDDEN)
        TRY(record_set(context, facts, "protocol", "ranking of the %" PRIu32 " items that hidden events are on",
                       run->model->items - (uint32_t)run->unranked_count));
    else
        TRY(record_set(context, facts, "protocol", "full ranking of all %" PRIu32 " items", run->model->items));
    TRY(record_set(context, facts, "seen-items", "%s", run->params->include_seen ? "ranked, too" : "left out"));
    TRY(record_set(context, facts, "ties", "equal scores rank by item index; auc counts them one half"));
    TRY(record_set(context, facts, "unknown-items", "%s",
                   run->params->unknown_items == UNKNOWN_DROP ? "hidden items unknown to the model are left out"
                                                              : "hidden items unknown to the model count as misses"));
    if (run->params->bootstrap)
        TRY(record_set(context, facts, "interval",
                       "%g %% percentile bootstrap over users, %" PRId64 " resamples, seed %" PRIu64,
                       100 * run->params->confidence, run->params->bootstrap, context->seed));
    if (run->novelty_basis)
        TRY(record_set(context, facts, "novelty", "popularity counted on the %s", run->novelty_basis));
done:
    return status;
}

/* Counts that are 0 are not worth a line. */
static topn_status state_count(topn_context *context, record *facts, const char *key, uint64_t count)
{
    return count ? record_set(context, facts, key, "%" PRIu64, count) : TOPN_OK;
}

/* Distinct users of the cases, where those of a user follow each other. */
static size_t count_users(const evaluation_cases *cases)
{
    size_t users = 0;
    for (size_t place = 0; place < cases->users; place++)
        users += place == 0 || cases->hidden_users[place] != cases->hidden_users[place - 1];
    return users;
}

static topn_status state_facts(topn_context *context, const evaluation *run, const topn_retriever *retriever,
                               double seconds)
{
    topn_status status;
    record *facts = &run->report->facts;
    const evaluation_cases *cases = &run->cases;
    const char *method = record_get(&run->model->metadata, "method");
    TRY(record_set(context, facts, "method", "%s", method ? method : "unknown"));
    TRY(state_protocol(context, run, facts));
    TRY(record_set(context, facts, "users", "%zu", count_users(cases)));
    if (cases->contexts)
        TRY(record_set(context, facts, "contexts", "%zu, each a list of its own; intervals over users", cases->users));
    TRY(state_count(context, facts, "users-without-hidden-items", cases->without_hidden));
    TRY(state_count(context, facts, "users-without-candidates", cases->without_candidates));
    TRY(state_count(context, facts, "users-without-seen-items", cases->without_seen));
    TRY(record_set(context, facts, "hidden-events", "%" PRIu64,
                   cases->hidden.indptr[cases->users] + cases->hidden.unknown));
    TRY(state_count(context, facts, "hidden-events-unknown", cases->hidden.unknown));
    TRY(state_count(context, facts, "hidden-events-also-seen", cases->hidden_and_seen));
    TRY(record_set(context, facts, "seen-events", "%" PRIu64, cases->seen.indptr[cases->users] + cases->seen.unknown));
    TRY(state_count(context, facts, "seen-events-unknown", cases->seen.unknown));
    TRY(state_count(context, facts, "candidates-unknown", cases->candidates.unknown));
    char memory[24];
    memory_text((uint64_t)run->threads * run->block_users * run->model->items * sizeof(float), memory, sizeof memory);
    if (retriever->view)
        TRY(record_set(context, facts, "retriever", "%s, approximate: index.%s.overlap@100 of the model says how far",
                       retriever->kind->name, retriever->kind->name));
    else
        TRY(record_set(context, facts, "blocks", "%zu of %zu users; %s of scores at a time", run->blocks,
                       run->block_users, memory));
    TRY(record_set(context, facts, "threads", "%d", run->threads));
    TRY(record_set(context, facts, "seconds", "%.3f", seconds));
done:
    return status;
}

topn_status evaluate_run(topn_context *context, const topn_retriever *retriever, const topn_data *seen,
                         const topn_data *hidden, const topn_data *candidates, const void *params, topn_report **out)
{
    topn_status status;
    const double start = clock_seconds();
    evaluation run = {.model = retriever->model, .params = params, .sampled = candidates != NULL};
    *out = NULL;
    TRY(prepare(context, retriever, seen, hidden, candidates, &run));
    TRY(evaluate_blocks(context, &run));
    TRY(report_summarise(context, run.report, (size_t)run.params->bootstrap, run.params->confidence));
    TRY(state_facts(context, &run, retriever, clock_seconds() - start));
    *out = run.report;
    run.report = NULL;
done:
    evaluation_clear(&run);
    return status;
}
