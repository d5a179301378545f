/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of all items for a block of users, one way for each form that a model can have:
 *
 *   constant encoder         copies of the biases
 *   identity, dense rows     column tiles; within a tile, items of the block's histories in ascending order, so that a
 *                            row is fetched once for all users who have the item
 *   identity, sparse rows    rows scattered into the users' scores
 *   item rows                φ of all users as a panel, dimension by dimension (panel.h); with a cut and sparse rows
 * the few entries of φ as lists, and where their postings are short those in place of the panel
 *
 * Each sums a user's terms in an order that is the user's own, whatever the block.
 */
#include "retrieve/retriever.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "retrieve/cache.h"
#include "retrieve/encode.h"
#include "retrieve/panel.h"

enum {
    TILE_COLUMNS = 2048, /* of a dense identity table: 8 KiB of a row */
    MOST_USERS = 256,
    POSTINGS_PENALTY = 16, /* an entry of the postings costs as much as so many of the panel, for one user */
};

typedef enum score_form { FORM_CONSTANT, FORM_TILES, FORM_SCATTER, FORM_PANEL } score_form;

/* Row `item` of the encoder's table goes into the scores of `user` with `factor`. */
typedef struct row_use {
    uint32_t item, user;
    float factor;
} row_use;

/* What a cut leaves of the φ of the users in a block, and the postings it is multiplied with. */
typedef struct cut_lists {
    const sparse_matrix *postings; /* lent by the retriever; NULL without a cut or with dense item rows */
    uint32_t *dimensions;          /* [users × cut], ascending */
    float *values;                 /* [users × cut] */
    uint32_t *lengths;             /* [users] */
} cut_lists;

struct block_scorer {
    const topn_retriever *retriever;
    score_form form;
    size_t users;
    float *scores;            /* [users × items] */
    float *phi_block;         /* what phi lies in */
    float *phi;               /* PANEL: [dimensions × lanes], then the tile; aligned */
    float *row;               /* PANEL where encode_needs_row says so: [dimensions] φ of one user */
    const panel_table *panel; /* PANEL with sparse item rows: lent by the retriever; NULL until it is needed */
    encode_scratch encode;
    cut_lists cut;
    row_use *uses; /* TILES: [use_capacity] */
    size_t use_capacity;
};

static score_form form_of(const topn_retriever *retriever)
{
    const topn_model *model = retriever->model;
    if (model->encoder.kind == ENCODER_CONSTANT)
        return FORM_CONSTANT;
    if (!retriever->rows)
        return model->encoder.rows.form == TABLE_DENSE ? FORM_TILES : FORM_SCATTER;
    return FORM_PANEL;
}

/* Width of φ; 0 where it is the score vector itself. */
static size_t dimensions_of(const topn_retriever *retriever)
{
    return retriever->rows ? embedding_dimensions(retriever->rows) : 0;
}

/* As many users as the memory allows, in numbers that the kernels take. */
static size_t choose_users(const topn_retriever *retriever, score_form form)
{
    const size_t lists = 2 * (size_t)retriever->cut; /* dimensions and values */
    const size_t bytes = (retriever->model->items + dimensions_of(retriever) + lists) * sizeof(float);
    const size_t fitting = retriever->block_memory / (bytes ? bytes : 1);
    if (form == FORM_PANEL)
        return fitting >= 64 ? 64 : fitting >= 32 ? 32 : 16;
    return fitting < 1 ? 1 : fitting < MOST_USERS ? fitting : MOST_USERS;
}

/* Room for φ, and behind it for the panel kernel's tile, aligned. */
static topn_status allocate_phi(topn_context *context, block_scorer *scorer, size_t dimensions)
{
    const size_t spare = PANEL_ALIGNMENT / sizeof(float), tile = (size_t)PANEL_TILE_ROWS * scorer->users;
    topn_status status;
    TRY(ALLOCATE(context, scorer->users * dimensions + tile + spare, &scorer->phi_block));
    TRY(encode_scratch_create(context, scorer->retriever->model, &scorer->encode));
    if (encode_needs_row(scorer->retriever))
        TRY(ALLOCATE(context, dimensions, &scorer->row));
    const uintptr_t address = (uintptr_t)scorer->phi_block;
    const uintptr_t aligned = (address + PANEL_ALIGNMENT - 1) / PANEL_ALIGNMENT * PANEL_ALIGNMENT;
    scorer->phi = scorer->phi_block + (aligned - address) / sizeof(float);
done:
    return status;
}

