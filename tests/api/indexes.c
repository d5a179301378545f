/* SPDX-License-Identifier: Apache-2.0
 *
 * What every kind of approximate retrieval must do: this suite reads the registry, so a new kind is held to it by being
 * listed. Each kind is tried on the models that it serves: dense embeddings, sparse ones, and trained users' rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <topn/topn.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { USERS = 260, ITEMS = 900, MOST_EVENTS = 40 * USERS, LIST = 10, STAGES = 16 };

static topn_context *context;
static char folder[] = "/tmp/topn-api-indexes-XXXXXX";

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static void set_context(const char *name, const char *value)
{
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_CONTEXT, "context", &options));
    check(topn_options_set(context, options, name, value));
    check(topn_context_apply(context, options));
    topn_options_free(options);
}

/* Users of nine kinds, who take items of their kind, low ones likelier; each third has no events. */
static topn_data *make_data(uint32_t users, uint32_t items)
{
    static uint64_t indptr[USERS + 1];
    static uint32_t indices[MOST_EVENTS];
    uint64_t count = 0, state = 7;
    for (uint32_t user = 0; user < users; user++) {
        for (uint32_t trial = 0; trial < (user % 3 ? 36u : 0u); trial++) {
            state = (state * 1103515245 + 12345) % (UINT64_C(1) << 31);
            const double share = (double)state / (double)(UINT64_C(1) << 31);
            const uint32_t item = (uint32_t)((double)(items - 1) * share * share) / 9 * 9 + (user + trial / 30) % 9;
            bool taken = item >= items;
            for (uint64_t at = indptr[user]; at < count; at++)
                taken |= indices[at] == item;
            if (!taken)
                indices[count++] = item;
        }
        indptr[user + 1] = count;
    }
    if (count == 0)
        indices[count++] = 0;
    indptr[users] = count;
    topn_data *data;
    check(topn_data_copy_csr(context, users, items, indptr, indices, NULL, &data));
    return data;
}

/* Models that kinds may serve. */
static const struct {
    const char *method, *options[6];
} models[] = {
    {"ials", {"factors", "12", "sweeps", "3"}},
    {"ssvd", {"factors", "20"}},
    {"chol", {"k", "30"}},
};
enum { MODELS = sizeof models / sizeof *models };

static topn_model *train(size_t which, const topn_data *data)
{
    topn_options *options;
    topn_model *model;
    check(topn_options_create(context, TOPN_KIND_METHOD, models[which].method, &options));
    for (size_t at = 0; at < 6 && models[which].options[at]; at += 2)
        if (topn_options_has(options, models[which].options[at]))
            check(topn_options_set(context, options, models[which].options[at], models[which].options[at + 1]));
    check(topn_train(context, data, options, NULL, &model));
    topn_options_free(options);
    return model;
}

/* Small numbers, so that searching such small models is not given up for an exact answer. */
static topn_options *kind_options(const char *kind)
{
    static const char *const small[][2] = {{"m", "4"}, {"ef-construction", "40"}, {"ef", "60"}};
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_RETRIEVER, kind, &options));
    for (size_t at = 0; at < sizeof small / sizeof *small; at++)
        if (topn_options_has(options, small[at][0]))
            check(topn_options_set(context, options, small[at][0], small[at][1]));
    return options;
}

static topn_model *trained[MODELS]; /* on the same data, for all tests */

/* Calls `test` for every kind with every model that it serves, at least one each; the model has the index. */
static void for_each_kind(void (*test)(const char *kind, topn_model *model, topn_options *options))
{
    topn_entry entry;
    for (size_t index = 0; topn_registry_entry(TOPN_KIND_RETRIEVER, index, &entry); index++) {
        size_t served = 0;
        if (strcmp(entry.name, "exact") == 0)
            continue;
        for (size_t which = 0; which < MODELS; which++) {
            topn_model *model = trained[which];
            topn_options *options = kind_options(entry.name);
            const topn_status status = topn_model_add_index(context, model, options);
            if (status == TOPN_ERROR_UNSUPPORTED) {
                assert_non_null(strstr(topn_context_message(context), entry.name));
                assert_null(topn_model_index(model, 0));
            } else {
                check(status);
                print_message("             %s on %s\n", entry.name, models[which].method);
                test(entry.name, model, options);
                (void)topn_model_remove_index(context, model, entry.name);
                served++;
            }
            topn_options_free(options);
        }
        assert_true(served > 0);
    }
}

