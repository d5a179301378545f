/* SPDX-License-Identifier: Apache-2.0
 *
 * Divergences between Gaussians and from mixtures of them, against plain formulas in double precision and central
 * differences of these.
 */
#include "train/autoencoder/vamp_prior.h"
#include "base/memory.h"
#include "base/random.h"
#include "train/autoencoder/gaussian.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { USERS = 35, MOST_LATENT = 37, MOST_COMPONENTS = 19 };

static topn_context *context;
static float moments[USERS * 2 * MOST_LATENT], components[MOST_COMPONENTS * 2 * MOST_LATENT],
    noise[USERS * MOST_LATENT], z[USERS * MOST_LATENT];
static float dz[USERS * MOST_LATENT], d_moments[USERS * 2 * MOST_LATENT],
    d_components[MOST_COMPONENTS * 2 * MOST_LATENT];
static double divergences[USERS];

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static void draw(float *values, size_t count, double size, uint64_t seed)
{
    for (size_t at = 0; at < count; at++)
        values[at] = (float)(size * random_normal(seed, RANDOM_SAMPLES, at));
}

static void draw_all(size_t latent)
{
    draw(moments, USERS * 2 * latent, 0.7, 1);
    draw(components, MOST_COMPONENTS * 2 * latent, 0.7, 2);
    draw(noise, USERS * latent, 1, 3);
    for (size_t n = 0; n < USERS; n++)
        for (size_t j = 0; j < latent; j++)
            z[n * latent + j] =
                moments[2 * n * latent + j] + noise[n * latent + j] * expf(0.5f * moments[(2 * n + 1) * latent + j]);
}

static void run(size_t count, size_t latent, double factor, int threads)
{
    vamp_prior prior;
    check(vamp_prior_create(context, count, latent, USERS, &prior));
    memset(dz, 0, sizeof dz);
    memset(d_moments, 0, sizeof d_moments);
    memset(d_components, 0, sizeof d_components);
    const vamp_users users = {.count = USERS,
                              .moments = moments,
                              .noise = noise,
                              .z = z,
                              .divergences = divergences,
                              .dz = dz,
                              .d_moments = d_moments};
    vamp_prior_divergence(&prior, &users, components, factor, threads, d_components);
    vamp_prior_clear(&prior);
}

/* ln N(z; μ, e^v) */
static double log_normal(const double *at, const double *row, size_t latent)
{
    double sum = 0;
    for (size_t j = 0; j < latent; j++)
        sum -= (log(2 * acos(-1)) + row[latent + j] + (at[j] - row[j]) * (at[j] - row[j]) / exp(row[latent + j])) / 2;
    return sum;
}

/* Of all users: Σ ln q(z) − ln p(z), each with its own copy of everything, z held. */
static double twin(const double *of_users, const double *drawn, const double *of_components, size_t count,
                   size_t latent, double each[USERS])
{
    double sum = 0;
    for (size_t n = 0; n < USERS; n++) {
        double density = 0;
        for (size_t k = 0; k < count; k++)
            density += exp(log_normal(drawn + n * latent, of_components + 2 * k * latent, latent)) / (double)count;
        each[n] = log_normal(drawn + n * latent, of_users + 2 * n * latent, latent) - log(density);
        sum += each[n];
    }
    return sum;
}

static double near(double found, double wanted)
{
    return fabs(found - wanted) / (1 + fabs(wanted));
}

static void divergence_equals_the_formula(void **state)
{
    (void)state;
    static const size_t latents[] = {1, 5, 16, MOST_LATENT}, counts[] = {1, 2, 7, MOST_COMPONENTS};
    for (size_t shape = 0; shape < 16; shape++) {
        const size_t latent = latents[shape / 4], count = counts[shape % 4];
        double a[USERS * 2 * MOST_LATENT], b[USERS * MOST_LATENT], c[MOST_COMPONENTS * 2 * MOST_LATENT], each[USERS];
        draw_all(latent);
        for (size_t at = 0; at < USERS * 2 * latent; at++)
            a[at] = (double)moments[at];
        for (size_t at = 0; at < USERS * latent; at++)
            b[at] = (double)z[at];
        for (size_t at = 0; at < count * 2 * latent; at++)
            c[at] = (double)components[at];
        run(count, latent, 0.5, 2);
        twin(a, b, c, count, latent, each);
        for (size_t n = 0; n < USERS; n++)
            assert_true(near(divergences[n], each[n]) < 1e-5);
        /* Derivatives by z, with what ln q(z) adds to them left to the draws: that part does not change with μ, z − μ.
         */
        for (size_t at = 0; at < USERS * latent; at += 3) {
            const size_t n = at / latent, j = at % latent;
            const double kept = b[at];
            b[at] = kept + 1e-5;
            double slope = twin(a, b, c, count, latent, each);
            b[at] = kept - 1e-5;
            slope = (slope - twin(a, b, c, count, latent, each)) / 2e-5;
            b[at] = kept;
            const double own = -(kept - a[2 * n * latent + j]) / exp(a[(2 * n + 1) * latent + j]);
            assert_true(near((double)dz[at], 0.5 * (slope - own)) < 1e-4);
            assert_true((double)d_moments[(2 * n + 1) * latent + j] == -0.25 && d_moments[2 * n * latent + j] == 0);
        }
        for (size_t at = 0; at < count * 2 * latent; at += 3) {
            const double kept = c[at];
            c[at] = kept + 1e-5;
            double slope = twin(a, b, c, count, latent, each);
            c[at] = kept - 1e-5;
            slope = (slope - twin(a, b, c, count, latent, each)) / 2e-5;
            c[at] = kept;
            assert_true(near((double)d_components[at], 0.5 * slope) < 1e-4);
        }
    }
}

