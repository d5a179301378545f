/* SPDX-License-Identifier: Apache-2.0
 *
 * Eigenvectors by what defines them: A·z = λ·z, orthonormal, ascending λ, their sign, the same bits at any thread
 * count.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "numeric/eigen.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

/* Around the panel (32), its least size (64), the tiles and the block of vectors (256). */
static const size_t sizes[] = {1, 2, 3, 31, 64, 65, 97, 255, 257, 300};

typedef void make_matrix(size_t n, float *a);

/* Entries normal, symmetric: eigenvalues of both signs. */
static void make_random(size_t n, float *a)
{
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c <= r; c++)
            a[r * n + c] = a[c * n + r] = (float)random_normal(n, RANDOM_RESIDUAL, r * n + c);
}

/* 2·I − u·uᵀ with |u| = 1: n − 1 eigenvalues are equal. */
static void make_clustered(size_t n, float *a)
{
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < n; c++)
            a[r * n + c] = (r == c ? 2.0f : 0.0f) - 1.0f / (float)n;
}

static void make_diagonal(size_t n, float *a)
{
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < n; c++)
            a[r * n + c] = r == c ? (float)((r * 7) % 5) : 0.0f;
}

static topn_context *make_context(int threads)
{
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = threads;
    return context;
}

/* The upper triangle holds garbage that nothing may read. */
static void solve(int threads, const float *a, size_t n, float *values, float *vectors)
{
    topn_context *context = make_context(threads);
    float *lower = malloc(n * n * sizeof *lower);
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < n; c++)
            lower[r * n + c] = c <= r ? a[r * n + c] : 777.0f;
    float *found;
    assert_int_equal(symmetric_eigen(context, lower, n, values, &found), TOPN_OK);
    memcpy(vectors, found, n * n * sizeof *found);
    free(found);
    free(lower);
    topn_context_free(context);
}

static double largest_magnitude(const float *a, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(a[i]));
    return largest;
}

/* ‖A·z − λ·z‖ against ‖A‖ ≥ |λ|, per vector; and all dot products. */
static void check_vectors(const float *a, size_t n, const float *values, const float *vectors)
{
    const double scale = fmax(largest_magnitude(values, n), 1e-6);
    for (size_t j = 0; j < n; j++) {
        const float *z = vectors + j * n;
        double error = 0;
        for (size_t r = 0; r < n; r++) {
            double sum = -(double)values[j] * z[r];
            for (size_t c = 0; c < n; c++)
                sum += (double)a[r * n + c] * z[c];
            error += sum * sum;
        }
        assert_true(sqrt(error) <= 2e-5 * scale);
        assert_true(j == 0 || values[j - 1] <= values[j]);
        for (size_t i = 0; i <= j; i++) {
            double dot = 0;
            for (size_t r = 0; r < n; r++)
                dot += (double)z[r] * vectors[i * n + r];
            assert_true(fabs(dot - (i == j)) <= 1e-4);
        }
    }
}

static void vectors_are_eigenvectors(void **state)
{
    (void)state;
    static make_matrix *const kinds[] = {make_random, make_clustered, make_diagonal};
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            const size_t n = sizes[s];
            float *a = malloc(n * n * sizeof *a), *vectors = malloc(n * n * sizeof *vectors);
            float *values = malloc(n * sizeof *values);
            kinds[kind](n, a);
            solve(2, a, n, values, vectors);
            check_vectors(a, n, values, vectors);
            free(a);
            free(vectors);
            free(values);
        }
}

static void the_largest_component_is_positive(void **state)
{
    (void)state;
    enum { N = 97 };
    static float a[N * N], vectors[N * N], values[N];
    make_random(N, a);
    solve(2, a, N, values, vectors);
    for (size_t j = 0; j < N; j++) {
        size_t largest = 0;
        for (size_t i = 1; i < N; i++)
            if (fabsf(vectors[j * N + i]) > fabsf(vectors[j * N + largest]))
                largest = i;
        assert_true(vectors[j * N + largest] > 0);
    }
}

static void same_bits_at_any_thread_count(void **state)
{
    (void)state;
    static const size_t some[] = {90, 257, 700};
    for (size_t s = 0; s < sizeof some / sizeof *some; s++) {
        const size_t n = some[s];
        float *a = malloc(n * n * sizeof *a), *values = malloc(2 * n * sizeof *values);
        float *vectors = malloc(2 * n * n * sizeof *vectors);
        make_random(n, a);
        solve(1, a, n, values, vectors);
        solve(5, a, n, values + n, vectors + n * n);
        assert_memory_equal(values, values + n, n * sizeof *values);
        assert_memory_equal(vectors, vectors + n * n, n * n * sizeof *vectors);
        free(a);
        free(values);
        free(vectors);
    }
}

static void transposed_in_place(void **state)
{
    (void)state;
    topn_context *context = make_context(3);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t n = sizes[s];
        float *a = malloc(n * n * sizeof *a);
        for (size_t i = 0; i < n * n; i++)
            a[i] = (float)i;
        square_transpose(context, a, n);
        for (size_t r = 0; r < n; r++)
            for (size_t c = 0; c < n; c++)
                assert_true(a[r * n + c] == (float)(c * n + r));
        free(a);
    }
    topn_context_free(context);
}

static bool refuse(const topn_progress *progress, void *user_data)
{
    return strcmp(progress->stage, user_data) != 0;
}

static void every_stage_can_be_cancelled(void **state)
{
    (void)state;
    enum { N = 300 };
    static float a[N * N], values[N];
    float *vectors = a;
    static char stages[][16] = {"tridiagonal", "eigenvectors", "turn"};
    topn_context *context = make_context(2);
    for (size_t stage = 0; stage < 3; stage++) {
        make_random(N, a);
        topn_context_set_progress(context, refuse, stages[stage]);
        assert_int_equal(symmetric_eigen(context, a, N, values, &vectors), TOPN_ERROR_CANCELLED);
        assert_null(vectors);
    }
    topn_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_eigenvectors),      cmocka_unit_test(the_largest_component_is_positive),
        cmocka_unit_test(same_bits_at_any_thread_count), cmocka_unit_test(transposed_in_place),
        cmocka_unit_test(every_stage_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