static topn_status allocate_cut(topn_context *context, block_scorer *scorer)
{
    cut_lists *cut = &scorer->cut;
    const size_t room = scorer->users * scorer->retriever->cut;
    topn_status status;
    TRY(ALLOCATE(context, room, &cut->dimensions));
    TRY(ALLOCATE(context, room, &cut->values));
    TRY(ALLOCATE(context, scorer->users, &cut->lengths));
    TRY(cache_make_postings(context, scorer->retriever, &cut->postings));
done:
    return status;
}

topn_status block_scorer_create(topn_context *context, const topn_retriever *retriever, block_scorer **out)
{
    topn_status status;
    block_scorer *scorer = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &scorer));
    scorer->retriever = retriever;
    scorer->form = form_of(retriever);
    scorer->users = choose_users(retriever, scorer->form);
    TRY(ALLOCATE(context, scorer->users * retriever->model->items, &scorer->scores));
    if (retriever->rows)
        TRY(allocate_phi(context, scorer, dimensions_of(retriever)));
    if (retriever->rows && retriever->rows->form == TABLE_SPARSE)
        TRY(retriever->cut ? allocate_cut(context, scorer) : cache_panel(context, retriever, &scorer->panel));
    *out = scorer;
    return TOPN_OK;
done:
    block_scorer_free(scorer);
    return status;
}

void block_scorer_free(block_scorer *scorer)
{
    if (!scorer)
        return;
    free(scorer->scores);
    free(scorer->phi_block);
    free(scorer->row);
    free(scorer->uses);
    encode_scratch_clear(&scorer->encode);
    free(scorer->cut.dimensions);
    free(scorer->cut.values);
    free(scorer->cut.lengths);
    free(scorer);
}

size_t block_scorer_users(const block_scorer *scorer)
{
    return scorer->users;
}

/* By item, then user, then factor, so that equal keys are equal altogether. */
static int compare_uses(const void *left, const void *right)
{
    const row_use *a = left, *b = right;
    if (a->item != b->item)
        return a->item < b->item ? -1 : 1;
    if (a->user != b->user)
        return a->user < b->user ? -1 : 1;
    return (a->factor > b->factor) - (a->factor < b->factor);
}

static topn_status collect_uses(block_scorer *scorer, const history *users, size_t count, size_t *use_count)
{
    const topn_model *model = scorer->retriever->model;
    size_t total = 0;
    for (size_t user = 0; user < count; user++)
        total += users[user].length;
    if (total > scorer->use_capacity) {
        const topn_status status = RESIZE(NULL, total, &scorer->uses);
        if (status != TOPN_OK)
            return status;
        scorer->use_capacity = total;
    }
    size_t filled = 0;
    for (size_t user = 0; user < count; user++) {
        const double scale = history_scale(model, &users[user]);
        for (size_t place = 0; place < users[user].length; place++)
            scorer->uses[filled++] = (row_use){.item = users[user].items[place],
                                               .user = (uint32_t)user,
                                               .factor = history_factor(model, &users[user], scale, place)};
    }
    if (filled)
        qsort(scorer->uses, filled, sizeof *scorer->uses, compare_uses);
    *use_count = filled;
    return TOPN_OK;
}

static topn_status score_tiles(block_scorer *scorer, const history *users, size_t count)
{
    const topn_model *model = scorer->retriever->model;
    const size_t items = model->items;
    size_t use_count;
    const topn_status status = collect_uses(scorer, users, count, &use_count);
    if (status != TOPN_OK)
        return status;
    memset(scorer->scores, 0, count * items * sizeof *scorer->scores);
    for (size_t begin = 0; begin < items; begin += TILE_COLUMNS) {
        const size_t width = items - begin < TILE_COLUMNS ? items - begin : TILE_COLUMNS;
        for (size_t at = 0; at < use_count; at++) {
            const row_use *use = &scorer->uses[at];
            add_scaled_row(scorer->scores + use->user * items + begin,
                           model->encoder.rows.dense.values + use->item * items + begin, use->factor, width);
        }
    }
    return TOPN_OK;
}

