/* SPDX-License-Identifier: Apache-2.0
 *
 * Every row of searches.def: points within the space, the same for the same key, better than chance where it claims to
 * be.
 */
#include "study/search.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TRIALS = 60 };

static study work = {.deadline = INFINITY};

static void make_space(space *out)
{
    *out = (space){0};
    assert_int_equal(space_add(&work, out, "ease", "l2", "1..10000 log"), TOPN_OK);
    assert_int_equal(space_add(&work, out, "ease", "dropout", "0..0.8"), TOPN_OK);
    assert_int_equal(space_add(&work, out, "ease", "values", "binary|weight"), TOPN_OK);
}

/* A hill: best at l2 = 100, dropout .2, weight. */
static double height(const double *point)
{
    return -pow(point[0] - 0.5, 2) - pow(point[1] - 0.25, 2) - (point[2] < 0.5 ? 0.2 : 0);
}

/* Fills values and points of TRIALS trials; every seventh fails. Returns the best. */
static double climb(const search *by, const space *over, uint64_t seed, double (*points)[3], double *shares)
{
    past_trial past[TRIALS];
    double best = -INFINITY;
    for (size_t t = 0; t < TRIALS; t++) {
        proposal next = {.point = points[t], .fidelity = 1};
        if (t == 0)
            points[0][0] = points[0][1] = points[0][2] = 0.9;
        else
            by->propose(over, past, t, draw_keyed(seed, "ease", t), &next);
        const double value = t % 7 == 6 ? (double)NAN : height(points[t]);
        past[t] = (past_trial){points[t], value, next.fidelity};
        shares[t] = next.fidelity;
        best = fmax(best, value);
    }
    return best;
}

static void every_search_stays_within_the_space(void **state)
{
    (void)state;
    space over;
    make_space(&over);
    for (size_t s = 0; search_at(s); s++) {
        static double first[TRIALS][3], again[TRIALS][3], other[TRIALS][3], shares[TRIALS];
        climb(search_at(s), &over, 1, first, shares);
        for (size_t t = 0; t < TRIALS; t++) {
            assert_true(shares[t] > 0 && shares[t] <= 1);
            for (size_t d = 0; d < 3; d++)
                assert_true(first[t][d] >= 0 && first[t][d] < 1);
        }
        climb(search_at(s), &over, 1, again, shares);
        assert_memory_equal(first, again, sizeof first);
        climb(search_at(s), &over, 2, other, shares);
        assert_memory_not_equal(first, other, sizeof first);
    }
    space_clear(&over);
}

static void halving_takes_the_best_on(void **state)
{
    (void)state;
    static double points[TRIALS][3], shares[TRIALS];
    const search *halving;
    space over;
    make_space(&over);
    assert_int_equal(search_find(&work, "halving", &halving), TOPN_OK);
    climb(halving, &over, 3, points, shares);
    for (size_t bracket = 1; bracket + 13 <= TRIALS; bracket += 13) {
        double best = -INFINITY;
        size_t which = 0;
        for (size_t t = bracket; t < bracket + 9; t++) {
            assert_true(fabs(shares[t] - 1.0 / 9) < 1e-12);
            if (t % 7 != 6 && height(points[t]) > best) {
                best = height(points[t]);
                which = t;
            }
        }
        assert_memory_equal(points[bracket + 9], points[which], sizeof points[which]);
        assert_true(shares[bracket + 12] == 1);
    }
    space_clear(&over);
}

/* Over 40 seeds TPE ends nearer to the top than random search. */
static void parzen_beats_chance(void **state)
{
    (void)state;
    static double points[TRIALS][3], shares[TRIALS];
    const search *parzen, *chance;
    double sums[2] = {0};
    space over;
    make_space(&over);
    assert_int_equal(search_find(&work, "parzen", &parzen), TOPN_OK);
    assert_int_equal(search_find(&work, "random", &chance), TOPN_OK);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        sums[0] += climb(parzen, &over, seed, points, shares);
        sums[1] += climb(chance, &over, seed, points, shares);
    }
    assert_true(sums[0] > 0.3 * sums[1]); /* both are below 0 */
    space_clear(&over);
}

/* Values at the ends and in the middle, and back to the point. */
static void points_become_settings(void **state)
{
    (void)state;
    static const struct {
        const char *name, *range;
        double at;
        const char *value;
    } cases[] = {{"l2", "1..10000 log", 0, "1"},
                 {"l2", "1..10000 log", 0.5, "100"},
                 {"l2", "0..10", 0.25, "2.5"},
                 {"k", "5..9", 0, "5"},
                 {"k", "5..9", 0.999, "9"},
                 {"k", "10..1000 log", 0.5, "100"},
                 {"values", "binary|weight", 0, "binary"},
                 {"values", "binary|weight", 0.99, "weight"},
                 {"k", "32|64|128", 0.4, "64"},
                 {"reader.half-life", "2d..8d log", 0.5, "4d"},
                 {"score-exponent", "-1..1", 0.5, "0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        space over = {0};
        json_t *settings = json_object(), *ranges;
        assert_int_equal(space_add(&work, &over, "ease", cases[i].name, cases[i].range), TOPN_OK);
        assert_int_equal(space_settings(&work, &over, &cases[i].at, settings), TOPN_OK);
        assert_string_equal(json_string_value(json_object_get(settings, cases[i].name)), cases[i].value);
        ranges = space_json(&over);
        assert_string_equal(json_string_value(json_object_get(ranges, cases[i].name)), cases[i].range);
        json_decref(ranges);
        json_decref(settings);
        space_clear(&over);
    }
}

static void wrong_ranges_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"l2", "5"},       {"l2", "5..1"},  {"l2", "0..1 log"}, {"l2", "1..2 cube"}, {"l2", "1..1e99"},
        {"values", "a|b"}, {"l9", "1..2"},  {"l2", ".."},       {"l2", "1d..2h"},    {"reader.half", "1d..2d"},
        {"l2", "nan..1"},  {"l2", "1..inf"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        space over = {0};
        assert_int_not_equal(space_add(&work, &over, "ease", wrong[i][0], wrong[i][1]), TOPN_OK);
        assert_true(*work.message);
        assert_int_equal(over.count, 0);
    }
}

static int set_up(void **state)
{
    (void)state;
    return topn_context_create(&work.context) != TOPN_OK;
}

static int tear_down(void **state)
{
    (void)state;
    topn_context_free(work.context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_search_stays_within_the_space),
        cmocka_unit_test(halving_takes_the_best_on),
        cmocka_unit_test(parzen_beats_chance),
        cmocka_unit_test(points_become_settings),
        cmocka_unit_test(wrong_ranges_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