static const char *recorded(const topn_model *model, const char *prefix, const char *kind, const char *what)
{
    char wanted[96];
    const char *key, *value;
    snprintf(wanted, sizeof wanted, "%s%s.%s", prefix, kind, what);
    for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
        if (strcmp(key, wanted) == 0)
            return value;
    return NULL;
}

/* A retriever and a query of it. */
typedef struct answerer {
    const topn_model *model;
    topn_retriever *retriever;
    topn_query *query;
} answerer;

static answerer answerer_create(const topn_model *model, const topn_options *options)
{
    answerer out = {.model = model};
    check(topn_retriever_create(context, model, options, &out.retriever));
    check(topn_query_create(context, out.retriever, &out.query));
    return out;
}

static void answerer_free(answerer *with)
{
    topn_query_free(with->query);
    topn_retriever_free(with->retriever);
}

static topn_request history_of(const topn_model *model, uint32_t user)
{
    topn_request request = {0};
    request.history_length = topn_model_history(model, user, &request.history, &request.weights);
    return request;
}

/* The list keeps to the filters, is in order, has no item twice, and its scores are topn_score's to the bit. */
static size_t recommend(const answerer *with, const topn_request *request, size_t n, uint32_t *items, float *scores)
{
    static float exact[ITEMS];
    static unsigned char listed[ITEMS];
    size_t found;
    check(topn_recommend(with->query, request, n, items, scores, &found));
    assert_true(found <= n);
    check(topn_score(with->query, request, items, found, exact));
    assert_memory_equal(scores, exact, found * sizeof *scores);
    memset(listed, 0, sizeof listed);
    for (size_t rank = 0; rank < found; rank++) {
        assert_false(listed[items[rank]]);
        listed[items[rank]] = 1;
        assert_true(rank == 0 || scores[rank - 1] > scores[rank] ||
                    (scores[rank - 1] >= scores[rank] && items[rank - 1] < items[rank]));
    }
    for (size_t place = 0; place < request->history_length; place++)
        assert_true(request->include_seen || !listed[request->history[place]]);
    for (size_t place = 0; place < request->deny_count; place++)
        assert_false(listed[request->deny[place]]);
    return found;
}

static size_t read_file(const char *path, char **out)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    const size_t size = (size_t)ftell(file);
    rewind(file);
    *out = malloc(size + 1);
    assert_int_equal(fread(*out, 1, size, file), size);
    fclose(file);
    return size;
}

/* Built at one, two and five threads: the same file; loaded, the same answers. */
static void files_and_answers_are_the_same(const char *kind, topn_model *model, topn_options *options)
{
    static const char *const threads[] = {"1", "2", "5"};
    char path[64], *first = NULL;
    size_t first_size = 0;
    snprintf(path, sizeof path, "%s/model", folder);
    for (size_t run = 0; run < 3; run++) {
        char *bytes;
        set_context("threads", threads[run]);
        check(topn_model_add_index(context, model, options));
        check(topn_model_save(context, model, path));
        const size_t size = read_file(path, &bytes);
        if (run) {
            assert_int_equal(size, first_size);
            assert_memory_equal(bytes, first, size);
        }
        free(first);
        first = bytes;
        first_size = size;
    }
    free(first);
    set_context("threads", "0");
    topn_model *loaded;
    check(topn_model_load(context, path, &loaded));
    assert_string_equal(topn_model_index(loaded, 0), kind);
    answerer sides[2] = {answerer_create(model, options), answerer_create(loaded, options)};
    for (uint32_t user = 0; user < USERS; user += 7) {
        uint32_t items[2][LIST];
        float scores[2][LIST];
        size_t found[2];
        for (int side = 0; side < 2; side++) {
            const topn_request request = history_of(sides[side].model, user);
            found[side] = recommend(&sides[side], &request, LIST, items[side], scores[side]);
        }
        assert_int_equal(found[0], LIST);
        assert_int_equal(found[1], LIST);
        assert_memory_equal(items[0], items[1], sizeof items[0]);
        assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
    }
    /* Saved again, the loaded model gives the same file; without the index nothing of it is left. */
    check(topn_model_save(context, loaded, path));
    char *bytes;
    size_t size = read_file(path, &bytes);
    assert_int_equal(size, first_size);
    free(bytes);
    for (int side = 0; side < 2; side++)
        answerer_free(&sides[side]);
    check(topn_model_remove_index(context, loaded, kind));
    assert_null(topn_model_index(loaded, 0));
    assert_null(recorded(loaded, "index.", kind, "overlap@100"));
    assert_int_equal(topn_model_remove_index(context, loaded, kind), TOPN_ERROR_NOT_FOUND);
    check(topn_model_save(context, loaded, path));
    size = read_file(path, &bytes);
    bytes[size] = '\0';
    assert_true(size < first_size);
    assert_null(strstr(bytes + 8, "\"index."));
    free(bytes);
    topn_model_free(loaded);
    unlink(path);
}