/* The φ of all users as lists; returns how many entries their postings have. */
static uint64_t list_entries(block_scorer *scorer, const history *users, size_t count)
{
    cut_lists *cut = &scorer->cut;
    const size_t dimensions = dimensions_of(scorer->retriever);
    uint64_t entries = 0;
    for (size_t user = 0; user < count; user++) {
        const size_t begin = user * scorer->retriever->cut;
        uint32_t length = 0;
        (void)encode_user(scorer->retriever, &users[user], NULL, scorer->row); /* a bag: sparse item rows */
        for (uint32_t dimension = 0; dimension < dimensions; dimension++) {
            if (scorer->row[dimension] == 0.0f)
                continue;
            cut->dimensions[begin + length] = dimension;
            cut->values[begin + length++] = scorer->row[dimension];
            entries += cut->postings->indptr[dimension + 1] - cut->postings->indptr[dimension];
        }
        cut->lengths[user] = length;
    }
    return entries;
}

/* Scores from the lists and the postings, an item's sum over ascending dimensions as everywhere. */
static void score_postings(const block_scorer *scorer, size_t count)
{
    const cut_lists *cut = &scorer->cut;
    const sparse_matrix *postings = cut->postings;
    memset(scorer->scores, 0, count * postings->columns * sizeof *scorer->scores);
    for (size_t user = 0; user < count; user++) {
        float *scores = scorer->scores + user * postings->columns;
        const size_t begin = user * scorer->retriever->cut;
        for (size_t at = begin; at < begin + cut->lengths[user]; at++) {
            const uint32_t dimension = cut->dimensions[at];
            for (uint64_t place = postings->indptr[dimension]; place < postings->indptr[dimension + 1]; place++)
                scores[postings->indices[place]] += cut->values[at] * postings->values[place];
        }
    }
}

static topn_status score_panel(block_scorer *scorer, const history *users, size_t count)
{
    topn_status status = TOPN_OK;
    const size_t dimensions = dimensions_of(scorer->retriever), lanes = panel_lanes(count);
    const panel_block block = {.panel = scorer->phi,
                               .tile = scorer->phi + scorer->users * dimensions,
                               .lanes = lanes,
                               .users = count,
                               .scores = scorer->scores};
    memset(scorer->phi, 0, dimensions * lanes * sizeof *scorer->phi);
    for (size_t user = 0; user < count; user++) {
        const size_t begin = user * scorer->retriever->cut;
        if (!scorer->cut.postings)
            TRY(encode_lane(scorer->retriever, &users[user], &scorer->encode, scorer->row, scorer->phi + user, lanes));
        for (size_t at = 0; scorer->cut.postings && at < scorer->cut.lengths[user]; at++)
            scorer->phi[scorer->cut.dimensions[begin + at] * lanes + user] = scorer->cut.values[begin + at];
    }
    if (scorer->panel)
        panel_scores(scorer->panel, &block, 0);
    else
        panel_scores_dense(&scorer->retriever->rows->dense, &block, 0);
done:
    return status;
}

/* By postings or by the panel, which give the same bits. */
static topn_status score_cut(block_scorer *scorer, const history *users, size_t count)
{
    const sparse_matrix *rows = &scorer->retriever->rows->sparse;
    const uint64_t entries = list_entries(scorer, users, count);
    if (entries < rows->indptr[rows->rows] * count / POSTINGS_PENALTY) {
        score_postings(scorer, count);
        return TOPN_OK;
    }
    const panel_table *panel = NULL;
    const topn_status status = cache_panel(NULL, scorer->retriever, &panel);
    if (status != TOPN_OK)
        return status;
    scorer->panel = panel;
    return score_panel(scorer, users, count);
}

topn_status block_scores(block_scorer *scorer, const history *users, size_t count, float **scores)
{
    const topn_model *model = scorer->retriever->model;
    topn_status status = TOPN_OK;
    *scores = NULL;
    switch (scorer->form) {
    case FORM_CONSTANT:
        memset(scorer->scores, 0, count * model->items * sizeof *scorer->scores);
        break;
    case FORM_TILES:
        status = score_tiles(scorer, users, count);
        break;
    case FORM_SCATTER:
        for (size_t user = 0; user < count; user++)
            encode_history(model, &users[user], scorer->scores + user * model->items);
        break;
    case FORM_PANEL:
        if (scorer->cut.postings)
            status = score_cut(scorer, users, count);
        else
            status = score_panel(scorer, users, count);
        break;
    }
    if (status != TOPN_OK)
        return status;
    for (size_t user = 0; user < count; user++)
        finish_scores(model, scorer->scores + user * model->items);
    *scores = scorer->scores;
    return TOPN_OK;
}
