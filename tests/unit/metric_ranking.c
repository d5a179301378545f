/* SPDX-License-Identifier: Apache-2.0
 *
 * One user's ranking against a full sort and a double loop, over random scores with many ties.
 */
#include "evaluate/user_ranking.h"

#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_ITEMS = 60, MOST_CUTOFF = 70 };

typedef struct trial {
    uint32_t items, hidden[MOST_ITEMS], masked[MOST_ITEMS], candidates[MOST_ITEMS];
    float scores[MOST_ITEMS];
    bool is_hidden[MOST_ITEMS], is_ranked[MOST_ITEMS];
    ranking_task task;
} trial;

/* `levels` distinct scores; every item is hidden, masked and a candidate with the given probabilities. */
static void make_trial(uint64_t seed, uint32_t items, uint32_t levels, bool sampled, trial *out)
{
    memset(out, 0, sizeof *out);
    out->items = items;
    out->task = (ranking_task){.sampled = sampled, .needs = NEED_AUC | NEED_SCORED};
    for (uint32_t item = 0; item < items; item++) {
        uint32_t words[4];
        random_block(seed, RANDOM_DOCTOR, item, words);
        out->scores[item] = (float)(words[0] % levels) - 1;
        out->is_hidden[item] = words[1] % 4 == 0;
        const bool masked = words[2] % 6 == 0, candidate = words[3] % 3 == 0;
        out->is_ranked[item] = !masked && (!sampled || candidate || out->is_hidden[item]);
        if (out->is_hidden[item])
            out->hidden[out->task.hidden.count++] = item;
        if (masked)
            out->masked[out->task.masked.count++] = item;
        if (sampled && candidate)
            out->candidates[out->task.candidates.count++] = item;
    }
    out->task.hidden.items = out->hidden;
    out->task.masked.items = out->masked;
    out->task.candidates.items = out->candidates;
    out->task.relevant = out->task.hidden.count + seed % 3; /* some unknown to the model */
}

/* How many ranked items stand before `item`. */
static size_t place_of(const trial *from, uint32_t item)
{
    size_t before = 0;
    for (uint32_t other = 0; other < from->items; other++)
        before += from->is_ranked[other] && (from->scores[other] > from->scores[item] ||
                                             (from->scores[other] == from->scores[item] && other < item));
    return before;
}

static double naive_auc(const trial *from)
{
    double won = 0;
    size_t others = 0;
    for (uint32_t b = 0; b < from->items; b++) {
        if (from->is_hidden[b] || !from->is_ranked[b])
            continue;
        others++;
        for (uint32_t a = 0; a < from->items; a++)
            if (from->is_hidden[a] && from->is_ranked[a])
                won += from->scores[a] > from->scores[b] ? 1 : from->scores[a] == from->scores[b] ? 0.5 : 0;
    }
    return others ? won / ((double)from->task.relevant * (double)others) : 0.5;
}

static void equals_the_naive_ranking(void **state)
{
    (void)state;
    ranking_scratch scratch;
    float scores[MOST_ITEMS];
    for (uint64_t seed = 0; seed < 3000; seed++) {
        trial one;
        ranking got;
        make_trial(seed, 1 + (uint32_t)(seed % MOST_ITEMS), 1 + (uint32_t)(seed % 7), seed % 2, &one);
        if (one.task.relevant == 0)
            continue;
        const size_t cutoff = seed % MOST_CUTOFF;
        assert_int_equal(ranking_scratch_create(NULL, cutoff, &scratch), TOPN_OK);
        memcpy(scores, one.scores, sizeof scores);
        assert_int_equal(rank_user(NULL, &scratch, &one.task, scores, one.items, &got), TOPN_OK);
        size_t ranked = 0, scored = 0;
        for (uint32_t item = 0; item < one.items; item++) {
            scored += one.scores[item] != 0;
            ranked += one.is_ranked[item];
            const size_t place = place_of(&one, item);
            if (!one.is_ranked[item] || place >= cutoff)
                continue;
            assert_int_equal(got.list[place], item);
            assert_int_equal(got.hits[place], one.is_hidden[item]);
        }
        assert_int_equal(got.list_length, ranked < cutoff ? ranked : cutoff);
        assert_int_equal(got.scored, scored);
        assert_true(fabs(got.auc - naive_auc(&one)) < 1e-12);
        ranking_scratch_clear(&scratch);
    }
}

static void constant_scorer_has_auc_one_half(void **state)
{
    (void)state;
    ranking_scratch scratch;
    float scores[50];
    const uint32_t hidden[] = {3, 10, 11, 49}, masked[] = {0, 7};
    for (int item = 0; item < 50; item++)
        scores[item] = 2.5f;
    const ranking_task task = {.hidden = {hidden, 4}, .masked = {masked, 2}, .relevant = 4, .needs = NEED_AUC};
    ranking got;
    assert_int_equal(ranking_scratch_create(NULL, 0, &scratch), TOPN_OK);
    assert_int_equal(rank_user(NULL, &scratch, &task, scores, 50, &got), TOPN_OK);
    assert_true(got.auc == 0.5);
    ranking_scratch_clear(&scratch);
}

/* E8: 60 hidden items, 30 of them among the first 50. */
static void two_recalls_are_two_numbers(void **state)
{
    (void)state;
    uint32_t list[50];
    bool hits[50];
    for (uint32_t rank = 0; rank < 50; rank++) {
        list[rank] = rank;
        hits[rank] = rank < 30;
    }
    const ranking of = {.list = list, .hits = hits, .list_length = 50, .relevant = 60, .catalogue = 100};
    assert_true(metric_find("recall")->value(&of, 50) == 30.0 / 60.0);        /* P2 (5): all of R */
    assert_true(metric_find("recall-capped")->value(&of, 50) == 30.0 / 50.0); /* Liang et al.: min(n, |R|) */
    assert_true(metric_find("recall-capped")->value(&of, 20) == 1.0);
    assert_true(metric_find("recall")->value(&of, 20) == 20.0 / 60.0);
}

static void score_that_is_no_number_is_an_error(void **state)
{
    (void)state;
    topn_context context = {.threads = 1};
    ranking_scratch scratch;
    float scores[3] = {1, NAN, 0};
    const uint32_t hidden[] = {1};
    const ranking_task task = {.hidden = {hidden, 1}, .relevant = 1};
    ranking got;
    assert_int_equal(ranking_scratch_create(NULL, 1, &scratch), TOPN_OK);
    assert_int_equal(rank_user(&context, &scratch, &task, scores, 3, &got), TOPN_ERROR_NUMERIC);
    assert_string_equal(context.message, "the score of item 1 is not a number");
    ranking_scratch_clear(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_naive_ranking),
        cmocka_unit_test(constant_scorer_has_auc_one_half),
        cmocka_unit_test(two_recalls_are_two_numbers),
        cmocka_unit_test(score_that_is_no_number_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