static void test_same(void **state)
{
    (void)state;
    for_each_kind(files_and_answers_are_the_same);
}

/* The overlap that is recorded is what anybody measures on the same histories. */
static void overlap_is_as_recorded(const char *kind, topn_model *model, topn_options *options)
{
    static const size_t lengths[] = {100, 10};
    uint32_t with_history[USERS];
    size_t users = 0;
    answerer sides[2] = {answerer_create(model, options), answerer_create(model, NULL)};
    for (uint32_t user = 0; user < topn_model_users(model); user++)
        if (topn_model_history(model, user, NULL, NULL))
            with_history[users++] = user;
    const size_t taken = users < 200 ? users : 200;
    assert_true(taken > 100);
    for (size_t which = 0; which < 2; which++) {
        double sum = 0;
        char wanted[16], text[16];
        for (size_t index = 0; index < taken; index++) {
            uint32_t items[2][100];
            float scores[100];
            size_t found[2], both = 0;
            const topn_request request = history_of(model, with_history[index * users / taken]);
            for (int side = 0; side < 2; side++)
                found[side] = recommend(&sides[side], &request, lengths[which], items[side], scores);
            for (size_t a = 0; a < found[0]; a++)
                for (size_t b = 0; b < found[1]; b++)
                    both += items[0][a] == items[1][b];
            sum += (double)both / (double)found[1];
        }
        snprintf(wanted, sizeof wanted, "overlap@%zu", lengths[which]);
        snprintf(text, sizeof text, "%.4f", sum / (double)taken);
        assert_string_equal(recorded(model, "index.", kind, wanted), text);
        assert_true(sum / (double)taken > 0.5); /* it is a way to retrieve, not a lottery */
    }
    assert_non_null(recorded(model, "run.index.", kind, "seconds"));
    assert_non_null(recorded(model, "run.index.", kind, "microseconds"));
    assert_true(atof(recorded(model, "index.", kind, "bytes")) > 0);
    for (int side = 0; side < 2; side++)
        answerer_free(&sides[side]);
}

static void test_overlap(void **state)
{
    (void)state;
    for_each_kind(overlap_is_as_recorded);
}

/* How many of the exact list the index finds under the same filters. */
static size_t shared(const answerer *index, const answerer *exact, const topn_request *request, size_t n,
                     size_t *wanted)
{
    static uint32_t items[2][ITEMS];
    static float scores[ITEMS];
    size_t both = 0;
    const size_t found = recommend(index, request, n, items[0], scores);
    *wanted = recommend(exact, request, n, items[1], scores);
    assert_int_equal(found, *wanted); /* as many as there are */
    for (size_t a = 0; a < found; a++)
        for (size_t b = 0; b < found; b++)
            both += items[0][a] == items[1][b];
    return both;
}

/* All items allowed, half of them, few, one, none; deny lists; flags. Few allowed and long lists are exact. */
static void filters_are_kept(const char *kind, topn_model *model, topn_options *options)
{
    static const uint32_t strides[] = {1, 2, 5, 40, 300, ITEMS};
    static uint32_t allow[ITEMS];
    static unsigned char flags[ITEMS];
    (void)kind;
    answerer index = answerer_create(model, options), exact = answerer_create(model, NULL);
    for (size_t which = 0; which < sizeof strides / sizeof *strides; which++) {
        topn_filter *filter;
        size_t count = 0, found = 0, wanted = 0;
        for (uint32_t item = 0; item < ITEMS; item++) {
            flags[item] = item % strides[which] == 0;
            if (flags[item])
                allow[count++] = item;
        }
        check(topn_filter_create_flags(context, model, flags, &filter));
        const topn_filter *filters[] = {filter};
        for (uint32_t user = 0; user < USERS; user += 5)
            for (int form = 0; form < 3; form++) {
                size_t here;
                topn_request request = history_of(model, user);
                request.include_seen = user % 2;
                request.allow = form == 0 ? allow : NULL;
                request.allow_count = form == 0 ? count : 0;
                request.filters = filters;
                request.filter_count = form == 1;
                request.deny = form == 2 ? allow : NULL; /* the very others */
                request.deny_count = form == 2 && strides[which] > 1 ? count : 0;
                found += shared(&index, &exact, &request, LIST, &here);
                wanted += here;
            }
        assert_true((double)found >= 0.5 * (double)wanted);
        if (count * 32 <= ITEMS) {
            const topn_request few = {.allow = allow, .allow_count = count};
            assert_int_equal(shared(&index, &exact, &few, ITEMS, &wanted), count);
            assert_int_equal(wanted, count);
        }
        topn_filter_free(filter);
    }
    const topn_request none = {.allow = allow, .allow_count = 0};
    size_t wanted;
    assert_int_equal(shared(&index, &exact, &none, LIST, &wanted), 0);
    topn_request everything = history_of(model, 4);
    everything.include_seen = true;
    assert_int_equal(shared(&index, &exact, &everything, ITEMS, &wanted), ITEMS);
    assert_int_equal(wanted, ITEMS);
    uint32_t beyond[ITEMS + 5];
    float scores[ITEMS + 5];
    size_t found;
    check(topn_recommend(index.query, &everything, ITEMS + 5, beyond, scores, &found));
    assert_int_equal(found, ITEMS);
    check(topn_recommend(index.query, &everything, 0, NULL, NULL, &found));
    assert_int_equal(found, 0);
    answerer_free(&index);
    answerer_free(&exact);
}

