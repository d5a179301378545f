/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

enum { REPORTS = 64 }; /* of progress in a sweep */

/* A training under way. */
typedef struct trainer {
    const topn_data *data;
    const sampled_params *params;
    sampled_choice choice;
    sampled_towers towers;
    step_setup setup;
    float *snapshot;       /* [items × stride] ψ where items are no rows of a table; else NULL */
    step_team **teams;     /* [team_count] 1, or as many as threads with --hogwild */
    topn_context *own;     /* [team_count] of each team with --hogwild: one thread, no callbacks */
    topn_status *ended;    /* [team_count] */
    step_figures *figures; /* [team_count] of a sweep */
    int team_count;
    state_array *arrays; /* [array_count] */
    size_t array_count;
    double refreshing;  /* seconds of a sweep */
    step_figures total; /* of all sweeps */
    double total_refreshing;
    atomic_bool stop;
} trainer;

static void trainer_clear(trainer *at)
{
    for (int team = 0; at->teams && team < at->team_count; team++)
        step_team_free(at->teams[team]);
    free(at->teams);
    free(at->own);
    free(at->ended);
    free(at->figures);
    free(at->arrays);
    free(at->snapshot);
    if (at->setup.state)
        at->setup.sampler->free(at->setup.state);
    for (size_t table = 0; at->towers.tables && table < at->towers.table_count; table++)
        parameter_table_clear(&at->towers.tables[table]);
    at->choice.model->clear(&at->towers);
}

/* ---- Setting up -------------------------------------------------------------------------------------------------- */

static topn_status list_arrays(topn_context *context, trainer *at)
{
    topn_status status;
    sampled_towers *towers = &at->towers;
    TRY(ALLOCATE_ZEROED(context, towers->table_count * (1 + OPTIMIZER_ARRAYS), &at->arrays));
    for (size_t table = 0; table < towers->table_count; table++) {
        TRY(parameter_table_create_state(context, at->choice.optimizer, &towers->tables[table]));
        at->array_count +=
            parameter_table_arrays(&towers->tables[table], at->choice.optimizer, at->arrays + at->array_count);
    }
done:
    return status;
}

static topn_status create_view(topn_context *context, trainer *at)
{
    topn_status status = TOPN_OK;
    const tower *items = &at->towers.items;
    sampling_view *view = &at->setup.view;
    if (!tower_is_plain(items)) {
        TRY(ALLOCATE_TABLE(context, items->entities * items->stride, &at->snapshot));
        memset(at->snapshot, 0, items->entities * items->stride * sizeof(float));
    }
    *view = (sampling_view){
        .positives = &at->towers.positives,
        .item_rows = at->snapshot ? at->snapshot : items->tables[items->fields[0].table].values,
        .dimensions = items->dimensions,
        .item_stride = items->stride,
        .items = items->entities,
        .uncounted = !at->choice.corrected,
    };
done:
    return status;
}

static topn_status create_teams(topn_context *context, trainer *at)
{
    topn_status status;
    at->team_count = 1;
#ifdef _OPENMP
    if (at->params->hogwild)
        at->team_count = context->threads;
#endif
    const size_t count = (size_t)at->team_count;
    TRY(ALLOCATE_ZEROED(context, count, &at->teams));
    TRY(ALLOCATE_ZEROED(context, count, &at->own));
    TRY(ALLOCATE_ZEROED(context, count, &at->ended));
    TRY(ALLOCATE_ZEROED(context, count, &at->figures));
    for (size_t team = 0; team < count; team++) {
        at->own[team] = (topn_context){.threads = 1, .seed = context->seed, .memory_limit = context->memory_limit};
        status = step_team_create(at->params->hogwild ? &at->own[team] : context, &at->setup, &at->teams[team]);
        if (status != TOPN_OK && at->params->hogwild)
            memcpy(context->message, at->own[team].message, sizeof context->message);
        TRY(status);
    }
done:
    return status;
}

static topn_status trainer_create(topn_context *context, const topn_data *data, const sampled_params *params,
                                  const training_run *run, trainer *out)
{
    topn_status status;
    *out = (trainer){.data = data, .params = params, .choice = sampled_choose(params)};
    const sampled_choice *choice = &out->choice;
    TRY(choice->model->create(context, data, params, run ? run->start : NULL, &out->towers));
    const uint64_t count = out->towers.positives.count;
    const uint32_t items = out->towers.items.entities,
                   batch = (uint64_t)params->batch < count ? (uint32_t)params->batch : (uint32_t)count;
    out->setup = (step_setup){
        .towers = &out->towers,
        .loss = choice->loss,
        .loss_setting = {.surrogate = choice->surrogate,
                         .margin = params->margin,
                         .inverse_temperature = 1 / params->temperature},
        .sampler = choice->sampler,
        .exclusion = choice->exclusion,
        .weight = choice->weight,
        .ranks = {.items = items, .cutoff = (uint32_t)params->rank_cutoff},
        .negatives = choice->sampler->every_item    ? items
                     : choice->sampler->shared_only ? batch
                                                    : (uint32_t)params->negatives,
        .batch = batch,
        .shared = choice->shared,
        .corrected = choice->corrected,
        .draws_by_model = choice->traits.needs_model || choice->traits.needs_scores,
        .hogwild = params->hogwild,
        .seed = context->seed,
    };
    TRY(list_arrays(context, out));
    TRY(create_view(context, out));
    TRY(choice->sampler->create(context, &choice->sampling, choice->exclusion, &out->setup.view, &out->setup.state));
    TRY(create_teams(context, out));
done:
    return status;
}

