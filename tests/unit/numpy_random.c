/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's legacy generator, against NumPy (tests/golden/numpy_draws.py).
 */
#include "split/numpy_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "golden/numpy_draws.h"

enum { MOST = 5000 };

/* FNV-1a over 32-bit entries. */
static uint64_t digest(const uint32_t *values, uint32_t count)
{
    uint64_t out = UINT64_C(0xcbf29ce484222325);
    for (uint32_t at = 0; at < count; at++)
        out = (out ^ values[at]) * UINT64_C(0x100000001b3);
    return out;
}

static void permutations_are_numpys(void **state)
{
    (void)state;
    static uint32_t order[MOST];
    for (size_t at = 0; at < sizeof golden_permutations / sizeof *golden_permutations; at++) {
        const uint32_t count = golden_permutations[at].count;
        numpy_random random;
        assert_true(count <= MOST);
        numpy_seed(&random, golden_permutations[at].seed);
        numpy_permutation(&random, count, order);
        assert_true(digest(order, count) == golden_permutations[at].first);
        numpy_permutation(&random, count, order);
        assert_true(digest(order, count) == golden_permutations[at].second);
    }
}

static void the_notebooks_seed_is_taken_as_such(void **state)
{
    (void)state;
    uint32_t order[10];
    numpy_random random;
    numpy_seed(&random, 98765);
    numpy_permutation(&random, 10, order);
    assert_memory_equal(order, golden_notebook, sizeof order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permutations_are_numpys),
        cmocka_unit_test(the_notebooks_seed_is_taken_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