static void test_filters(void **state)
{
    (void)state;
    for_each_kind(filters_are_kept);
}

/* Lists of all users, from topn_recommend_many. */
typedef struct many {
    uint32_t users, items[USERS][LIST];
    size_t found[USERS];
} many;

static bool keep_many(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    many *all = user_data;
    (void)scores;
    assert_int_equal(user, all->users++);
    all->found[user] = found;
    memcpy(all->items[user], items, found * sizeof *items);
    return true;
}

/* One by one, many at once and similar items go the same way; without being asked for, the index has no part. */
static void all_ways_agree(const char *kind, topn_model *model, topn_options *options)
{
    static many all[2];
    answerer index = answerer_create(model, options), exact = answerer_create(model, NULL);
    const char *const threads[] = {"1", "3"};
    for (int run = 0; run < 2; run++) {
        memset(&all[run], 0, sizeof all[run]);
        set_context("threads", threads[run]);
        check(topn_recommend_many(context, index.retriever, NULL, NULL, 0, LIST, NULL, keep_many, &all[run]));
    }
    set_context("threads", "0");
    assert_memory_equal(&all[0], &all[1], sizeof all[0]);
    for (uint32_t user = 0; user < USERS; user++) {
        uint32_t items[LIST];
        float scores[LIST];
        const topn_request request = history_of(model, user);
        assert_int_equal(recommend(&index, &request, LIST, items, scores), all[0].found[user]);
        assert_memory_equal(items, all[0].items[user], all[0].found[user] * sizeof *items);
    }
    uint32_t near[LIST], listed[LIST];
    float scores[LIST];
    size_t found;
    const uint32_t seed_item = 4;
    const topn_request one = {.history = &seed_item, .history_length = 1};
    check(topn_similar(index.query, seed_item, LIST, near, scores, &found));
    assert_int_equal(recommend(&index, &one, LIST, listed, scores), found);
    assert_memory_equal(near, listed, found * sizeof *near);
    /* The default is exact with an index in the model as without one. */
    topn_model *plain;
    float priors[ITEMS];
    for (uint32_t item = 0; item < ITEMS; item++)
        priors[item] = topn_model_prior(model, item);
    check(topn_model_copy_with_priors(context, model, priors, &plain));
    assert_null(topn_model_index(plain, 0));
    assert_null(recorded(plain, "index.", kind, "overlap@100"));
    topn_retriever *retriever;
    assert_int_equal(topn_retriever_create(context, plain, options, &retriever), TOPN_ERROR_NOT_FOUND);
    char advice[96];
    snprintf(advice, sizeof advice, "topn index MODEL --retriever %s", kind);
    assert_non_null(strstr(topn_context_message(context), advice));
    answerer without = answerer_create(plain, NULL);
    for (uint32_t user = 0; user < USERS; user += 11) {
        const topn_request request = history_of(model, user);
        topn_request own = request;
        own.history_length = topn_model_history(plain, user, &own.history, &own.weights);
        uint32_t items[2][LIST];
        const size_t here = recommend(&exact, &request, LIST, items[0], scores);
        assert_int_equal(recommend(&without, &own, LIST, items[1], scores), here);
        assert_memory_equal(items[0], items[1], here * sizeof(uint32_t));
    }
    answerer_free(&without);
    topn_model_free(plain);
    answerer_free(&index);
    answerer_free(&exact);
}

