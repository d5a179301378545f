/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches of models whose embeddings are rows of a table on both sides, with negatives of each example's own: what
 * nearly all matrix factorisation is. Two things make them fast.
 *
 * Most rows of a batch are met by one of its examples alone. Nobody else reads such a row before the next batch, so it
 * is stepped as soon as its example has been judged, while it is in the processor's nearest cache; only what several
 * examples meet waits until all of them are judged. The bits are those of a step after all gradients are there.
 *
 * Which rows these are is known once negatives are drawn. Samplers that do not look at the model draw for several
 * batches ahead, each by a thread of its own, so that nothing is left to one thread alone; with the others the threads
 * share a batch's draws.
 *
 * With --hogwild (`in_turn`) a batch is worked on example by example, all rows stepped at once: the steps that batches
 * of one example would make.
 */
#include <string.h>

#include "base/threads.h"
#include "train/sampled/step_team.h"

enum {
    JUDGED = 64,  /* examples of a task */
    STEPPED = 16, /* rows of a task */
    AHEAD = 4     /* examples whose rows are asked for before their turn */
};

/* One batch's tables and steps. */
typedef struct row_batch {
    const step_setup *setup;
    step_team *team;
    drawn_batch *drawn;
    const parameter_table *contexts, *items;
    const step_setting *step;
} row_batch;

static row_batch row_batch_of(const step_setup *setup, step_team *team, size_t n, const step_setting *steps)
{
    const sampled_towers *towers = setup->towers;
    return (row_batch){.setup = setup,
                       .team = team,
                       .drawn = &team->drawn[n],
                       .contexts = &towers->tables[towers->contexts.fields[0].table],
                       .items = &towers->tables[towers->items.fields[0].table],
                       .step = &steps[n]};
}

/* ---- Drawing ----------------------------------------------------------------------------------------------------- */

static void group_contexts(drawn_batch *drawn)
{
    row_groups_form(&drawn->groups[0], drawn->place.count, drawn->contexts);
}

static void group_items(const step_team *team, drawn_batch *drawn)
{
    row_groups_form(&drawn->groups[1], drawn->place.count * team->each, drawn->items);
}

/* A whole batch by one thread. */
static void draw_alone(const step_setup *setup, step_team *team, drawn_batch *drawn, step_thread *own)
{
    const double start = clock_seconds();
    const uint32_t count = drawn->place.count;
    step_take(setup, team, drawn, 0, count);
    if (setup->draws_by_model)
        step_embed(setup, team, drawn, 0, count);
    for (uint32_t begin = 0; begin < count; begin += STEP_BLOCK)
        step_draw(setup, team, drawn, own, begin, count - begin < STEP_BLOCK ? count : begin + STEP_BLOCK);
    if (!team->in_turn) {
        group_contexts(drawn);
        group_items(team, drawn);
    }
    own->sampling += clock_seconds() - start;
}

/* A batch by all threads of the parallel region that this is called in. */
static void draw_in_parts(const step_setup *setup, step_team *team, drawn_batch *drawn, step_thread *own)
{
    const uint32_t count = drawn->place.count, blocks = (count + STEP_BLOCK - 1) / STEP_BLOCK;
#pragma omp for schedule(dynamic, 1)
    for (uint32_t block = 0; block < blocks; block++) {
        const double start = clock_seconds();
        const uint32_t begin = block * STEP_BLOCK, end = count - begin < STEP_BLOCK ? count : begin + STEP_BLOCK;
        step_take(setup, team, drawn, begin, end);
        if (setup->draws_by_model)
            step_embed(setup, team, drawn, begin, end);
        step_draw(setup, team, drawn, own, begin, end);
        own->sampling += clock_seconds() - start;
    }
#pragma omp for schedule(dynamic, 1)
    for (int side = 0; side < 2; side++) {
        const double start = clock_seconds();
        if (side == 0)
            group_contexts(drawn);
        else
            group_items(team, drawn);
        own->sampling += clock_seconds() - start;
    }
}