/* ---- A sweep ----------------------------------------------------------------------------------------------------- */

/* Batches between two refreshes; UINT64_MAX: there is nothing to refresh. */
static uint64_t refresh_batches(const trainer *at)
{
    const sampler *by = at->choice.sampler;
    const uint64_t count = at->towers.positives.count;
    const sampler_traits *traits = &at->choice.traits;
    if ((!by->refresh || traits->live) && !(at->snapshot && (traits->needs_model || traits->needs_scores)))
        return UINT64_MAX;
    const double items = at->setup.view.items;
    double positives = by->refresh_after ? (double)by->refresh_after(&at->choice.sampling, at->setup.view.items)
                       : by->refresh     ? (double)count
                                         : items * log2(items + 1); /* a look at every item, as often as one may */
    if (!isnan(at->params->refresh))
        positives = at->params->refresh * (double)count;
    const double batches = round(positives / at->setup.batch);
    return batches < 1 ? 1 : batches < 1e18 ? (uint64_t)batches : (uint64_t)1e18;
}

static topn_status refresh(topn_context *context, trainer *at)
{
    topn_status status = TOPN_OK;
    const double start = clock_seconds();
    if (at->snapshot)
        TRY(tower_embed_all(context, &at->towers.items, at->snapshot));
    if (at->choice.sampler->refresh)
        TRY(at->choice.sampler->refresh(context, at->setup.state, &at->setup.view));
    at->refreshing += clock_seconds() - start;
done:
    return status;
}

/* How a batch of a sweep is stepped. */
static step_setting step_of(const trainer *at, int64_t sweep, uint64_t batch)
{
    const sampled_params *params = at->params;
    const uint64_t count = at->towers.positives.count, batches = (count + at->setup.batch - 1) / at->setup.batch;
    const double sweeps = (double)sweep + (double)batch / (double)batches;
    return (step_setting){
        .optimizer = at->choice.optimizer,
        .setting = {.rate = schedule_rate(at->choice.schedule, params->learning_rate, params->decay, params->warm_up,
                                          sweeps, (double)params->iteration.sweeps),
                    .beta1 = params->beta1,
                    .beta2 = params->beta2,
                    .epsilon = params->epsilon,
                    .step = (uint64_t)sweep * batches + batch + 1},
        .clip = params->clip,
    };
}

static batch_place place_of(const trainer *at, int64_t sweep, uint64_t batch)
{
    const uint64_t begin = batch * at->setup.batch, left = at->towers.positives.count - begin;
    return (batch_place){
        .sweep = sweep, .begin = begin, .count = left < at->setup.batch ? (uint32_t)left : at->setup.batch};
}

static topn_status report(topn_context *context, const trainer *at, uint64_t batch)
{
    const uint64_t count = at->towers.positives.count, batches = (count + at->setup.batch - 1) / at->setup.batch;
    if (batch % (batches / REPORTS + 1))
        return TOPN_OK;
    return progress_report(context, "examples", "positives", batch * at->setup.batch, count, NAN);
}

/* Every batch of one team; of several, each takes those of its own number. */
static topn_status run_team(topn_context *context, trainer *at, int team, int64_t sweep, uint64_t begin, uint64_t end)
{
    topn_status status = TOPN_OK;
    topn_context *own = at->params->hogwild ? &at->own[team] : context;
    const uint64_t teams = (uint64_t)at->team_count;
    const size_t most = step_batches_at_once(at->teams[team]);
    batch_place *places = NULL;
    step_setting *steps = NULL;
    TRY(ALLOCATE(own, most, &places));
    TRY(ALLOCATE(own, most, &steps));
    for (uint64_t batch = begin + (uint64_t)team; batch < end;) {
        size_t count = 0;
        if (atomic_load_explicit(&at->stop, memory_order_relaxed))
            break;
        for (; count < most && batch < end; count++, batch += teams) {
            if (team == 0)
                TRY(report(context, at, batch));
            places[count] = place_of(at, sweep, batch);
            steps[count] = step_of(at, sweep, batch);
        }
        TRY(step_batches(own, &at->setup, at->teams[team], count, places, steps, &at->figures[team]));
    }
done:
    free(places);
    free(steps);
    if (status != TOPN_OK)
        atomic_store(&at->stop, true);
    return status;
}

