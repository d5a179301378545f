/* SPDX-License-Identifier: Apache-2.0
 *
 * Every metric of every user against tests/golden/metrics.txt, which tests/golden/metrics.py computed naively: full
 * ranking, unknown hidden items dropped, seen items ranked, sampled candidates.
 */
#include "evaluate/evaluation.h"
#include "evaluate/report.h"
#include "made_data.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ITEMS = 30, MOST_USERS = 32, MOST_METRICS = 64 };

typedef struct golden {
    FILE *file;
    uint32_t users;
    float weights[ITEMS * ITEMS];
    topn_model *model;
    topn_retriever *retriever;
    topn_data *seen, *hidden, *candidates;
    int modes;
} golden;

static void expect_word(golden *from, const char *word)
{
    char found[64];
    assert_int_equal(fscanf(from->file, "%63s", found), 1);
    assert_string_equal(found, word);
}

static uint32_t next_number(golden *from)
{
    uint32_t number;
    assert_int_equal(fscanf(from->file, "%" SCNu32, &number), 1);
    return number;
}

static double next_real(golden *from)
{
    double number;
    assert_int_equal(fscanf(from->file, "%lf", &number), 1);
    return number;
}

/* Rows of items while a file is read. The data number items from the last to the first, unlike the model. */
typedef struct rows {
    uint32_t pairs[MOST_USERS * ITEMS][2], users[MOST_USERS];
    uint64_t events;
    uint32_t count;
} rows;

static void add_row(rows *to, uint32_t user, const uint32_t *items, uint32_t count)
{
    if (count == 0)
        return;
    for (uint32_t index = 0; index < count; index++) {
        to->pairs[to->events][0] = to->count;
        to->pairs[to->events++][1] = items[index];
    }
    to->users[to->count++] = user;
}

/* Items ITEMS and above are called x…: nobody knows them. */
static topn_data *finish_rows(const rows *from)
{
    enum { ALL = ITEMS + 2 };
    data_parts parts = {0};
    topn_data *data;
    uint32_t numbers[ALL];
    const char *ids[ALL];
    for (uint32_t index = 0; index < ALL; index++)
        numbers[index] = ALL - 1 - index;
    string_table plain = made_ids("i", numbers, ALL);
    for (uint32_t index = 0; index < ALL; index++)
        ids[index] = numbers[index] < ITEMS ? string_table_get(&plain, index) : numbers[index] == ITEMS ? "x0" : "x1";
    made(string_table_create(NULL, ids, ALL, &parts.item_ids));
    string_table_clear(&plain);
    parts.user_ids = made_ids("u", from->users, from->count);
    made(sparse_create(NULL, from->count, ALL, from->events, &parts.matrix));
    for (uint64_t at = 0; at < from->events; at++) {
        parts.matrix.indptr[from->pairs[at][0] + 1] = at + 1;
        parts.matrix.indices[at] = ALL - 1 - from->pairs[at][1];
        parts.matrix.values[at] = 1;
    }
    made(data_assemble(NULL, &parts, &data));
    return data;
}

static void read_row(golden *from, rows *to, uint32_t user, bool then_unknown)
{
    uint32_t items[ITEMS + 2];
    uint32_t count = next_number(from);
    for (uint32_t index = 0; index < count; index++)
        items[index] = next_number(from);
    if (then_unknown)
        for (uint32_t unknown = next_number(from), index = 0; index < unknown; index++)
            items[count++] = ITEMS + index;
    add_row(to, user, items, count);
}

static int open_golden(void **state)
{
    static golden from;
    static rows seen, hidden, candidates;
    from.file = fopen("tests/golden/metrics.txt", "r");
    assert_non_null(from.file);
    expect_word(&from, "items");
    assert_int_equal(next_number(&from), ITEMS);
    for (size_t at = 0; at < ITEMS * ITEMS; at++)
        from.weights[at] = (float)next_real(&from);
    expect_word(&from, "users");
    from.users = next_number(&from);
    for (uint32_t user = 0; user < from.users; user++) {
        read_row(&from, &seen, user, false);
        read_row(&from, &hidden, user, true);
        read_row(&from, &candidates, user, false);
    }
    expect_word(&from, "others");
    for (uint32_t others = next_number(&from), user = 0; user < others; user++)
        read_row(&from, &seen, from.users + user, false);
    expect_word(&from, "modes");
    from.modes = (int)next_number(&from);
    from.seen = finish_rows(&seen);
    from.hidden = finish_rows(&hidden);
    from.candidates = finish_rows(&candidates);
    from.model = made_model(ITEMS, from.weights);
    made(retriever_create(NULL, from.model, NULL, &from.retriever));
    *state = &from;
    return 0;
}

