/* SPDX-License-Identifier: Apache-2.0
 *
 * The formulas are in shape.h. Rows hold slots of the catalogue until the last step numbers and sorts them. Every
 * random number is keyed by user and draw, so the rows may be made in any order.
 */
#include "generate/generator.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "generate/catalogue.h"
#include "generate/lengths.h"
#include "generate/shape.h"
#include "numeric/sparse.h"

enum {
    BATCH = 1 << 14,     /* users between two reports of progress */
    MIXED_TRIES = 16,    /* draws from the user's own mixture before one from the whole catalogue */
    WEIGHTED_TRIES = 32, /* draws in all before any item that the user lacks is taken */
};

/* "|ml20m|netflix|msd", whose first byte is left out. */
#define SHAPE(name, ...) "|" #name
static const char shape_names[] =
#include "generate/shapes.def"
    ;
#undef SHAPE

static const option_row generator_options[] = {
    {.name = "like",
     .type = TOPN_OPTION_CHOICE,
     .offset = offsetof(generator_params, like),
     .default_text = "ml20m",
     .choices = shape_names + 1,
     .help = "published data set whose users, items, events and distributions are imitated"},
    OPTION_REAL(generator_params, scale, "scale", 1, 1e-6, 1e4,
                "factor of the published numbers of users, items and events"),
    OPTION_INTEGER(generator_params, users, "users", 0, 0, UINT32_MAX - 1, "users; 0 = the published number, scaled"),
    OPTION_INTEGER(generator_params, items, "items", 0, 0, UINT32_MAX - 1, "items; 0 = the published number, scaled"),
    OPTION_INTEGER(generator_params, events, "events", 0, 0, 1e12, "events; 0 = the published number, scaled"),
};
const option_table generator_option_table = OPTION_TABLE(generator_params, generator_options);

typedef struct sizes {
    uint64_t users, items, events;
} sizes;

static uint64_t scaled(int64_t given, uint64_t published, double scale)
{
    const double wanted = floor(scale * (double)published + 0.5);
    return given > 0 ? (uint64_t)given : wanted < 1 ? 1 : (uint64_t)wanted;
}

static topn_status choose_sizes(topn_context *context, const generator_params *params, const shape *like, sizes *out)
{
    *out = (sizes){.users = scaled(params->users, like->users, params->scale),
                   .items = scaled(params->items, like->items, params->scale),
                   .events = scaled(params->events, like->events, params->scale)};
    if (out->users >= UINT32_MAX || out->items >= UINT32_MAX)
        return fail(context, TOPN_ERROR_OPTION,
                    "option --scale: %g makes %" PRIu64 " users and %" PRIu64 " items; at most %" PRIu32
                    " of each can be",
                    params->scale, out->users, out->items, UINT32_MAX - 1);
    if (out->events < out->users || out->events < out->items)
        return fail(context, TOPN_ERROR_OPTION,
                    "option --events: %" PRIu64 " are too few for %" PRIu64 " users and %" PRIu64
                    " items, each of which has at least one",
                    out->events, out->users, out->items);
    if (out->events / out->users > out->items || out->events > out->users * out->items)
        return fail(context, TOPN_ERROR_OPTION,
                    "option --events: %" PRIu64 " are too many for %" PRIu64 " users and %" PRIu64
                    " items, each pair of which meets at most once",
                    out->events, out->users, out->items);
    return TOPN_OK;
}

static topn_status check_memory(topn_context *context, const sizes *size)
{
    const uint64_t per_item = 80 + sizeof(uint32_t) * (uint64_t)context->threads;
    const uint64_t need = size->events * (sizeof(uint32_t) + sizeof(float)) + size->users * 80 + size->items * per_item;
    return memory_check(context, "generating", need, "lower --scale or --events");
}

/* What one thread needs to draw rows. */
typedef struct drawer {
    uint64_t seed;
    const shape *like;
    const catalogue *items;
    uint32_t *taken; /* [items] user + 1 of the last user who drew the slot */
} drawer;

typedef struct interests {
    uint32_t topics[MOST_INTERESTS];
    uint32_t count;
} interests;

static interests draw_interests(const drawer *with, uint32_t user, uint64_t length)
{
    const slot_range all = {0, with->items->items};
    const uint64_t count = 2 + length / EVENTS_PER_INTEREST;
    interests out = {.count = count < MOST_INTERESTS ? (uint32_t)count : MOST_INTERESTS};
    for (uint32_t index = 0; index < out.count; index++) {
        const uint64_t place = (uint64_t)user << 32 | index;
        const uint64_t bits = random_bits(with->seed, RANDOM_GENERATE_INTERESTS, place);
        out.topics[index] = catalogue_topic(with->items, catalogue_draw(with->items, all, bits));
    }
    return out;
}