static void test_ways(void **state)
{
    (void)state;
    for_each_kind(all_ways_agree);
}

/* Evaluation counts the index's own lists, and refuses what needs all scores. */
static void evaluation_goes_through(const char *kind, topn_model *model, topn_options *options)
{
    topn_data *data = make_data(USERS, ITEMS);
    topn_options *wanted;
    topn_report *reports[2];
    answerer index = answerer_create(model, options), exact = answerer_create(model, NULL);
    check(topn_options_create(context, TOPN_KIND_EVALUATION, "evaluation", &wanted));
    check(topn_options_set(context, wanted, "metrics", "recall@20,ndcg@20,catalogue-coverage@20"));
    check(topn_options_set(context, wanted, "include-seen", "true"));
    check(topn_options_set(context, wanted, "bootstrap", "0"));
    check(topn_evaluate(context, index.retriever, data, data, NULL, wanted, &reports[0]));
    check(topn_evaluate(context, exact.retriever, data, data, NULL, wanted, &reports[1]));
    topn_metric_result found, best;
    assert_true(topn_report_metric(reports[0], 0, &found) && topn_report_metric(reports[1], 0, &best));
    assert_true(found.mean > 0.5 * best.mean && best.mean > 0);
    /* By hand: the list of one user. */
    const uint32_t user = 1, *hidden;
    const size_t count = topn_data_history(data, user, &hidden, NULL);
    topn_request request = history_of(model, user);
    request.include_seen = true;
    uint32_t items[20];
    float scores[20];
    size_t hits = 0;
    const size_t listed = recommend(&index, &request, 20, items, scores);
    for (size_t rank = 0; rank < listed; rank++)
        for (size_t place = 0; place < count; place++)
            hits += items[rank] == hidden[place];
    assert_string_equal(topn_report_user_id(reports[0], 0), topn_data_user_id(data, user));
    assert_true(fabs(topn_report_value(reports[0], 0, 0) - (double)hits / (double)count) < 1e-12);
    topn_report_free(reports[0]);
    topn_report_free(reports[1]);
    check(topn_options_set(context, wanted, "metrics", "auc"));
    assert_int_equal(topn_evaluate(context, index.retriever, data, data, NULL, wanted, &reports[0]), TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), kind));
    check(topn_options_set(context, wanted, "metrics", "recall@20"));
    assert_int_equal(topn_evaluate(context, index.retriever, data, data, data, wanted, &reports[0]), TOPN_ERROR_OPTION);
    topn_options_free(wanted);
    answerer_free(&index);
    answerer_free(&exact);
    topn_data_free(data);
}

static void test_evaluation(void **state)
{
    (void)state;
    for_each_kind(evaluation_goes_through);
}

/* Stages seen so far, and the one to cancel at. */
typedef struct stages {
    char names[STAGES][32];
    int count;
    const char *cancel;
} stages;

static bool watch(const topn_progress *progress, void *user_data)
{
    stages *seen = user_data;
    assert_true(progress->done <= progress->total || progress->total == 0);
    if (seen->cancel)
        return strcmp(progress->stage, seen->cancel) != 0;
    for (int i = 0; i < seen->count; i++)
        if (strcmp(seen->names[i], progress->stage) == 0)
            return true;
    assert_true(seen->count < STAGES);
    snprintf(seen->names[seen->count++], sizeof seen->names[0], "%s", progress->stage);
    return true;
}

/* A cancelled building leaves the model as it was: with the earlier index, or without. */
static void building_can_be_cancelled(const char *kind, topn_model *model, topn_options *options)
{
    stages seen = {.count = 0};
    char before[32];
    snprintf(before, sizeof before, "%s", recorded(model, "index.", kind, "overlap@100"));
    topn_context_set_progress(context, watch, &seen);
    check(topn_model_add_index(context, model, options));
    assert_true(seen.count >= 2);
    for (int i = 0; i < seen.count; i++) {
        seen.cancel = seen.names[i];
        assert_int_equal(topn_model_add_index(context, model, options), TOPN_ERROR_CANCELLED);
        assert_string_equal(topn_model_index(model, 0), kind);
        assert_string_equal(recorded(model, "index.", kind, "overlap@100"), before);
    }
    seen.cancel = NULL;
    check(topn_model_remove_index(context, model, kind));
    seen.cancel = "measure";
    assert_int_equal(topn_model_add_index(context, model, options), TOPN_ERROR_CANCELLED);
    assert_null(topn_model_index(model, 0));
    assert_null(recorded(model, "index.", kind, "overlap@100"));
    topn_context_set_progress(context, NULL, NULL);
}

