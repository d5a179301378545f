/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/step_team.h"

#include <stdlib.h>

#include "base/memory.h"

enum {
    SCORES_AT_ONCE = 1 << 23, /* of shared negatives: 32 MiB */
    TILE_ROWS = 32,
    FEW_NEGATIVES = 16,   /* of an example, to be looked through for equal ones */
    MOST_AHEAD = 1 << 14, /* items of a batch that is drawn ahead */
    BATCHES_AHEAD = 16
};

/* Rows of scores of shared negatives that are there at a time. */
static uint32_t rows_at_once(uint64_t batch, uint64_t shared)
{
    const uint64_t rows = SCORES_AT_ONCE / (shared ? shared : 1) / TILE_ROWS * TILE_ROWS,
                   least = rows ? rows : TILE_ROWS;
    return (uint32_t)(least < batch ? least : batch);
}

/* Batches whose examples are drawn ahead of their steps: two for each thread, so that all have something to do, where
 * batches are small and the steps do not matter to the draws. */
static uint32_t drawn_ahead(const step_setup *setup, const step_team *team)
{
    const bool ahead = team->by_rows && !team->in_turn && !setup->draws_by_model && team->threads > 1 &&
                       (uint64_t)setup->batch * team->each <= MOST_AHEAD;
    const uint32_t wanted = ahead ? 2 * (uint32_t)team->threads : 1;
    return wanted < BATCHES_AHEAD ? wanted : BATCHES_AHEAD;
}

static topn_status create_threads(topn_context *context, const step_setup *setup, step_team *team)
{
    topn_status status;
    const size_t m = team->each - 1;
    TRY(ALLOCATE_ZEROED(context, (size_t)team->threads, &team->each_thread));
    for (int thread = 0; thread < team->threads; thread++) {
        step_thread *own = &team->each_thread[thread];
        TRY(ALLOCATE(context, 1 + m, &own->scores));
        TRY(ALLOCATE(context, m, &own->pulls));
        TRY(ALLOCATE(context, m, &own->weights));
        TRY(ALLOCATE(context, m, &own->ranks));
        TRY(ALLOCATE_TABLE(context, team->stride, &own->phi));
        TRY(ALLOCATE_TABLE(context, team->context_stride, &own->d_phi));
        TRY(ALLOCATE(context, 1 + m, &own->item_pulls));
        TRY(ALLOCATE(context, 1 + m, &own->notes));
        TRY(ALLOCATE_TABLE(context, team->stride + team->context_stride, &own->gradient));
        const size_t scratch = !setup->shared && setup->sampler->scratch_bytes
                                   ? setup->sampler->scratch_bytes(setup->state, (uint32_t)m)
                                   : 0;
        TRY(memory_allocate_zeroed(context, scratch, 1, &own->scratch));
    }
done:
    return status;
}

static topn_status create_drawn(topn_context *context, const step_setup *setup, const step_team *team,
                                drawn_batch *drawn)
{
    topn_status status;
    const size_t batch = setup->batch, each = team->each;
    TRY(ALLOCATE(context, batch, &drawn->positives));
    TRY(ALLOCATE(context, batch, &drawn->contexts));
    TRY(ALLOCATE(context, batch, &drawn->own));
    TRY(ALLOCATE(context, batch * each, &drawn->items));
    TRY(ALLOCATE(context, batch * (each - 1), &drawn->log_counts));
    TRY(ALLOCATE(context, batch, &drawn->found));
    TRY(ALLOCATE(context, batch, &drawn->rounds));
    TRY(ALLOCATE(context, batch, &drawn->losses));
    if (!team->by_rows || team->in_turn)
        return status;
    TRY(row_groups_create(context, (uint32_t)batch, &drawn->groups[0]));
    TRY(row_groups_create(context, (uint32_t)(batch * each), &drawn->groups[1]));
done:
    return status;
}

static void clear_drawn(drawn_batch *drawn)
{
    free(drawn->positives);
    free(drawn->contexts);
    free(drawn->own);
    free(drawn->items);
    free(drawn->log_counts);
    free(drawn->found);
    free(drawn->rounds);
    free(drawn->losses);
    row_groups_clear(&drawn->groups[0]);
    row_groups_clear(&drawn->groups[1]);
}