/* The slots that the next event is drawn from; two random words choose. */
static slot_range choose_range(const drawer *with, const interests *of, const uint32_t words[2])
{
    const shape *like = with->like;
    const double where = words[0] * 0x1p-32, which = words[1] * 0x1p-32;
    if (where < like->background)
        return (slot_range){0, with->items->items};
    const uint32_t index = (uint32_t)exp(which * log(of->count + 1.0)) - 1; /* P(index) = ln(1 + 1/(index+1))/ln(k+1) */
    const uint32_t topic = of->topics[index < of->count ? index : of->count - 1];
    if (where < like->background + (1 - like->background) * like->genre)
        return catalogue_topics(with->items, topic - topic % TOPICS_PER_GENRE, TOPICS_PER_GENRE);
    return catalogue_topics(with->items, topic, 1);
}

/* row [length]: distinct slots. */
static void draw_row(const drawer *with, uint32_t user, uint32_t *row, uint64_t length)
{
    const slot_range all = {0, with->items->items};
    const interests of = draw_interests(with, user, length);
    uint32_t draw = 0, tries = 0;
    for (uint64_t at = 0; at < length;) {
        uint32_t words[4], slot;
        random_block(with->seed, RANDOM_GENERATE_EVENTS, (uint64_t)user << 32 | draw++, words);
        const uint64_t bits = (uint64_t)words[3] << 32 | words[2];
        if (tries < WEIGHTED_TRIES) {
            slot = catalogue_draw(with->items, tries < MIXED_TRIES ? choose_range(with, &of, words) : all, bits);
        } else { /* the likely items are used up */
            slot = (uint32_t)((uint64_t)words[2] * all.end >> 32);
            while (with->taken[slot] == user + 1)
                slot = slot + 1 < all.end ? slot + 1 : 0;
        }
        tries++;
        if (with->taken[slot] == user + 1)
            continue;
        with->taken[slot] = user + 1;
        row[at++] = slot;
        tries = 0;
    }
}

static topn_status draw_rows(topn_context *context, const shape *like, const catalogue *items, sparse_matrix *matrix)
{
    topn_status status;
    uint32_t *taken = NULL; /* [threads × items] */
    const uint32_t users = matrix->rows;
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads * items->items, &taken));
    for (uint64_t begin = 0; begin < users; begin += BATCH) {
        TRY(progress_report(context, "draw", "users", begin, users, NAN));
        const uint64_t end = users - begin < BATCH ? users : begin + BATCH;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
        for (uint64_t user = begin; user < end; user++) {
            const drawer with = {context->seed, like, items, taken + (size_t)thread_index() * items->items};
            const uint64_t *place = matrix->indptr + user;
            draw_row(&with, (uint32_t)user, matrix->indices + place[0], place[1] - place[0]);
        }
    }
    status = progress_report(context, "draw", "users", users, users, NAN);
done:
    free(taken);
    return status;
}

/* Slots that nobody drew. `waiting` chains those of a topic. */
typedef struct uncovered {
    uint32_t *counts;       /* [items] events of each slot */
    uint32_t *waiting;      /* [items] next uncovered slot of the topic, or NONE */
    uint32_t *head;         /* [topics] first uncovered slot, or NONE */
    uint64_t *left, *visit; /* [topics] uncovered slots, and events of the topic not looked at yet */
    uint64_t total;
} uncovered;

static const uint32_t NONE = UINT32_MAX;

static topn_status find_uncovered(topn_context *context, const catalogue *items, const sparse_matrix *matrix,
                                  uncovered *out)
{
    topn_status status;
    const uint32_t topics = catalogue_topic(items, items->items - 1) + 1;
    TRY(ALLOCATE_ZEROED(context, items->items, &out->counts));
    TRY(ALLOCATE(context, items->items, &out->waiting));
    TRY(ALLOCATE(context, topics, &out->head));
    TRY(ALLOCATE_ZEROED(context, topics, &out->left));
    TRY(ALLOCATE_ZEROED(context, topics, &out->visit));
    for (uint64_t at = 0; at < matrix->indptr[matrix->rows]; at++)
        out->counts[matrix->indices[at]]++;
    for (uint32_t topic = 0; topic < topics; topic++)
        out->head[topic] = NONE;
    for (uint32_t slot = items->items; slot-- > 0;) {
        const uint32_t topic = catalogue_topic(items, slot);
        out->visit[topic] += out->counts[slot];
        if (out->counts[slot] > 0)
            continue;
        out->waiting[slot] = out->head[topic];
        out->head[topic] = slot;
        out->left[topic]++;
        out->total++;
    }
done:
    return status;
}

