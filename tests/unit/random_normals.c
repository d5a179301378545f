/* SPDX-License-Identifier: Apache-2.0
 *
 * Many normals at once are the single ones: from any index on, in any number.
 */
#include "base/random.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expect_normals(uint64_t seed, random_stream stream, uint64_t first, size_t count)
{
    enum { MOST = 4096 };
    static float many[MOST + 1];
    many[count] = 77.0f;
    random_normals(seed, stream, first, count, many);
    for (size_t at = 0; at < count; at++) {
        const double one = random_normal(seed, stream, first + at);
        if (!(fabs((double)many[at] - one) <= 1e-15 + 6e-8 * fabs(one)))
            fail_msg("seed %llu, index %llu: %.9g, not %.9g", (unsigned long long)seed,
                     (unsigned long long)(first + at), (double)many[at], one);
    }
    assert_true(many[count] == 77.0f);
}

static void they_are_the_single_ones(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++)
        expect_normals(seed * 0x9E3779B97F4A7C15u, seed % 2 ? RANDOM_LATENT : RANDOM_DOCTOR, seed << 28, 4096);
}

static void any_number_of_them(void **state)
{
    (void)state;
    for (size_t count = 0; count <= 200; count++)
        expect_normals(5, RANDOM_LATENT, UINT64_C(0xFFFFFFFF) - count / 2, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_the_single_ones),
        cmocka_unit_test(any_number_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