/* ---- Judging and stepping ---------------------------------------------------------------------------------------- */

static void fetch_rows(const row_batch *at, uint32_t e)
{
    const uint32_t *items = at->drawn->items + (size_t)e * at->team->each;
    row_fetch(at->contexts, at->step, at->drawn->contexts[e]);
    for (uint32_t n = 0; n <= at->drawn->found[e]; n++)
        row_fetch(at->items, at->step, items[n]);
}

/* Loss and pulls of an example by its rows as they are. φ is the context's row or, where the item's bias needs a 1
 * behind it, a copy. */
static bool judge(const row_batch *at, step_thread *own, uint32_t e, judged_example *out)
{
    const size_t d = at->team->dimensions, stride = at->team->stride, width = at->contexts->width;
    const float *row = at->contexts->values + at->drawn->contexts[e] * width;
    *out = (judged_example){.e = e,
                            .phi = row,
                            .bias = width > d ? (double)row[d] : 0,
                            .index = at->drawn->items + (size_t)e * at->team->each,
                            .pulls = own->item_pulls,
                            .d_phi = own->d_phi};
    if (stride > d) {
        memcpy(own->phi, row, d * sizeof *row);
        own->phi[d] = 1;
        out->phi = own->phi;
    }
    return step_judge(at->setup, at->team, at->drawn, own, out);
}

/* Steps the rows that no other example meets, and leaves what the others get to their groups. */
static void step_own_rows(const row_batch *at, step_thread *own, const judged_example *example, bool touched)
{
    step_team *team = at->team;
    const uint32_t e = example->e, found = at->drawn->found[e], context = at->drawn->contexts[e];
    const uint32_t *places = at->drawn->groups[1].places + (size_t)e * team->each,
                   place = at->drawn->groups[0].places[e];
    float *phi = team->phi + e * team->stride, *d_phi = team->d_phi + e * team->context_stride;
    bool kept = false;
    for (uint32_t n = 0; n <= found; n++) {
        if (places[n] != ALONE) {
            kept = true;
            at->drawn->groups[1].notes[places[n]] = (row_note){touched ? phi : NULL, touched ? example->pulls[n] : 0};
        } else if (touched) {
            row_step_alone(at->items, at->step, example->index[n], (row_note){example->phi, example->pulls[n]},
                           own->gradient);
        }
    }
    if (kept && touched)
        memcpy(phi, example->phi, team->stride * sizeof *phi);
    if (place != ALONE) {
        at->drawn->groups[0].notes[place] = (row_note){touched ? d_phi : NULL, 1};
        if (touched)
            memcpy(d_phi, example->d_phi, team->context_stride * sizeof *d_phi);
    } else if (touched) {
        row_step_alone(at->contexts, at->step, context, (row_note){example->d_phi, 1}, own->gradient);
    }
}

/* Steps all rows of an example, of which an item may be met more than once. */
static void step_all_rows(const row_batch *at, step_thread *own, const judged_example *example)
{
    const uint32_t found = at->drawn->found[example->e], *items = example->index;
    step_setting step = *at->step;
    step.setting.step = (uint64_t)at->drawn->place.sweep * at->setup->towers->positives.count + at->drawn->place.begin +
                        example->e + 1; /* batches of one that came before, and this one */
    for (uint32_t n = 0; n <= found; n++) {
        uint32_t count = 0;
        bool met = false;
        for (uint32_t other = 0; other <= found; other++) {
            met = met || (other < n && items[other] == items[n]);
            if (items[other] == items[n])
                own->notes[count++] = (row_note){example->phi, example->pulls[other]};
        }
        if (met)
            continue;
        if (count == 1)
            row_step_alone(at->items, &step, items[n], own->notes[0], own->gradient);
        else
            row_step(at->items, &step, items[n], own->notes, count, count, own->gradient);
    }
    row_step_alone(at->contexts, &step, at->drawn->contexts[example->e], (row_note){example->d_phi, 1}, own->gradient);
}