static void test_cancel(void **state)
{
    (void)state;
    for_each_kind(building_can_be_cancelled);
}

/* Few items, and items whose scores are all the same. */
static void small_models_are_served(const char *kind, topn_model *model, topn_options *options)
{
    static const uint32_t sizes[][2] = {{1, 1}, {3, 1}, {2, 3}, {6, 40}};
    (void)model;
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++)
        for (size_t form = 0; form < MODELS; form++) {
            topn_data *data = make_data(sizes[which][0], sizes[which][1]);
            topn_model *small = train(form, data);
            const topn_status status = topn_model_add_index(context, small, options);
            if (status != TOPN_ERROR_UNSUPPORTED) {
                check(status);
                answerer index = answerer_create(small, options), exact = answerer_create(small, NULL);
                const topn_request nobody = {0}; /* scores nothing but biases: ties */
                size_t wanted;
                assert_int_equal(shared(&index, &exact, &nobody, sizes[which][1], &wanted), sizes[which][1]);
                assert_int_equal(wanted, sizes[which][1]);
                answerer_free(&index);
                answerer_free(&exact);
            }
            topn_model_free(small);
            topn_data_free(data);
        }
    answerer index = answerer_create(model, options);
    const topn_request nobody = {.include_seen = true};
    uint32_t items[LIST];
    float scores[LIST];
    assert_int_equal(recommend(&index, &nobody, LIST, items, scores), LIST);
    answerer_free(&index);
    (void)kind;
}

static void test_small(void **state)
{
    (void)state;
    for_each_kind(small_models_are_served);
}

/* hnsw says what building takes before it takes it. */
static void test_memory(void **state)
{
    (void)state;
    topn_options *options = kind_options("hnsw");
    set_context("memory", "1");
    assert_int_equal(topn_model_add_index(context, trained[0], options), TOPN_ERROR_MEMORY);
    assert_non_null(strstr(topn_context_message(context), "--m"));
    assert_null(topn_model_index(trained[0], 0));
    set_context("memory", "0");
    topn_options_free(options);
}

/* Models without embeddings, the exact retriever, and options of something else are refused with what would be right.
 */
static void test_refusals(void **state)
{
    (void)state;
    topn_data *data = make_data(USERS, ITEMS);
    topn_options *options, *method;
    topn_model *model;
    check(topn_options_create(context, TOPN_KIND_METHOD, "popularity", &method));
    check(topn_train(context, data, method, NULL, &model));
    check(topn_options_create(context, TOPN_KIND_RETRIEVER, "hnsw", &options));
    assert_int_equal(topn_model_add_index(context, model, options), TOPN_ERROR_UNSUPPORTED);
    assert_non_null(strstr(topn_context_message(context), "no item embeddings"));
    topn_options_free(options);
    check(topn_options_create(context, TOPN_KIND_RETRIEVER, "exact", &options));
    assert_int_equal(topn_model_add_index(context, model, options), TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "exact needs no index"));
    assert_int_equal(topn_model_add_index(context, model, method), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_model_add_index(context, model, NULL), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_model_add_index(context, NULL, options), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_model_remove_index(context, model, NULL), TOPN_ERROR_ARGUMENT);
    assert_null(topn_model_index(NULL, 0));
    topn_retriever *retriever;
    assert_int_equal(topn_retriever_create(context, model, method, &retriever), TOPN_ERROR_ARGUMENT);
    topn_options_free(options);
    topn_options_free(method);
    topn_model_free(model);
    topn_data_free(data);
}

static int setup(void **state)
{
    (void)state;
    if (topn_context_create(&context) != TOPN_OK || !mkdtemp(folder))
        return 1;
    topn_data *data = make_data(USERS, ITEMS);
    for (size_t which = 0; which < MODELS; which++)
        trained[which] = train(which, data);
    topn_data_free(data);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t which = 0; which < MODELS; which++)
        topn_model_free(trained[which]);
    topn_context_free(context);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),       cmocka_unit_test(test_overlap),  cmocka_unit_test(test_filters),
        cmocka_unit_test(test_ways),       cmocka_unit_test(test_cancel),   cmocka_unit_test(test_small),
        cmocka_unit_test(test_evaluation), cmocka_unit_test(test_refusals), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
