/* SPDX-License-Identifier: Apache-2.0
 *
 * By users first: densities of all components, their shares, and what they pull at z. Then by components: what the
 * users pull at them, in the order of the batch.
 */
#include "train/autoencoder/vamp_prior.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/threads.h"
#include "base/vector.h"
#include "numeric/exponential.h"
#include "numeric/softmax.h"

enum {
    TILE = 16,  /* users that go through the components together */
    BLOCK = 16, /* components that stay in the cache while the users of a tile go through them */
    PANEL = 64, /* components whose distances are made together */
    FOUR = 4,
};

static size_t whole(size_t count, size_t of)
{
    return (count + of - 1) / of * of;
}

/* Floats of all panels: of so many components and, by fours, values. */
static size_t panels_size(size_t components, size_t latent)
{
    return 2 * whole(components, PANEL) * whole(latent, FOUR);
}

uint64_t vamp_prior_bytes(uint64_t components, uint64_t latent, uint64_t capacity)
{
    return sizeof(float) * (components * (latent + 1 + capacity) + panels_size(components, latent));
}

topn_status vamp_prior_create(topn_context *context, size_t components, size_t latent, size_t capacity, vamp_prior *out)
{
    topn_status status;
    *out = (vamp_prior){.components = components, .latent = latent};
    TRY(ALLOCATE(context, components * latent, &out->precisions));
    TRY(ALLOCATE(context, components, &out->constants));
    TRY(ALLOCATE(context, capacity * components, &out->shares));
    TRY(ALLOCATE_ZEROED(context, panels_size(components, latent), &out->panels));
done:
    return status;
}

void vamp_prior_clear(vamp_prior *prior)
{
    free(prior->precisions);
    free(prior->constants);
    free(prior->shares);
    free(prior->panels);
    *prior = (vamp_prior){0};
}

/* Of some users and the components of a panel: distances += Σ (z_j − μ_j)² e^−v_j over four values. */
VECTOR_CLONES
static void add_distances(const float *restrict panel, const float (*restrict z)[FOUR], size_t users,
                          float (*restrict distances)[PANEL])
{
    const float *restrict m0 = panel, *restrict p0 = m0 + PANEL, *restrict m1 = p0 + PANEL, *restrict p1 = m1 + PANEL,
                          *restrict m2 = p1 + PANEL, *restrict p2 = m2 + PANEL, *restrict m3 = p2 + PANEL,
                          *restrict p3 = m3 + PANEL;
    for (size_t n = 0; n < users; n++) {
        const float z0 = z[n][0], z1 = z[n][1], z2 = z[n][2], z3 = z[n][3];
        float *restrict to = distances[n];
        for (size_t k = 0; k < PANEL; k++) {
            const float a0 = z0 - m0[k], a1 = z1 - m1[k], a2 = z2 - m2[k], a3 = z3 - m3[k];
            to[k] += (a0 * a0 * p0[k] + a1 * a1 * p1[k]) + (a2 * a2 * p2[k] + a3 * a3 * p3[k]);
        }
    }
}

/* d += Σ factor (z − μ) ⊙ e^−v over four components. */
VECTOR_CLONES
static void pull_z(float *restrict d, const float factors[FOUR], const float *restrict z,
                   const float *const means[FOUR], const float *const precisions[FOUR], size_t latent)
{
    const float *restrict m0 = means[0], *restrict m1 = means[1], *restrict m2 = means[2], *restrict m3 = means[3];
    const float *restrict p0 = precisions[0], *restrict p1 = precisions[1], *restrict p2 = precisions[2],
                          *restrict p3 = precisions[3];
    const float f0 = factors[0], f1 = factors[1], f2 = factors[2], f3 = factors[3];
    for (size_t j = 0; j < latent; j++)
        d[j] += (f0 * ((z[j] - m0[j]) * p0[j]) + f1 * ((z[j] - m1[j]) * p1[j])) +
                (f2 * ((z[j] - m2[j]) * p2[j]) + f3 * ((z[j] - m3[j]) * p3[j]));
}