/* One pseudo-input is one Gaussian, and so are several that are the same. */
static void one_component_is_one_gaussian(void **state)
{
    (void)state;
    enum { LATENT = 21 };
    float kept[USERS * LATENT];
    double before[USERS];
    draw_all(LATENT);
    run(1, LATENT, 1, 1);
    for (size_t n = 0; n < USERS; n++) {
        double plain = 0;
        for (size_t j = 0; j < LATENT; j++) {
            const double mean = (double)components[j], log_square = (double)components[LATENT + j],
                         away = (double)z[n * LATENT + j] - mean, e = (double)noise[n * LATENT + j];
            plain +=
                (log_square + away * away / exp(log_square) - (double)moments[(2 * n + 1) * LATENT + j] - e * e) / 2;
            assert_true(near((double)dz[n * LATENT + j], away / exp(log_square)) < 1e-5);
        }
        assert_true(near(divergences[n], plain) < 1e-5);
    }
    memcpy(before, divergences, sizeof before);
    memcpy(kept, dz, sizeof kept);
    for (size_t k = 1; k < MOST_COMPONENTS; k++)
        memcpy(components + k * 2 * LATENT, components, 2 * LATENT * sizeof *components);
    run(MOST_COMPONENTS, LATENT, 1, 2);
    for (size_t n = 0; n < USERS; n++)
        assert_true(near(divergences[n], before[n]) < 1e-6);
    for (size_t at = 0; at < USERS * LATENT; at++)
        assert_true(near((double)dz[at], (double)kept[at]) < 1e-5);
}

/* Whose encodings are the prior are not away from it; the same bits at one and at more threads. */
static void same_gaussian_has_no_divergence(void **state)
{
    (void)state;
    enum { LATENT = 21 };
    draw_all(LATENT);
    memcpy(components, moments, 2 * LATENT * sizeof *components);
    run(1, LATENT, 1, 1);
    assert_true(fabs(divergences[0]) < 1e-5);
    assert_true(fabs(divergences[1]) > 1);
    float of_one[MOST_COMPONENTS * 2 * MOST_LATENT];
    draw_all(LATENT);
    run(MOST_COMPONENTS, LATENT, 1, 1);
    memcpy(of_one, d_components, sizeof of_one);
    run(MOST_COMPONENTS, LATENT, 1, 3);
    assert_memory_equal(d_components, of_one, sizeof of_one);
}

/* A component that no user is near has a share of 0, and nothing that is not finite comes of it. */
static void far_component_is_left_alone(void **state)
{
    (void)state;
    enum { LATENT = 5 };
    draw_all(LATENT);
    for (size_t j = 0; j < LATENT; j++)
        components[2 * LATENT + j] = 1e6f;
    run(2, LATENT, 1, 1);
    for (size_t n = 0; n < USERS; n++)
        assert_true(isfinite(divergences[n]));
    for (size_t j = 0; j < 2 * LATENT; j++)
        assert_true(d_components[2 * LATENT + j] == 0 && d_components[j] != 0);
}

static void divergence_between_gaussians(void **state)
{
    (void)state;
    enum { LATENT = 21 };
    float d[2 * LATENT] = {0}, d_other[2 * LATENT] = {0}, standard[2 * LATENT] = {0}, d_plain[2 * LATENT] = {0};
    draw_all(LATENT);
    assert_true(gaussian_divergence_from(LATENT, moments, moments, 1, d, d_other) == 0);
    for (size_t j = 0; j < 2 * LATENT; j++)
        assert_true(d[j] == 0 && d_other[j] == 0);
    const double plain = gaussian_divergence(LATENT, moments, 1, d_plain);
    assert_true(near(gaussian_divergence_from(LATENT, moments, standard, 1, d, d_other), plain) < 1e-12);
    for (size_t j = 0; j < 2 * LATENT; j++)
        assert_true(near((double)d[j], (double)d_plain[j]) < 1e-6);
    memset(d, 0, sizeof d);
    memset(d_other, 0, sizeof d_other);
    gaussian_divergence_from(LATENT, moments, components, 1, d, d_other);
    for (size_t side = 0; side < 2; side++)
        for (size_t j = 0; j < 2 * LATENT; j++) {
            float unused[2 * LATENT], *value = side ? &components[j] : &moments[j];
            const float kept = *value, step = 0x1p-8f;
            *value = kept + step;
            double slope = gaussian_divergence_from(LATENT, moments, components, 0, unused, unused);
            *value = kept - step;
            slope = (slope - gaussian_divergence_from(LATENT, moments, components, 0, unused, unused)) / (2 * 0x1p-8);
            *value = kept;
            assert_true(near((double)(side ? d_other : d)[j], slope) < 1e-4);
        }
}

static int setup(void **state)
{
    (void)state;
    return topn_context_create(&context) != TOPN_OK;
}

static int teardown(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divergence_equals_the_formula),   cmocka_unit_test(one_component_is_one_gaussian),
        cmocka_unit_test(same_gaussian_has_no_divergence), cmocka_unit_test(far_component_is_left_alone),
        cmocka_unit_test(divergence_between_gaussians),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