static topn_status create_examples(topn_context *context, const step_setup *setup, step_team *team)
{
    topn_status status;
    const size_t batch = setup->batch, each = team->each, stride = team->stride, other = team->context_stride;
    TRY(ALLOCATE_ZEROED(context, team->drawn_count, &team->drawn));
    for (uint32_t n = 0; n < team->drawn_count; n++)
        TRY(create_drawn(context, setup, team, &team->drawn[n]));
    TRY(ALLOCATE(context, batch, &team->touched));
    TRY(ALLOCATE_TABLE(context, batch * stride, &team->phi));
    if (other == stride)
        team->context_rows = team->phi;
    else
        TRY(ALLOCATE_TABLE(context, batch * other, &team->context_rows));
    TRY(ALLOCATE_ZEROED(context, batch, &team->context_bias));
    TRY(ALLOCATE_TABLE(context, batch * (stride > other ? stride : other), &team->d_phi));
    TRY(ALLOCATE_ZEROED(context, batch * each, &team->pulls));
    TRY(ALLOCATE(context, batch * each, &team->example_of));
    for (size_t n = 0; n < batch * each; n++)
        team->example_of[n] = (uint32_t)(n / each);
done:
    return status;
}

static topn_status create_shared(topn_context *context, const step_setup *setup, step_team *team)
{
    topn_status status;
    const size_t room = setup->negatives, stride = team->stride;
    team->shared_room = setup->negatives;
    team->shared_rows = rows_at_once(setup->batch, room);
    TRY(ALLOCATE(context, room, &team->shared));
    TRY(ALLOCATE(context, room, &team->shared_log_counts));
    TRY(ALLOCATE(context, room, &team->shared_logs));
    TRY(ALLOCATE_ZEROED(context, setup->view.items, &team->last_at));
    TRY(ALLOCATE(context, room, &team->same_before));
    TRY(ALLOCATE(context, room * stride, &team->shared_psi));
    TRY(ALLOCATE(context, room * stride, &team->shared_d_psi));
    TRY(ALLOCATE(context, room * team->shared_rows, &team->shared_scores));
done:
    return status;
}

/* Most notes of items that a batch makes, and of these the distinct ones. */
static uint64_t most_items(uint64_t batch, uint64_t each, uint64_t shared)
{
    return batch * each + shared;
}

static topn_status create_towers(topn_context *context, const step_setup *setup, step_team *team)
{
    topn_status status = TOPN_OK;
    const tower *contexts = &setup->towers->contexts, *items = &setup->towers->items;
    const uint64_t notes = most_items(setup->batch, team->each, team->shared_room);
    const uint32_t distinct = (uint32_t)(notes < setup->view.items ? notes : setup->view.items);
    if (!team->plain_contexts)
        TRY(tower_batch_create(context, contexts, setup->batch, &team->context_batch));
    if (!team->plain_items) {
        const parameter_table rows = {.rows = setup->view.items, .width = team->stride};
        TRY(tower_batch_create(context, items, distinct, &team->item_batch));
        TRY(row_gradients_create(context, &rows, notes, &team->slots));
        TRY(ALLOCATE(context, distinct * team->stride, &team->psi));
        TRY(ALLOCATE(context, distinct * team->stride, &team->d_psi));
    }
    team->table_count = setup->towers->table_count;
    TRY(ALLOCATE_ZEROED(context, team->table_count, &team->gradients));
    for (size_t table = 0; table < team->table_count; table++) {
        const bool of_items = team->plain_items && items->fields[0].table == table;
        TRY(row_gradients_create(context, &setup->towers->tables[table], of_items ? notes : setup->batch,
                                 &team->gradients[table]));
    }
done:
    return status;
}

topn_status step_team_create(topn_context *context, const step_setup *setup, step_team **out)
{
    topn_status status;
    step_team *team;
    const tower *contexts = &setup->towers->contexts, *items = &setup->towers->items;
    TRY(ALLOCATE_ZEROED(context, 1, &team));
    team->threads = context->threads;
    team->dimensions = contexts->dimensions;
    team->stride = items->stride;
    team->context_stride = contexts->stride;
    team->plain_contexts = tower_is_plain(contexts);
    team->plain_items = tower_is_plain(items);
    team->each = setup->shared ? 1 : 1 + setup->negatives;
    team->by_rows = team->plain_contexts && team->plain_items && !setup->shared &&
                    contexts->fields[0].table != items->fields[0].table;
    team->in_turn = team->by_rows && setup->hogwild && setup->negatives <= FEW_NEGATIVES;
    team->drawn_count = drawn_ahead(setup, team);
    TRY(create_threads(context, setup, team));
    TRY(create_examples(context, setup, team));
    if (setup->shared)
        TRY(create_shared(context, setup, team));
    TRY(create_towers(context, setup, team));
    team->item_rows = team->plain_items ? setup->towers->tables[items->fields[0].table].values : team->psi;
    team->index = team->drawn->items;
done:
    if (status != TOPN_OK) {
        step_team_free(team);
        team = NULL;
    }
    *out = team;
    return status;
}

