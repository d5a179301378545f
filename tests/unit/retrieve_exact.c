/* SPDX-License-Identifier: Apache-2.0
 *
 * Every exact way to the top n against its naive twin, a full sort of the scores of all items: blocks of users, panels
 * without scores in memory, a single user; random models of every form with ties, priors, biases, −∞, filters, empty
 * histories, every n, one thread and several.
 */
#include "random_model.h"
#include "retrieve/cache.h"
#include "retrieve/filter.h"
#include "retrieve/item_score.h"
#include "retrieve/panel_offer.h"
#include "retrieve/posting_search.h"
#include "retrieve/query.h"
#include "retrieve/recommend_many.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { USERS = 150, ITEMS = 2300, MOST_N = ITEMS + 5 };

/* Values on a coarse grid, so that many scores are equal. */
static void round_values(float *values, size_t count)
{
    for (size_t at = 0; at < count; at++)
        values[at] = roundf(values[at] * 2.0f) * 0.5f;
}

static void round_table(embedding_table *table)
{
    if (table->form == TABLE_DENSE)
        round_values(table->dense.values, table->dense.rows * table->dense.columns);
    else if (table->form == TABLE_SPARSE)
        round_values(table->sparse.values, table->sparse.indptr[table->sparse.rows]);
}

/* What some shapes have besides: ties, priors of both signs, items that nothing may recommend. */
static void make_special(topn_model *model, bool ties, bool signs)
{
    if (ties) {
        round_table(&model->encoder.rows);
        round_table(&model->table.rows);
        if (model->table.biases)
            round_values(model->table.biases, model->items);
    }
    if (model->table.priors)
        round_values(model->table.priors, model->items);
    for (uint32_t item = 0; signs && item < model->items; item++) {
        if (model->table.priors && item % 3 == 1)
            model->table.priors[item] = -model->table.priors[item];
        if (model->table.biases)
            model->table.biases[item] = item % 11 == 5 ? -INFINITY : item % 7 == 2 ? -1e30f : model->table.biases[item];
    }
}

typedef struct answers {
    size_t calls, n;
    uint32_t *items; /* [USERS × n] */
    float *scores;   /* [USERS × n] */
    size_t found[USERS];
} answers;

static answers make_answers(size_t n)
{
    answers out = {.n = n};
    out.items = calloc(USERS * n + 1, sizeof *out.items);
    out.scores = calloc(USERS * n + 1, sizeof *out.scores);
    assert_true(out.items && out.scores);
    return out;
}

static void free_answers(answers *kept)
{
    free(kept->items);
    free(kept->scores);
}

static bool keep_answer(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    answers *kept = user_data;
    assert_int_equal(user, kept->calls);
    assert_true(found <= kept->n);
    kept->found[kept->calls] = found;
    if (found) {
        memcpy(kept->items + kept->calls * kept->n, items, found * sizeof *items);
        memcpy(kept->scores + kept->calls * kept->n, scores, found * sizeof *scores);
    }
    kept->calls++;
    return true;
}

static const float *sorted_scores;