/* Examples begin … end − 1. Of one in JUDGED scoring is timed, in place of looking at the clock all the time. */
static void judge_and_step(const row_batch *at, step_thread *own, uint32_t begin, uint32_t end)
{
    const uint32_t count = end - begin, timed = begin + (count < JUDGED ? count : JUDGED) / 2;
    const double start = clock_seconds();
    double scoring = 0, looks = 0;
    for (uint32_t e = begin; e < end && e < begin + AHEAD; e++)
        fetch_rows(at, e);
    for (uint32_t e = begin; e < end; e++) {
        judged_example example;
        const bool is_timed = (e - timed) % JUDGED == 0;
        const double before = is_timed ? clock_seconds() : 0;
        if (e + AHEAD < end)
            fetch_rows(at, e + AHEAD);
        const bool touched = judge(at, own, e, &example);
        if (is_timed) {
            scoring += clock_seconds() - before;
            looks++;
        }
        if (!at->team->in_turn)
            step_own_rows(at, own, &example, touched);
        else if (touched)
            step_all_rows(at, own, &example);
    }
    const double all = clock_seconds() - start, expected = looks > 0 ? scoring / looks * count : all,
                 scored = expected < all ? expected : all;
    own->scoring += scored;
    own->updates += all - scored;
}

static void step_shared_rows(const row_batch *at, step_thread *own, uint32_t begin, uint32_t end)
{
    const double start = clock_seconds();
    row_groups *groups = at->drawn->groups;
    for (uint32_t n = begin; n < end; n++) {
        const bool of_items = n >= groups[0].count;
        row_groups_step(&groups[of_items], of_items ? n - groups[0].count : n, of_items ? at->items : at->contexts,
                        at->step, own->gradient);
    }
    own->updates += clock_seconds() - start;
}

/* A batch that has been drawn, by all threads of the parallel region that this is called in. */
static void step_drawn(const row_batch *at, step_thread *own)
{
    const uint32_t count = at->drawn->place.count, tasks = (count + JUDGED - 1) / JUDGED,
                   rows = at->drawn->groups[0].count + at->drawn->groups[1].count,
                   row_tasks = (rows + STEPPED - 1) / STEPPED;
#pragma omp for schedule(dynamic, 1)
    for (uint32_t task = 0; task < tasks; task++)
        judge_and_step(at, own, task * JUDGED, count - task * JUDGED < JUDGED ? count : (task + 1) * JUDGED);
#pragma omp for schedule(dynamic, 1)
    for (uint32_t task = 0; task < row_tasks; task++)
        step_shared_rows(at, own, task * STEPPED, rows - task * STEPPED < STEPPED ? rows : (task + 1) * STEPPED);
}

static void step_in_turn(const step_setup *setup, step_team *team, const step_setting *steps)
{
    const row_batch at = row_batch_of(setup, team, 0, steps);
    step_thread *own = team->each_thread;
    draw_alone(setup, team, at.drawn, own);
    judge_and_step(&at, own, 0, at.drawn->place.count);
}

void step_rows(const step_setup *setup, step_team *team, size_t count, const batch_place *places,
               const step_setting *steps)
{
    for (size_t n = 0; n < count; n++)
        team->drawn[n].place = places[n];
    if (team->in_turn) {
        step_in_turn(setup, team, steps);
        return;
    }
#pragma omp parallel num_threads(team->threads)
    {
        step_thread *own = &team->each_thread[thread_index()];
        if (team->drawn_count > 1) {
#pragma omp for schedule(dynamic, 1)
            for (size_t n = 0; n < count; n++)
                draw_alone(setup, team, &team->drawn[n], own);
        }
        for (size_t n = 0; n < count; n++) {
            const row_batch at = row_batch_of(setup, team, n, steps);
            if (team->drawn_count == 1)
                draw_in_parts(setup, team, at.drawn, own);
            step_drawn(&at, own);
        }
    }
}