void step_team_free(step_team *team)
{
    if (!team)
        return;
    for (int thread = 0; team->each_thread && thread < team->threads; thread++) {
        free(team->each_thread[thread].scores);
        free(team->each_thread[thread].pulls);
        free(team->each_thread[thread].weights);
        free(team->each_thread[thread].ranks);
        free(team->each_thread[thread].phi);
        free(team->each_thread[thread].d_phi);
        free(team->each_thread[thread].item_pulls);
        free(team->each_thread[thread].notes);
        free(team->each_thread[thread].gradient);
        free(team->each_thread[thread].scratch);
    }
    free(team->each_thread);
    for (uint32_t n = 0; team->drawn && n < team->drawn_count; n++)
        clear_drawn(&team->drawn[n]);
    free(team->drawn);
    free(team->touched);
    if (team->context_rows != team->phi)
        free(team->context_rows);
    free(team->phi);
    free(team->context_bias);
    free(team->d_phi);
    free(team->pulls);
    free(team->example_of);
    free(team->shared);
    free(team->shared_log_counts);
    free(team->shared_logs);
    free(team->last_at);
    free(team->same_before);
    free(team->shared_psi);
    free(team->shared_d_psi);
    free(team->shared_scores);
    tower_batch_free(team->context_batch);
    tower_batch_free(team->item_batch);
    row_gradients_free(team->slots);
    free(team->psi);
    free(team->d_psi);
    for (size_t table = 0; team->gradients && table < team->table_count; table++)
        row_gradients_free(team->gradients[table]);
    free(team->gradients);
    free(team);
}

/* What a table's notes take; room for more than there is at first grows by half more than is needed. */
static uint64_t gradient_bytes(const parameter_table *table, uint64_t first, uint64_t notes, uint64_t threads)
{
    const uint64_t room = notes > first ? notes + notes / 2 : first;
    return row_gradients_bytes(table->rows, table->width, room) + 4 * (threads - 1) * table->width + 1024;
}

uint64_t step_team_bytes(const sampled_form *form, uint64_t batch, uint64_t negatives, bool shared, uint64_t threads)
{
    const tower *contexts = &form->contexts.side, *items = &form->items.side;
    const bool plain_contexts = tower_is_plain(contexts) && form->contexts.layer_count == 0,
               plain_items = tower_is_plain(items) && form->items.layer_count == 0;
    const uint64_t each = shared ? 1 : 1 + negatives, room = shared ? negatives : 0, stride = items->stride,
                   other = contexts->stride, wider = stride > other ? stride : other,
                   notes = most_items(batch, each, room), distinct = notes < items->entities ? notes : items->entities;
    const bool by_rows = plain_contexts && plain_items && !shared;
    const uint64_t most_ahead = 2 * threads < BATCHES_AHEAD ? 2 * threads : BATCHES_AHEAD,
                   ahead = by_rows && threads > 1 && batch * each <= MOST_AHEAD ? most_ahead : 1,
                   drawn = 512 + batch * (sizeof(positive) + 24) + batch * each * 12 +
                           (by_rows ? row_groups_bytes(batch) + row_groups_bytes(batch * each) : 0),
                   examples = batch * (8 + 4 * (stride + wider) + (other != stride ? 4 * other : 0)) + batch * each * 8,
                   thread = 256 + (32 + sizeof(row_note)) * each + 16 * wider;
    uint64_t bytes = sizeof(step_team) + ahead * drawn + examples + threads * thread;
    if (shared)
        bytes += room * (20 + 8 * stride + 4 * (uint64_t)rows_at_once(batch, room)) + 4 * (uint64_t)items->entities;
    if (!plain_contexts)
        bytes += tower_form_bytes(&form->contexts, batch, threads);
    if (!plain_items) {
        const parameter_table rows = {.rows = items->entities, .width = stride};
        bytes += tower_form_bytes(&form->items, distinct, threads) + gradient_bytes(&rows, notes, notes, threads) +
                 8 * distinct * stride;
    }
    for (size_t t = 0; t < form->table_count; t++) {
        const bool of_items = plain_items && items->fields[0].table == t;
        const uint64_t most = tower_form_notes(&form->contexts, batch, t) +
                              (of_items ? notes : tower_form_notes(&form->items, distinct, t));
        bytes += gradient_bytes(&form->tables[t], of_items ? notes : batch, most, threads);
    }
    return bytes;
}
