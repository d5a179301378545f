/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/step.h"

#include <string.h>

#include "train/sampled/step_team.h"

void step_figures_add(step_figures *sum, const step_figures *more)
{
    sum->loss += more->loss;
    sum->positives += more->positives;
    sum->draws += more->draws;
    sum->rounds += more->rounds;
    sum->rejected += more->rejected;
    sum->alone += more->alone;
    sum->sampling += more->sampling;
    sum->scoring += more->scoring;
    sum->updates += more->updates;
}

/* Notes of the items of a batch where they are no rows of a table: slots of the distinct ones, and what they get. */
static topn_status note_slots(topn_context *context, const step_setup *setup, step_team *team)
{
    topn_status status;
    const drawn_batch *drawn = team->drawn;
    row_gradients_begin(team->slots);
    TRY(row_gradients_note(context, team->slots, (size_t)drawn->place.count * team->each, drawn->items, team->pulls,
                           team->phi, team->stride, team->example_of, false));
    if (setup->shared)
        TRY(row_gradients_note(context, team->slots, team->shared_count, team->shared, NULL, team->shared_d_psi,
                               team->stride, NULL, false));
done:
    return status;
}

topn_status step_items(topn_context *context, const step_setup *setup, step_team *team)
{
    topn_status status = TOPN_OK;
    const batch_place *place = &team->drawn->place;
    const uint32_t *items;
    if (team->plain_items)
        return TOPN_OK;                    /* item_rows is the table, and index the items */
    TRY(note_slots(context, setup, team)); /* the pulls are not there yet, and noted again in pull_back */
    const size_t distinct = row_gradients_rows(team->slots, &items, &team->index);
    TRY(tower_forward(context, &setup->towers->items, team->item_batch, (uint32_t)distinct, items, NULL, true,
                      (uint64_t)place->sweep * setup->towers->positives.count + place->begin, team->threads,
                      team->psi));
done:
    return status;
}

/* What rows of both sides get. */
static topn_status pull_back(topn_context *context, const step_setup *setup, step_team *team)
{
    topn_status status = TOPN_OK;
    const drawn_batch *drawn = team->drawn;
    const tower *contexts = &setup->towers->contexts, *items = &setup->towers->items;
    for (size_t table = 0; table < team->table_count; table++)
        row_gradients_begin(team->gradients[table]);
    if (team->plain_contexts)
        TRY(row_gradients_note(context, team->gradients[contexts->fields[0].table], drawn->place.count, team->touched,
                               NULL, team->d_phi, team->context_stride, NULL, true));
    else
        TRY(tower_backward(context, contexts, team->context_batch, team->d_phi, team->threads, team->gradients));
    if (team->plain_items) {
        row_gradients *own = team->gradients[items->fields[0].table];
        TRY(row_gradients_note(context, own, (size_t)drawn->place.count * team->each, drawn->items, team->pulls,
                               team->phi, team->stride, team->example_of, true));
        if (setup->shared)
            TRY(row_gradients_note(context, own, team->shared_count, team->shared, NULL, team->shared_d_psi,
                                   team->stride, NULL, true));
    } else {
        TRY(note_slots(context, setup, team));
        row_gradients_sum_into(team->slots, team->threads, team->d_psi);
        TRY(tower_backward(context, items, team->item_batch, team->d_psi, team->threads, team->gradients));
    }
done:
    return status;
}

/* Adds up what the threads counted for the first `count` batches, in an order of its own where it is about the loss. */
static void collect(step_team *team, size_t count, step_figures *figures)
{
    for (size_t n = 0; n < count; n++) {
        const drawn_batch *drawn = &team->drawn[n];
        figures->positives += drawn->place.count;
        for (uint32_t e = 0; e < drawn->place.count; e++)
            figures->loss += drawn->losses[e];
    }
    for (int thread = 0; thread < team->threads; thread++) {
        step_thread *own = &team->each_thread[thread];
        figures->draws += own->draws;
        figures->rounds += own->rounds;
        figures->rejected += own->rejected;
        figures->alone += own->alone;
        figures->sampling += own->sampling / team->threads;
        figures->scoring += own->scoring / team->threads;
        figures->updates += own->updates / team->threads;
        own->draws = own->rounds = own->rejected = own->alone = 0;
        own->sampling = own->scoring = own->updates = 0;
    }
}

topn_status step_gradients(topn_context *context, const step_setup *setup, step_team *team, const batch_place *place,
                           step_figures *figures)
{
    topn_status status = TOPN_OK;
    const tower *contexts = &setup->towers->contexts;
    const uint64_t first = (uint64_t)place->sweep * setup->towers->positives.count + place->begin;
    const drawn_batch *drawn = team->drawn;
    step_phase next = PHASE_TAKE, last = setup->shared ? PHASE_EMBED : team->plain_items ? PHASE_JUDGE : PHASE_DRAW;
    team->drawn->place = *place;
    if (!team->plain_contexts) {
        step_phases(setup, team, PHASE_TAKE, PHASE_TAKE);
        TRY(tower_forward(context, contexts, team->context_batch, place->count, drawn->contexts, drawn->own, true,
                          first, team->threads, team->context_rows));
        next = PHASE_EMBED;
    }
    step_phases(setup, team, next, last);
    if (setup->shared)
        TRY(step_shared(context, setup, team));
    else if (!team->plain_items) {
        TRY(step_items(context, setup, team));
        step_phases(setup, team, PHASE_JUDGE, PHASE_JUDGE);
    }
    const double start = clock_seconds();
    TRY(pull_back(context, setup, team));
    figures->updates += clock_seconds() - start;
    collect(team, 1, figures);
done:
    return status;
}

/* One batch by its noted gradients. */
static topn_status step_noted(topn_context *context, const step_setup *setup, step_team *team, const batch_place *place,
                              const step_setting *step, step_figures *figures)
{
    topn_status status;
    step_setting own = *step;
    own.threads = team->threads;
    TRY(step_gradients(context, setup, team, place, figures));
    const double start = clock_seconds();
    row_gradients_apply_all(team->table_count, team->gradients, setup->towers->tables, &own);
    figures->updates += clock_seconds() - start;
done:
    return status;
}

size_t step_batches_at_once(const step_team *team)
{
    return team->drawn_count;
}

topn_status step_batches(topn_context *context, const step_setup *setup, step_team *team, size_t count,
                         const batch_place *places, const step_setting *steps, step_figures *figures)
{
    topn_status status = TOPN_OK;
    if (team->by_rows) {
        step_rows(setup, team, count, places, steps);
        collect(team, count, figures);
        return status;
    }
    for (size_t n = 0; n < count; n++)
        TRY(step_noted(context, setup, team, &places[n], &steps[n], figures));
done:
    return status;
}

row_gradients *const *step_team_gradients(const step_team *team)
{
    return team->gradients;
}