/* Of four users: d_means −= Σ pull (z − μ) ⊙ e^−v, d_logs += Σ pull/2 (1 − (z − μ)² ⊙ e^−v). */
VECTOR_CLONES
static void pull_moments(float *restrict d_means, float *restrict d_logs, const float pulls[FOUR],
                         const float *const z[FOUR], const float *restrict means, const float *restrict precisions,
                         size_t latent)
{
    const float *restrict z0 = z[0], *restrict z1 = z[1], *restrict z2 = z[2], *restrict z3 = z[3];
    const float f0 = pulls[0], f1 = pulls[1], f2 = pulls[2], f3 = pulls[3], sum = 0.5f * ((f0 + f1) + (f2 + f3));
    for (size_t j = 0; j < latent; j++) {
        const float a0 = z0[j] - means[j], a1 = z1[j] - means[j], a2 = z2[j] - means[j], a3 = z3[j] - means[j];
        const float g0 = f0 * a0, g1 = f1 * a1, g2 = f2 * a2, g3 = f3 * a3;
        d_means[j] -= ((g0 + g1) + (g2 + g3)) * precisions[j];
        d_logs[j] += sum - 0.5f * precisions[j] * ((g0 * a0 + g1 * a1) + (g2 * a2 + g3 * a3));
    }
}

/* Up to four of what pulls at one row. */
typedef struct few {
    size_t count;
    float factors[FOUR];
    const float *a[FOUR], *b[FOUR];
} few;

/* Takes one more; true: they are four. */
static bool few_add(few *of, float factor, const float *a, const float *b)
{
    of->factors[of->count] = factor;
    of->a[of->count] = a;
    of->b[of->count] = b;
    return ++of->count == FOUR;
}

/* Fills up with the first one, which then pulls with a factor of 0; false: there is none. */
static bool few_fill(few *of)
{
    const bool any = of->count > 0;
    while (any && of->count < FOUR)
        few_add(of, 0.0f, of->a[0], of->b[0]);
    of->count = 0;
    return any;
}

VECTOR_CLONES
static void put_precisions(size_t latent, const float *restrict logs, float *restrict precisions)
{
    for (size_t j = 0; j < latent; j++)
        precisions[j] = exponential(-logs[j]);
}

static void put_component(vamp_prior *prior, size_t k, const float *components)
{
    const size_t latent = prior->latent;
    const float *logs = components + (2 * k + 1) * latent;
    double sum = 0;
    put_precisions(latent, logs, prior->precisions + k * latent);
    for (size_t j = 0; j < latent; j++)
        sum += (double)logs[j];
    prior->constants[k] = (float)(-sum / 2);
}

/* Components from `first` on, at most PANEL of them. */
static void put_panel(vamp_prior *prior, size_t first, const float *components)
{
    enum { VALUES = 16 };
    const size_t latent = prior->latent, left = prior->components - first, count = left < PANEL ? left : PANEL;
    float *panel = prior->panels + 2 * first * whole(latent, FOUR);
    for (size_t k = 0; k < count; k++)
        put_component(prior, first + k, components);
    for (size_t begin = 0; begin < latent; begin += VALUES)
        for (size_t k = 0; k < count; k++)
            for (size_t j = begin; j < latent && j < begin + VALUES; j++) {
                panel[2 * j * PANEL + k] = components[2 * (first + k) * latent + j];
                panel[(2 * j + 1) * PANEL + k] = prior->precisions[(first + k) * latent + j];
            }
}

/* Distances of the users begin … end − 1, at most TILE, from a panel's components, times −½, where their shares are to
 * be. */
static void put_distances(vamp_prior *prior, const vamp_users *users, size_t begin, size_t end, size_t first)
{
    const size_t latent = prior->latent, count = prior->components,
                 within = count - first < PANEL ? count - first : PANEL;
    float distances[TILE][PANEL] = {{0}}, z[TILE][FOUR] = {{0}};
    for (size_t j = 0; j < latent; j += FOUR) {
        for (size_t n = begin; n < end; n++)
            for (size_t of = 0; of < FOUR; of++)
                z[n - begin][of] = j + of < latent ? users->z[n * latent + j + of] : 0.0f;
        add_distances(prior->panels + 2 * (first * whole(latent, FOUR) + j * PANEL), z, end - begin, distances);
    }
    for (size_t n = begin; n < end; n++)
        for (size_t k = 0; k < within; k++)
            prior->shares[n * count + first + k] = -0.5f * distances[n - begin][k];
}

