/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of items in memory: read anew when the store changes, whole, while others go on asking; filters kept,
 * dropped and lent at the same time.
 */
#include "server/items.h"
#include "server/generation.h"
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { ITEMS = 64, READERS = 4, ROUNDS = 40, EXPRESSIONS = 300 };

static topn_context *context;
static char *folder, *place;
static generation *in_use;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static int set_up(void **state)
{
    static const uint64_t indptr[] = {0, ITEMS};
    static uint32_t indices[ITEMS];
    char why[512];
    (void)state;
    for (uint32_t item = 0; item < ITEMS; item++)
        indices[item] = item;
    check(topn_context_create(&context));
    folder = make_folder();
    char *path = join_path(folder, "model");
    topn_data *data;
    topn_options *options;
    topn_model *model;
    check(topn_data_copy_csr(context, 1, ITEMS, indptr, indices, NULL, &data));
    check(topn_options_create(context, TOPN_KIND_METHOD, "popularity", &options));
    check(topn_train(context, data, options, NULL, &model));
    check(topn_model_save(context, model, path));
    topn_model_free(model);
    topn_options_free(options);
    topn_data_free(data);
    in_use = generation_load(path, "exact", why, sizeof why);
    if (!in_use)
        fail_msg("%s", why);
    place = join_path(folder, "events");
    free(path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    generation_release(in_use);
    topn_context_free(context);
    free(place);
    remove_folder(folder);
    return 0;
}

/* All items in one go: those of this parity are hidden, and all have number `round`. */
static void put_round(store *to, uint32_t round)
{
    static char names[ITEMS][16], attributes[ITEMS][40];
    stored_entity entities[ITEMS];
    for (uint32_t item = 0; item < ITEMS; item++) {
        snprintf(names[item], sizeof names[item], "%u", item);
        snprintf(attributes[item], sizeof attributes[item], "{\"round\":%u,\"item\":%u}", round, item);
        entities[item] = (stored_entity){
            .id = names[item], .attributes = attributes[item], .hidden = item % 2 == round % 2, .title = names[item]};
    }
    assert_int_equal(store_put(to, ENTITY_ITEM, entities, ITEMS), STORE_OK);
}

typedef struct reader {
    item_catalog *catalog;
    atomic_bool *stop;
    unsigned faults, asked;
} reader;

/* One version or another, never a mixture: half of the items, all of one parity. */
static unsigned check_state(item_state *state)
{
    char why[512];
    const topn_filter *available = item_state_available(state);
    unsigned faults = !available || topn_filter_count(available) != ITEMS / 2;
    for (uint32_t item = 0; available && item < ITEMS; item++)
        faults += topn_filter_allows(available, item) != topn_filter_allows(available, item % 2);
    const topn_filter *low = item_state_filter(state, "item<10", why, sizeof why);
    faults += !low || topn_filter_count(low) != 5; /* the other five are hidden */
    item_state_return(state, low);
    faults += !item_state_title(state, 3) || strcmp(item_state_title(state, 3), "3") != 0;
    return faults;
}

static void *read_states(void *user_data)
{
    reader *mine = user_data;
    char why[512];
    store *opened = NULL;
    mine->faults = store_open(place, &opened, why, sizeof why) != STORE_OK;
    while (!mine->faults && !atomic_load(mine->stop)) {
        item_state *state = items_acquire(mine->catalog, opened, in_use, why, sizeof why);
        mine->faults += state ? check_state(state) : 1;
        item_state_release(state);
        mine->asked++;
    }
    store_close(opened);
    return NULL;
}

static void test_changes_under_readers(void **state)
{
    (void)state;
    atomic_bool stop = false;
    pthread_t threads[READERS];
    reader readers[READERS];
    item_catalog *catalog = items_create(NULL);
    store *to = open_store(place);
    put_round(to, 0);
    for (size_t at = 0; at < READERS; at++) {
        readers[at] = (reader){.catalog = catalog, .stop = &stop};
        assert_int_equal(pthread_create(&threads[at], NULL, read_states, &readers[at]), 0);
    }
    for (uint32_t round = 1; round < ROUNDS; round++) {
        put_round(to, round);
        items_touch(catalog);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    atomic_store(&stop, true);
    for (size_t at = 0; at < READERS; at++) {
        pthread_join(threads[at], NULL);
        assert_int_equal(readers[at].faults, 0);
        assert_true(readers[at].asked > 0);
    }
    char why[512];
    items_touch(catalog);
    item_state *last = NULL;
    do { /* what has been written is known in the end */
        item_state_release(last);
        last = items_acquire(catalog, to, in_use, why, sizeof why);
    } while (topn_filter_allows(item_state_available(last), 1) != ((ROUNDS - 1) % 2 != 1));
    const topn_filter *round = item_state_filter(last, "round=39", why, sizeof why);
    assert_non_null(round);
    assert_int_equal(topn_filter_count(round), ITEMS / 2);
    item_state_return(last, round);
    item_state_release(last);
    store_close(to);
    items_free(catalog);
}

/* Far more expressions than are kept, some lent all the while. */
static void *ask_filters(void *user_data)
{
    reader *mine = user_data;
    char why[512], expression[40];
    const topn_filter *held[3] = {NULL};
    store *opened = NULL;
    mine->faults = store_open(place, &opened, why, sizeof why) != STORE_OK;
    item_state *state = items_acquire(mine->catalog, opened, in_use, why, sizeof why);
    for (uint32_t at = 0; state && at < EXPRESSIONS; at++) {
        const uint32_t limit = at % ITEMS;
        snprintf(expression, sizeof expression, "item>=%u AND item<=%u", limit, limit + at / ITEMS);
        const topn_filter *filter = item_state_filter(state, expression, why, sizeof why);
        item_state_return(state, held[at % 3]);
        held[at % 3] = filter;
        for (uint32_t item = 0; filter && item < ITEMS; item++)
            mine->faults += topn_filter_allows(filter, item) != (item >= limit && item <= limit + at / ITEMS);
        mine->faults += !filter;
    }
    for (size_t at = 0; state && at < 3; at++)
        item_state_return(state, held[at]);
    mine->faults += !state || item_state_filter(state, "nothing=1", why, sizeof why) || !strstr(why, "nothing");
    item_state_release(state);
    store_close(opened);
    return NULL;
}

static void test_many_filters(void **state)
{
    (void)state;
    pthread_t threads[READERS];
    reader readers[READERS];
    char *elsewhere = place;
    place = join_path(folder, "filters");
    item_catalog *catalog = items_create(NULL);
    store *to = open_store(place);
    put_round(to, 0);
    for (uint32_t item = 0; item < ITEMS; item += 2) { /* none is hidden */
        char name[16], attributes[40];
        snprintf(name, sizeof name, "%u", item);
        snprintf(attributes, sizeof attributes, "{\"item\":%u}", item);
        assert_int_equal(store_put(to, ENTITY_ITEM, &(stored_entity){.id = name, .attributes = attributes}, 1),
                         STORE_OK);
    }
    for (size_t at = 0; at < READERS; at++) {
        readers[at] = (reader){.catalog = catalog};
        assert_int_equal(pthread_create(&threads[at], NULL, ask_filters, &readers[at]), 0);
    }
    for (size_t at = 0; at < READERS; at++) {
        pthread_join(threads[at], NULL);
        assert_int_equal(readers[at].faults, 0);
    }
    store_close(to);
    items_free(catalog);
    free(place);
    place = elsewhere;
}

/* A file of attributes that is not there is a fault at once, not an empty answer. */
static void test_wrong_file(void **state)
{
    (void)state;
    char why[512] = "";
    char *missing = join_path(folder, "missing.csv");
    item_catalog *catalog = items_create(missing);
    store *to = open_store(place);
    assert_null(items_acquire(catalog, to, in_use, why, sizeof why));
    assert_non_null(strstr(why, "missing.csv"));
    store_close(to);
    items_free(catalog);
    free(missing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_under_readers),
        cmocka_unit_test(test_many_filters),
        cmocka_unit_test(test_wrong_file),
    };
    return cmocka_run_group_tests_name("server/items", tests, set_up, tear_down);
}