static void uncovered_clear(uncovered *of)
{
    free(of->counts);
    free(of->waiting);
    free(of->head);
    free(of->left);
    free(of->visit);
}

static void replace(uncovered *of, uint32_t topic, uint32_t *event)
{
    const uint32_t slot = of->head[topic];
    of->counts[*event]--;
    of->counts[slot] = 1;
    of->head[topic] = of->waiting[slot];
    of->left[topic]--;
    of->total--;
    *event = slot;
}

/* Gives uncovered slots the places of repeated ones: first, evenly over all events, within the topic (selection
 * sampling, Knuth, TAOCP 3.4.2 S); what a topic has no room for goes anywhere. There is room, as events ≥ items. */
static void cover(uint64_t seed, const catalogue *items, sparse_matrix *matrix, uncovered *of)
{
    const uint64_t events = matrix->indptr[matrix->rows];
    for (uint64_t at = 0; at < events && of->total > 0; at++) {
        const uint32_t slot = matrix->indices[at], topic = catalogue_topic(items, slot);
        if (of->left[topic] == 0)
            continue;
        const double chance = (double)of->left[topic] / (double)of->visit[topic]--;
        if (of->counts[slot] > 1 && random_uniform(seed, RANDOM_GENERATE_COVER, at) < chance)
            replace(of, topic, &matrix->indices[at]);
    }
    uint32_t topic = 0;
    for (uint64_t at = 0; at < events && of->total > 0; at++) {
        while (of->left[topic] == 0)
            topic++;
        if (of->counts[matrix->indices[at]] > 1)
            replace(of, topic, &matrix->indices[at]);
    }
}

static topn_status cover_all(topn_context *context, const catalogue *items, sparse_matrix *matrix)
{
    topn_status status;
    uncovered missing = {0};
    TRY(find_uncovered(context, items, matrix, &missing));
    cover(context->seed, items, matrix, &missing);
    status = progress_report(context, "cover items", "events", 1, 1, NAN);
done:
    uncovered_clear(&missing);
    return status;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* Slots become item indices, and rows ascend. */
static void number_rows(const topn_context *context, const catalogue *items, sparse_matrix *matrix)
{
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
    for (uint32_t user = 0; user < matrix->rows; user++) {
        const uint64_t begin = matrix->indptr[user], end = matrix->indptr[user + 1];
        for (uint64_t at = begin; at < end; at++) {
            matrix->indices[at] = items->number[matrix->indices[at]];
            matrix->values[at] = 1;
        }
        qsort(matrix->indices + begin, end - begin, sizeof *matrix->indices, by_number);
    }
}

static topn_status tell(topn_context *context, const shape *like, uint64_t events, data_provenance *out)
{
    topn_status status;
    char text[96];
    snprintf(text, sizeof text, "made like %s with seed %" PRIu64, like->what, context->seed);
    out->rows_read = events;
    TRY(memory_copy_text(context, text, &out->source));
    TRY(memory_copy_text(context, "generated", &out->format));
done:
    return status;
}

topn_status generator_make(topn_context *context, const generator_params *params, topn_data **out)
{
    topn_status status;
    const shape *like = shape_at((size_t)params->like);
    sizes size;
    catalogue items = {0};
    data_parts parts = {0};
    *out = NULL;
    TRY(choose_sizes(context, params, like, &size));
    TRY(check_memory(context, &size));
    const uint32_t users = (uint32_t)size.users, item_count = (uint32_t)size.items;
    TRY(catalogue_create(context, like, item_count, &items));
    TRY(sparse_create(context, users, item_count, size.events, &parts.matrix));
    TRY(lengths_draw(context, like, users, item_count, size.events, parts.matrix.indptr));
    TRY(draw_rows(context, like, &items, &parts.matrix));
    TRY(cover_all(context, &items, &parts.matrix));
    number_rows(context, &items, &parts.matrix);
    TRY(string_table_numbers(context, users, &parts.user_ids));
    TRY(string_table_numbers(context, item_count, &parts.item_ids));
    TRY(tell(context, like, size.events, &parts.provenance));
    status = data_assemble(context, &parts, out);
done:
    data_parts_clear(&parts);
    catalogue_clear(&items);
    return status;
}