/* Of user n, from distances; not yet what the components pull at z. */
static void put_shares(vamp_prior *prior, const vamp_users *users, size_t n, double factor)
{
    const size_t latent = prior->latent, count = prior->components;
    const float *logs = users->moments + (2 * n + 1) * latent, *noise = users->noise + n * latent;
    float *shares = prior->shares + n * count;
    const float most = softmax_add(shares, prior->constants, count);
    const double sum = softmax_raise(shares, count, most);
    softmax_scale(shares, count, (float)(1.0 / sum));
    double own = 0; /* ln q(z) without ln √2π, which ln p(z) lacks, too */
    for (size_t j = 0; j < latent; j++) {
        own -= ((double)logs[j] + (double)noise[j] * (double)noise[j]) / 2;
        users->d_moments[(2 * n + 1) * latent + j] -= (float)(factor / 2);
    }
    users->divergences[n] = own - ((double)most + log(sum / (double)count));
}

/* What components from `first` on pull at user n's z. */
static void pull_user(const vamp_prior *prior, const vamp_users *users, size_t n, size_t first, const float *components,
                      double factor)
{
    const size_t latent = prior->latent, end = first + BLOCK < prior->components ? first + BLOCK : prior->components;
    const float *shares = prior->shares + n * prior->components, *z = users->z + n * latent;
    float *dz = users->dz + n * latent;
    few of = {0};
    for (size_t k = first; k < end; k++)
        if (shares[k] > 0.0f &&
            few_add(&of, (float)factor * shares[k], components + 2 * k * latent, prior->precisions + k * latent)) {
            pull_z(dz, of.factors, z, of.a, of.b, latent);
            of.count = 0;
        }
    if (few_fill(&of))
        pull_z(dz, of.factors, z, of.a, of.b, latent);
}

/* What the users begin … end − 1 pull at component k. */
static void pull_component(const vamp_prior *prior, const vamp_users *users, size_t begin, size_t end, size_t k,
                           const float *components, double factor, float *d)
{
    const size_t latent = prior->latent;
    const float *means = components + 2 * k * latent, *precisions = prior->precisions + k * latent;
    float *d_means = d + 2 * k * latent, *d_logs = d_means + latent;
    few of = {0};
    for (size_t n = begin; n < end; n++) {
        const float pull = (float)factor * prior->shares[n * prior->components + k];
        if (pull > 0.0f && few_add(&of, pull, users->z + n * latent, NULL)) {
            pull_moments(d_means, d_logs, of.factors, of.a, means, precisions, latent);
            of.count = 0;
        }
    }
    if (few_fill(&of))
        pull_moments(d_means, d_logs, of.factors, of.a, means, precisions, latent);
}

/* What all users pull at a block of components, some users at a time. */
static void pull_components(const vamp_prior *prior, const vamp_users *users, size_t first, const float *components,
                            double factor, float *d)
{
    const size_t end = first + BLOCK < prior->components ? first + BLOCK : prior->components;
    for (size_t n = 0; n < users->count; n += TILE)
        for (size_t k = first; k < end; k++)
            pull_component(prior, users, n, n + TILE < users->count ? n + TILE : users->count, k, components, factor,
                           d);
}

void vamp_prior_divergence(vamp_prior *prior, const vamp_users *users, const float *components, double factor,
                           int threads, float *d_components)
{
    const size_t count = prior->components, tiles = (users->count + TILE - 1) / TILE;
    (void)threads; /* without OpenMP */
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (size_t k = 0; k < count; k += PANEL)
        put_panel(prior, k, components);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
    for (size_t tile = 0; tile < tiles; tile++) {
        const size_t begin = tile * TILE, end = begin + TILE < users->count ? begin + TILE : users->count;
        const unsigned saved = threads_flush_begin(); /* shares of far components */
        for (size_t k = 0; k < count; k += PANEL)
            put_distances(prior, users, begin, end, k);
        for (size_t n = begin; n < end; n++)
            put_shares(prior, users, n, factor);
        for (size_t k = 0; k < count; k += BLOCK)
            for (size_t n = begin; n < end; n++)
                pull_user(prior, users, n, k, components, factor);
        threads_flush_end(saved);
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
    for (size_t k = 0; k < count; k += BLOCK) {
        const unsigned saved = threads_flush_begin();
        pull_components(prior, users, k, components, factor, d_components);
        threads_flush_end(saved);
    }
}