/* Batches begin … end − 1. Thread 0 is the one that called, and the one that reports. */
static topn_status run_batches(topn_context *context, trainer *at, int64_t sweep, uint64_t begin, uint64_t end)
{
    if (at->team_count == 1)
        return run_team(context, at, 0, sweep, begin, end);
#pragma omp parallel for num_threads(at->team_count) schedule(static, 1)
    for (int team = 0; team < at->team_count; team++)
        at->ended[team] = run_team(context, at, team, sweep, begin, end);
    for (int team = 0; team < at->team_count; team++) {
        if (at->ended[team] == TOPN_OK)
            continue;
        if (at->own[team].message[0])
            memcpy(context->message, at->own[team].message, sizeof context->message);
        return at->ended[team];
    }
    return TOPN_OK;
}

/* What the sweep cost. */
static void log_figures(topn_context *context, const trainer *at, const step_figures *of, double seconds)
{
    const double positives = (double)of->positives, teams = at->team_count;
    log_line(context,
             "%.4g positives/s; of a positive %.3g draws, %.3g rounds, %.3g rejected; %.2f %% without a negative; "
             "seconds: sampling %.2f, scores and loss %.2f, updates %.2f, refresh %.2f, all %.2f",
             positives / seconds, (double)of->draws / positives, (double)of->rounds / positives,
             (double)of->rejected / positives, 100 * (double)of->alone / positives, of->sampling / teams,
             of->scoring / teams, of->updates / teams, at->refreshing, seconds);
}

static topn_status trainer_sweep(topn_context *context, void *state, int64_t sweep, double *loss)
{
    topn_status status = TOPN_OK;
    trainer *at = state;
    const double start = clock_seconds();
    const uint64_t count = at->towers.positives.count, batches = (count + at->setup.batch - 1) / at->setup.batch,
                   every = refresh_batches(at);
    step_figures sum = {0};
    at->refreshing = 0;
    memset(at->figures, 0, (size_t)at->team_count * sizeof *at->figures);
    for (uint64_t begin = 0; begin < batches;) {
        const uint64_t end = batches - begin < every ? batches : begin + every;
        if (every != UINT64_MAX)
            TRY(refresh(context, at));
        TRY(run_batches(context, at, sweep, begin, end));
        begin = end;
    }
    TRY(progress_report(context, "examples", "positives", count, count, NAN));
    for (int team = 0; team < at->team_count; team++)
        step_figures_add(&sum, &at->figures[team]);
    *loss = sum.loss / (double)count;
    log_figures(context, at, &sum, clock_seconds() - start);
    step_figures_add(&at->total, &sum);
    at->total_refreshing += at->refreshing;
done:
    return status;
}

/* ---- Export ------------------------------------------------------------------------------------------------------ */

/* Figures of this run; what resumption does not repeat is "run.…", which no file keeps. */
static topn_status record_costs(topn_context *context, const trainer *at, topn_model *model)
{
    topn_status status;
    record *metadata = &model->metadata;
    const step_figures *of = &at->total;
    const double teams = at->team_count;
    TRY(record_set(context, metadata, "run.positives", "%" PRIu64, of->positives));
    TRY(record_set(context, metadata, "run.draws", "%" PRIu64, of->draws));
    TRY(record_set(context, metadata, "run.rounds", "%" PRIu64, of->rounds));
    TRY(record_set(context, metadata, "run.rejected", "%" PRIu64, of->rejected));
    TRY(record_set(context, metadata, "run.without-negative", "%" PRIu64, of->alone));
    TRY(record_set(context, metadata, "run.seconds.sampling", "%.3f", of->sampling / teams));
    TRY(record_set(context, metadata, "run.seconds.scoring", "%.3f", of->scoring / teams));
    TRY(record_set(context, metadata, "run.seconds.updates", "%.3f", of->updates / teams));
    TRY(record_set(context, metadata, "run.seconds.refresh", "%.3f", at->total_refreshing));
    if (at->params->hogwild)
        TRY(record_set(context, metadata, "train.reproducible", "no: --hogwild"));
done:
    return status;
}

static topn_status trainer_export(topn_context *context, void *state, topn_model *model)
{
    const trainer *at = state;
    const topn_status status = record_costs(context, at, model);
    return status == TOPN_OK ? at->choice.model->export(context, &at->towers, at->data, at->params, model) : status;
}

static topn_status trainer_finish(topn_context *context, void *state, topn_model *model)
{
    trainer *at = state;
    if (!at->choice.model->finish)
        return trainer_export(context, state, model);
    const topn_status status = record_costs(context, at, model);
    return status == TOPN_OK ? at->choice.model->finish(context, &at->towers, at->data, at->params, model) : status;
}

topn_status sampled_train(topn_context *context, const topn_data *data, const void *raw, const training_run *run,
                          topn_model *model)
{
    topn_status status;
    const sampled_params *params = raw;
    trainer at;
    TRY(trainer_create(context, data, params, run, &at));
    const iterated trained = {
        .state = &at,
        .arrays = at.arrays,
        .array_count = at.array_count,
        .sweep = trainer_sweep,
        .export = trainer_export,
        .finish = trainer_finish,
        .remedy = "a smaller --learning-rate, a shorter --clip, a smaller --batch or a larger --l2 helps",
    };
    TRY(iteration_run(context, data, &params->iteration, run, &trained, model));
done:
    trainer_clear(&at);
    return status;
}