static int close_golden(void **state)
{
    golden *from = *state;
    fclose(from->file);
    topn_data_free(from->seen);
    topn_data_free(from->hidden);
    topn_data_free(from->candidates);
    retriever_free(from->retriever);
    topn_model_free(from->model);
    return 0;
}

/* What one mode of the file says. */
typedef struct expected {
    char mode[32];
    bool drop, include_seen, sampled;
    uint32_t users[MOST_USERS], user_count;
    char names[MOST_METRICS][32];
    size_t per_user, metrics;
    double values[MOST_METRICS][MOST_USERS]; /* per user, or [0] for metrics over all lists */
    char list[2048];                         /* all names, separated by commas */
} expected;

static void read_name(golden *from, expected *to)
{
    assert_int_equal(fscanf(from->file, "%31s", to->names[to->metrics]), 1);
    const size_t length = strlen(to->list);
    snprintf(to->list + length, sizeof to->list - length, "%s%s", length ? "," : "", to->names[to->metrics]);
}

static void read_mode(golden *from, expected *to)
{
    memset(to, 0, sizeof *to);
    assert_int_equal(fscanf(from->file, "%31s", to->mode), 1);
    to->drop = next_number(from);
    to->include_seen = next_number(from);
    to->sampled = next_number(from);
    expect_word(from, "evaluated");
    to->user_count = next_number(from);
    for (uint32_t index = 0; index < to->user_count; index++)
        to->users[index] = next_number(from);
    expect_word(from, "metrics");
    to->per_user = next_number(from);
    for (; to->metrics < to->per_user; to->metrics++) {
        read_name(from, to);
        for (uint32_t index = 0; index < to->user_count; index++)
            to->values[to->metrics][index] = next_real(from);
    }
    expect_word(from, "overall");
    for (uint32_t overall = next_number(from); overall > 0; overall--, to->metrics++) {
        read_name(from, to);
        to->values[to->metrics][0] = next_real(from);
    }
}

static void compare(const expected *want, const topn_report *got)
{
    char id[24], name[64];
    assert_int_equal(topn_report_count(got), want->metrics);
    assert_int_equal(topn_report_users(got), want->user_count);
    for (uint32_t user = 0; user < want->user_count; user++) {
        snprintf(id, sizeof id, "u%u", want->users[user]);
        assert_string_equal(topn_report_user_id(got, user), id);
    }
    for (size_t index = 0; index < want->metrics; index++) {
        topn_metric_result result;
        assert_true(topn_report_metric(got, index, &result));
        snprintf(name, sizeof name, "%s%s", want->sampled ? "sampled-" : "", want->names[index]);
        assert_string_equal(result.name, name);
        assert_true(strlen(result.definition) > 10);
        assert_int_equal(result.per_user, index < want->per_user);
        double mean = want->values[index][0];
        if (result.per_user) {
            mean = 0;
            for (uint32_t user = 0; user < want->user_count; user++) {
                const double value = topn_report_value(got, index, user);
                if (fabs(value - want->values[index][user]) > 1e-12)
                    fail_msg("%s of user %u: %.17g, not %.17g", name, want->users[user], value,
                             want->values[index][user]);
                mean += want->values[index][user] / want->user_count;
            }
            assert_true(result.low <= result.mean && result.mean <= result.high);
        } else {
            assert_true(isnan(topn_report_value(got, index, 0)) && isnan(result.low) && isnan(result.high));
        }
        if (fabs(result.mean - mean) > 1e-12)
            fail_msg("%s: mean %.17g, not %.17g", name, result.mean, mean);
    }
}

static void all_metrics_of_all_modes(void **state)
{
    golden *from = *state;
    static expected want;
    assert_int_equal(from->modes, 4);
    for (int mode = 0; mode < from->modes; mode++) {
        read_mode(from, &want);
        const evaluation_params params = {.metrics = want.list,
                                          .bootstrap = 200,
                                          .confidence = 0.95,
                                          .unknown_items = want.drop ? UNKNOWN_DROP : UNKNOWN_MISS,
                                          .include_seen = want.include_seen};
        for (int threads = 1; threads <= 2; threads++) {
            topn_context context = {.threads = threads, .seed = 5};
            topn_report *report = NULL;
            const topn_status status = evaluate_run(&context, from->retriever, from->seen, from->hidden,
                                                    want.sampled ? from->candidates : NULL, &params, &report);
            if (status != TOPN_OK)
                fail_msg("%s: %s", want.mode, context.message);
            compare(&want, report);
            topn_report_free(report);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_metrics_of_all_modes)};
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