static int compare_items(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (sorted_scores[a] != sorted_scores[b])
        return sorted_scores[a] > sorted_scores[b] ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* The naive twin: who may appear, item by item, and a full sort. */
static size_t sort_allowed(const float *scores, uint32_t items, const topn_request *filters, const history *user,
                           uint32_t *order)
{
    size_t count = 0;
    for (uint32_t item = 0; item < items; item++) {
        bool allowed = !filters->allow;
        for (size_t place = 0; filters->allow && place < filters->allow_count; place++)
            allowed |= filters->allow[place] == item;
        for (size_t place = 0; place < filters->deny_count; place++)
            allowed &= filters->deny[place] != item;
        for (size_t place = 0; place < filters->filter_count; place++)
            allowed &= filter_has(filters->filters[place], item);
        for (size_t place = 0; !filters->include_seen && place < user->length; place++)
            allowed &= user->items[place] != item;
        if (allowed && scores[item] > -INFINITY)
            order[count++] = item;
    }
    sorted_scores = scores;
    qsort(order, count, sizeof *order, compare_items);
    return count;
}

static void check_answer(const answers *kept, size_t user, const float *scores, const uint32_t *order,
                         size_t candidates)
{
    const size_t expected = candidates < kept->n ? candidates : kept->n;
    assert_int_equal(kept->found[user], expected);
    for (size_t rank = 0; rank < expected; rank++) {
        assert_int_equal(kept->items[user * kept->n + rank], order[rank]);
        assert_memory_equal(&kept->scores[user * kept->n + rank], &scores[order[rank]], sizeof *scores);
    }
}

/* recommend_many with one thread and with three, and topn_recommend, of all users. */
static void check_ways(const topn_retriever *retriever, const sparse_matrix *rows, const topn_request *filters,
                       size_t n)
{
    static uint32_t order[ITEMS];
    const uint32_t items = retriever->model->items;
    topn_context contexts[] = {{.threads = 1}, {.threads = 3}};
    answers kept[] = {make_answers(n), make_answers(n)}, single = make_answers(n);
    block_scorer *scorer;
    topn_query *query;
    assert_int_equal(block_scorer_create(NULL, retriever, &scorer), TOPN_OK);
    assert_int_equal(query_create(contexts, retriever, &query), TOPN_OK);
    for (size_t way = 0; way < 2; way++) {
        const recommend_job job = {.retriever = retriever,
                                   .histories = rows,
                                   .user_count = USERS,
                                   .n = n,
                                   .filters = filters,
                                   .callback = keep_answer,
                                   .user_data = &kept[way]};
        assert_int_equal(recommend_many(&contexts[way], &job), TOPN_OK);
        assert_int_equal(kept[way].calls, USERS);
    }
    for (uint32_t user = 0; user < USERS; user++) {
        const history row = history_row(rows, user);
        float *scores;
        assert_int_equal(block_scores(scorer, &row, 1, &scores), TOPN_OK);
        const size_t candidates = sort_allowed(scores, items, filters, &row, order);
        check_answer(&kept[0], user, scores, order, candidates);
        check_answer(&kept[1], user, scores, order, candidates);
        if (user % 5)
            continue;
        topn_request request = *filters;
        request.history = row.items;
        request.weights = row.weights;
        request.history_length = row.length;
        assert_int_equal(query_scores(query, &request), TOPN_OK);
        static float of_query[ITEMS];
        memcpy(of_query, query->scores, items * sizeof *of_query);
        const size_t allowed = sort_allowed(of_query, items, filters, &row, order);
        assert_int_equal(
            topn_recommend(query, &request, n, single.items + user * n, single.scores + user * n, &single.found[user]),
            TOPN_OK);
        check_answer(&single, user, of_query, order, allowed);
    }
    for (size_t way = 0; way < 2; way++)
        free_answers(&kept[way]);
    free_answers(&single);
    block_scorer_free(scorer);
    query_free(query);
}

static topn_filter *every_third(uint32_t items)
{
    topn_filter *filter;
    assert_int_equal(filter_create(NULL, items, &filter), TOPN_OK);
    for (uint32_t item = 0; item < items; item += 3)
        filter->bits[item / 64] |= UINT64_C(1) << (item % 64);
    filter_finish(filter);
    return filter;
}

/* One model under every filter; n from 0 to more than there are items. */
static void check_model(const model_form *form, const model_shape *shape, bool ties, bool signs)
{
    topn_model model = random_model(form, shape);
    make_special(&model, ties, signs);
    sparse_matrix rows = random_histories(USERS, shape->items, shape->seed);
    topn_filter *thirds = every_third(shape->items);
    const topn_filter *const filters[] = {thirds};
    uint32_t deny[40], allow[60];
    for (uint32_t place = 0; place < 40; place++)
        deny[place] = random_below(shape->seed, RANDOM_DOCTOR, place, shape->items);
    for (uint32_t place = 0; place < 60; place++)
        allow[place] = random_below(shape->seed + 1, RANDOM_DOCTOR, place, shape->items);
    const topn_request requests[] = {
        {0},
        {.include_seen = true},
        {.deny = deny, .deny_count = 40},
        {.allow = allow, .allow_count = 60, .deny = deny, .deny_count = 40, .include_seen = true},
        {.filters = filters, .filter_count = 1},
    };
    const size_t cuts[] = {0, 1, 7, shape->items / 8, shape->items / 2, shape->items, (size_t)shape->items + 3};
    topn_retriever *retriever;
    assert_int_equal(retriever_create(NULL, &model, NULL, &retriever), TOPN_OK);
    for (size_t way = 0; way < sizeof requests / sizeof *requests; way++)
        check_ways(retriever, &rows, &requests[way], cuts[(way * 3 + shape->seed) % 7]);
    check_ways(retriever, &rows, &requests[0], 7);
    check_ways(retriever, &rows, &requests[4], 1);
    retriever_free(retriever);
    filter_free(thirds);
    sparse_clear(&rows);
    random_model_clear(&model);
}

static void every_form_equals_the_full_sort(void **state)
{
    (void)state;
    for (size_t form = 0; form < MODEL_FORMS; form++) {
        for (uint64_t seed = 0; seed < 4; seed++) {
            const model_shape shape = {.items = 90 + 37 * (uint32_t)seed,
                                       .dimensions = 5 + 20 * (uint32_t)seed,
                                       .density = seed % 2 ? 0.3 : 0.05,
                                       .priors = seed % 2,
                                       .biases = seed / 2 % 2,
                                       .use_weights = true,
                                       .normalizer = seed == 3 ? 0.5 : 0.0,
                                       .seed = seed + 1};
            check_model(&model_forms[form], &shape, seed % 2 == 0, seed >= 2);
        }
    }
}

/* More than one tile of rows. */
static void several_tiles_equal_the_full_sort(void **state)
{
    (void)state;
    for (size_t form = 3; form < MODEL_FORMS; form += 5) {
        const model_shape shape = {.items = ITEMS,
                                   .dimensions = 12,
                                   .density = 0.2,
                                   .priors = true,
                                   .biases = true,
                                   .use_weights = true,
                                   .seed = form};
        topn_model model = random_model(&model_forms[form], &shape);
        make_special(&model, true, true);
        sparse_matrix rows = random_histories(USERS, ITEMS, 3);
        topn_retriever *retriever;
        const topn_request plain = {0};
        assert_int_equal(retriever_create(NULL, &model, NULL, &retriever), TOPN_OK);
        check_ways(retriever, &rows, &plain, 100);
        check_ways(retriever, &rows, &plain, MOST_N);
        retriever_free(retriever);
        sparse_clear(&rows);
        random_model_clear(&model);
    }
}

/* Rows taken together have the bits of rows taken one by one. */
static void dense_rows_together(void **state)
{
    (void)state;
    for (uint32_t columns = 1; columns <= 70; columns += 3) {
        for (uint32_t count = 0; count <= 9; count++) {
            embedding_table table = {0};
            float phi[70], products[9];
            random_rows(&table, TABLE_DENSE, count, columns, 1.0, columns);
            for (uint32_t column = 0; column < columns; column++)
                phi[column] = random_value(5, column);
            dense_products(&table.dense, phi, products);
            for (uint32_t row = 0; row < count; row++) {
                const float alone = dense_product(phi, table.dense.values + row * columns, columns);
                assert_memory_equal(&products[row], &alone, sizeof alone);
            }
            random_rows_clear(&table);
        }
    }
}

/* φ with a few great values and many small ones, over rows of one magnitude: the search by postings answers, stops
 * early, and has the bits of the rows' own products; ties, priors, biases, refused items. */
static void postings_stop_early(void **state)
{
    (void)state;
    enum { DIMENSIONS = 900, MOST = 12 };
    static uint32_t order[ITEMS];
    static float scores[ITEMS], phi[DIMENSIONS];
    size_t answered = 0, stopped = 0;
    for (uint64_t seed = 0; seed < 24; seed++) {
        const model_form form = {"shared sparse", ENCODER_BAG, ITEMS_SHARED, TABLE_SPARSE, TABLE_NONE};
        const model_shape shape = {.items = ITEMS,
                                   .dimensions = DIMENSIONS,
                                   .density = 0.06,
                                   .priors = seed % 2,
                                   .biases = seed / 2 % 2,
                                   .seed = seed + 50};
        topn_model model = random_model(&form, &shape);
        make_special(&model, seed % 3 == 0, seed % 4 == 3);
        unsigned char refused[ITEMS];
        for (uint32_t item = 0; item < ITEMS; item++)
            refused[item] = random_below(seed, RANDOM_DOCTOR, item, 5) == 0;
        const size_t n = 1 + seed % MOST;
        for (uint32_t dimension = 0; dimension < DIMENSIONS; dimension++) {
            const uint32_t kind = random_below(seed + 1, RANDOM_DOCTOR, dimension, 12);
            phi[dimension] = kind == 0                ? 3.0f * random_value(seed, dimension)
                             : kind < 4 && seed % 5   ? 1e-3f * random_value(seed, dimension)
                             : kind < 4 && seed == 10 ? 1.0f
                                                      : 0.0f;
        }
        topn_retriever *retriever;
        posting_search *search;
        const sparse_matrix *postings;
        assert_int_equal(retriever_create(NULL, &model, NULL, &retriever), TOPN_OK);
        assert_int_equal(posting_search_create(NULL, retriever, &search), TOPN_OK);
        assert_false(posting_search_pays(search, phi, n)); /* no postings yet */
        assert_int_equal(cache_make_postings(NULL, retriever, &postings), TOPN_OK);
        assert_false(posting_search_pays(search, phi, ITEMS));
        size_t allowed = 0, found;
        for (uint32_t item = 0; item < ITEMS; item++) {
            scores[item] = item_score(&model, retriever->rows, phi, item);
            if (!refused[item] && scores[item] > -INFINITY)
                order[allowed++] = item;
        }
        sorted_scores = scores;
        qsort(order, allowed, sizeof *order, compare_items);
        uint32_t items[MOST];
        float best[MOST];
        if (posting_search_pays(search, phi, n) && posting_search_run(search, phi, refused, n, items, best, &found)) {
            answered++;
            stopped += search->entries_read < search->entries;
            assert_int_equal(found, n);
            for (size_t rank = 0; rank < n; rank++) {
                assert_int_equal(items[rank], order[rank]);
                assert_memory_equal(&best[rank], &scores[order[rank]], sizeof *best);
            }
        }
        posting_search_free(search);
        retriever_free(retriever);
        random_model_clear(&model);
    }
    assert_true(answered >= 12);
    assert_true(stopped >= 6);
}

/* One lane's list against a sort of what was offered. */
static void check_lane(lane_list *list, const float *given, const unsigned char *refused, const uint32_t *seen,
                       size_t seen_count, uint32_t items, size_t lanes)
{
    static float column[300];
    static uint32_t order[300];
    size_t count = 0;
    for (uint32_t item = 0; item < items; item++) {
        bool allowed = !refused[item];
        for (size_t place = 0; place < seen_count; place++)
            allowed &= seen[place] != item;
        column[item] = given[item * lanes];
        if (allowed && column[item] > -INFINITY)
            order[count++] = item;
    }
    sorted_scores = column;
    qsort(order, count, sizeof *order, compare_items);
    const float last = lane_list_cut(list);
    const size_t expected = list->n < count ? list->n : count;
    assert_int_equal(list->count, expected);
    assert_true(count < list->n ? last == -INFINITY : last == column[order[list->n - 1]]);
    for (size_t place = 0; place < expected; place++) {
        bool found = false;
        for (size_t rank = 0; rank < expected; rank++)
            found |= order[rank] == list->items[place];
        assert_true(found);
        assert_true(list->scores[place] == column[list->items[place]]);
        assert_true(place == 0 || list->items[place - 1] < list->items[place]);
    }
}

/* The step from a tile to the lists, at every vector width: NaN and −∞ never count, +∞ does. */
static void offers_at_every_width(void **state)
{
    (void)state;
    enum { HEIGHT = 300, FIRST = 170, MOST_LANES = PANEL_MOST_LANES, ROOM = 200 };
    static float tile[HEIGHT * MOST_LANES], given[HEIGHT * MOST_LANES], thresholds[MOST_LANES];
    static uint32_t items[MOST_LANES][ROOM];
    static float scores[MOST_LANES][ROOM];
    const uint32_t seen[] = {3, 17, 18, 119, 299};
    unsigned char refused[HEIGHT];
    for (uint32_t item = 0; item < HEIGHT; item++)
        refused[item] = item % 13 == 4;
    for (size_t at = 0; at < HEIGHT * MOST_LANES; at++)
        given[at] = at % 31 == 3   ? -INFINITY
                    : at % 47 == 5 ? NAN
                    : at % 97 == 2 ? INFINITY
                    : at % 2       ? roundf(8.0f * random_value(3, at)) * 0.25f
                                   : random_value(4, at);
    for (int vector = 4; vector <= 16; vector *= 2) {
        if (!panel_supports(vector))
            continue;
        for (size_t lanes = 16; lanes <= MOST_LANES; lanes += 16) {
            lane_list lists[MOST_LANES];
            const size_t users = lanes - 3;
            for (size_t lane = 0; lane < lanes; lane++) {
                lists[lane] = (lane_list){.items = items[lane],
                                          .scores = scores[lane],
                                          .n = lane == 5 ? 100 : 1 + lane % 9,
                                          .seen = seen,
                                          .seen_left = lane % 6};
                assert_true(lane_room(lists[lane].n) <= ROOM);
                thresholds[lane] = lane < users ? -INFINITY : INFINITY;
            }
            const panel_offer offer = {.lists = lists, .thresholds = thresholds, .refused = refused};
            memcpy(tile, given, HEIGHT * lanes * sizeof *tile);
            panel_offer_tile(&offer, tile, lanes, 0, FIRST, vector);
            panel_offer_tile(&offer, tile + FIRST * lanes, lanes, FIRST, HEIGHT - FIRST, vector);
            for (size_t lane = 0; lane < users; lane++)
                check_lane(&lists[lane], given + lane, refused, seen, lane % 6, HEIGHT, lanes);
            for (size_t lane = users; lane < lanes; lane++)
                assert_int_equal(lists[lane].count, 0);
        }
    }
}

/* All equal, all +∞, rising, falling, mixed signs and zeros of both. */
static void cuts_leave_the_best(void **state)
{
    (void)state;
    enum { ROOM = 130 };
    uint32_t items[ROOM];
    float scores[ROOM], given[ROOM];
    const unsigned char refused[ROOM] = {0};
    for (int kind = 0; kind < 6; kind++) {
        for (size_t n = 1; n <= 66; n += 5) {
            for (size_t count = 0; count <= lane_room(n); count += 13) {
                for (uint32_t item = 0; item < count; item++) {
                    const float mixed = random_value(9, item) > 0 ? 0.0f : -0.0f;
                    given[item] = kind == 0   ? 0.25f
                                  : kind == 1 ? INFINITY
                                  : kind == 2 ? (float)item
                                  : kind == 3 ? -(float)item
                                  : kind == 4 ? mixed
                                              : ldexpf(random_value(10, item), (int)item % 40 - 20);
                    items[item] = item;
                    scores[item] = given[item];
                }
                lane_list list = {.items = items, .scores = scores, .count = count, .n = n};
                check_lane(&list, given, refused, NULL, 0, (uint32_t)count, 1);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_leave_the_best),
        cmocka_unit_test(offers_at_every_width),
        cmocka_unit_test(every_form_equals_the_full_sort),
        cmocka_unit_test(dense_rows_together),
        cmocka_unit_test(postings_stop_early),
        cmocka_unit_test(several_tiles_equal_the_full_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
