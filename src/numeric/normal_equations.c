/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/normal_equations.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* LAPACK, Fortran interface; a row-major upper triangle is a column-major lower one. */
void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info, size_t);

enum {
    UNIT = 16,          /* columns that strides are multiples of: the widest vector */
    OWN_WIDTH = 192,    /* beyond it BLAS is faster */
    GRAM_ROWS = 128,    /* rows of a Gram matrix that stay in the first cache */
    AHEAD = 8,          /* rows fetched ahead … */
    MOST_AHEAD = 1 << 9 /* … and so many columns of them */
};

/* A pivot below this share of its diagonal is rounding error. */
static const float least_pivot = 1e-7f;

typedef struct normal_kernels {
    void (*add_gram)(const float *rows, size_t count, size_t width, float alpha, float *h, size_t h_stride);
    bool (*solve)(float *h, size_t stride, size_t size, float *x);
    void (*add_products)(const float *rows, const uint32_t *indices, size_t count, size_t stride, size_t width,
                         const float *v, float *out);
    void (*add_combination)(const float *rows, size_t count, size_t width, const float *w, float alpha, float *out);
    void (*gather)(const float *table, size_t stride, const uint32_t *indices, const float *alpha, size_t count,
                   size_t width, float *out);
    void (*start)(const float *m, size_t m_stride, float scale, float ridge, size_t width, float *h, size_t h_stride);
} normal_kernels;

#define NORMAL(name) normal_4_##name
#define LANES 4
#define TILE_ROWS 4
#define TARGET
#define ADD_PRODUCT(sum, a, b) ((sum) + (a) * (b))
#define SUM(a) (((a)[0] + (a)[2]) + ((a)[1] + (a)[3]))
#include "numeric/normal_kernel.h"
#undef NORMAL
#undef LANES
#undef TILE_ROWS
#undef TARGET
#undef ADD_PRODUCT
#undef SUM

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

__attribute__((target("avx2"))) static inline float sum_8(__m256 a)
{
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

#define NORMAL(name) normal_8_##name
#define LANES 8
#define TILE_ROWS 4
#define TARGET __attribute__((target("avx2,fma")))
#define ADD_PRODUCT(sum, a, b) ((NORMAL(vector))_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(sum)))
#define SUM(a) sum_8((__m256)(a))
#include "numeric/normal_kernel.h"
#undef NORMAL
#undef LANES
#undef TILE_ROWS
#undef TARGET
#undef ADD_PRODUCT
#undef SUM

#define NORMAL(name) normal_16_##name
#define LANES 16
#define TILE_ROWS 8
#ifdef __clang__ /* which takes no preference here; vectors of 16 floats are spelled out anyway */
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#else
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")))
#endif
#define ADD_PRODUCT(sum, a, b) ((NORMAL(vector))_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(sum)))
#define SUM(a) _mm512_reduce_add_ps((__m512)(a))
#include "numeric/normal_kernel.h"
#undef NORMAL
#undef LANES
#undef TILE_ROWS
#undef TARGET
#undef ADD_PRODUCT
#undef SUM

static const normal_kernels *kernels_of(int lanes)
{
    const bool narrow = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (wide && (lanes == 16 || lanes == 0))
        return &normal_16_kernels;
    if (narrow && (lanes == 8 || lanes == 0))
        return &normal_8_kernels;
    return lanes == 4 || lanes == 0 ? &normal_4_kernels : NULL;
}

#else

static const normal_kernels *kernels_of(int lanes)
{
    return lanes == 4 || lanes == 0 ? &normal_4_kernels : NULL;
}

#endif

static int forced_lanes;

bool normal_use(int lanes)
{
    if (!kernels_of(lanes))
        return false;
    forced_lanes = lanes;
    return true;
}

static const normal_kernels *kernels(void)
{
    return kernels_of(forced_lanes);
}

/* Unknowns with those that make vectors whole. */
static size_t whole(size_t width)
{
    return (width + UNIT - 1) / UNIT * UNIT;
}

size_t normal_stride(size_t width)
{
    return whole(width) + UNIT;
}

size_t normal_floats(size_t width)
{
    return whole(width) * normal_stride(width);
}

void normal_add_gram(const float *rows, size_t count, size_t width, float alpha, float *h)
{
    if (width <= OWN_WIDTH)
        kernels()->add_gram(rows, count, width, alpha, h, normal_stride(width));
    else
        cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)width, (int)count, alpha, rows, (int)width, 1.0f, h,
                    (int)normal_stride(width));
}

void normal_add_products(const float *rows, size_t count, size_t width, const float *v, float *out)
{
    kernels()->add_products(rows, NULL, count, width, width, v, out);
}

void normal_add_gathered_products(const float *table, size_t stride, const uint32_t *indices, size_t count,
                                  size_t width, const float *v, float *out)
{
    kernels()->add_products(table, indices, count, stride, width, v, out);
}

void normal_gather(const float *table, size_t stride, const uint32_t *indices, const float *alpha, size_t count,
                   size_t width, float *out)
{
    kernels()->gather(table, stride, indices, alpha, count, width, out);
}

void normal_start(const float *m, size_t m_stride, float scale, float ridge, size_t width, float *h)
{
    kernels()->start(m, m_stride, scale, ridge, width, h, normal_stride(width));
}

void normal_add_multiple(const float *a, size_t a_stride, size_t count, size_t inner, const float *b, size_t b_stride,
                         size_t columns, float *out, size_t out_stride)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)count, (int)columns, (int)inner, 1.0f, a, (int)a_stride,
                b, (int)b_stride, 1.0f, out, (int)out_stride);
}

void normal_add_combination(const float *rows, size_t count, size_t width, const float *w, float alpha, float *out)
{
    kernels()->add_combination(rows, count, width, w, alpha, out);
}

/* Rows and columns width … size − 1 are those of the identity; x stands in column `size`. */
static void complete(float *h, size_t width, size_t size, size_t stride, float *x)
{
    for (size_t r = 0; r < size; r++) {
        float *row = h + r * stride;
        const size_t first = r < width ? width : r;
        memset(row + first, 0, (stride - first) * sizeof *row);
        row[size] = r < width ? x[r] : 0.0f;
        if (r >= width)
            row[r] = 1.0f;
    }
}

static bool solve_large(float *h, size_t width, float *x)
{
    const int size = (int)width, stride = (int)normal_stride(width);
    int info = 0;
    spotrf_("L", &size, h, &stride, &info, 1);
    if (info != 0)
        return false;
    cblas_strsv(CblasRowMajor, CblasUpper, CblasTrans, CblasNonUnit, size, h, stride, x, 1);
    cblas_strsv(CblasRowMajor, CblasUpper, CblasNoTrans, CblasNonUnit, size, h, stride, x, 1);
    return true;
}

static bool solve_small(float *h, size_t width, float *x)
{
    float solution[OWN_WIDTH];
    const size_t size = whole(width), stride = normal_stride(width);
    complete(h, width, size, stride, x);
    if (!kernels()->solve(h, stride, size, solution))
        return false;
    memcpy(x, solution, width * sizeof *x);
    return true;
}

bool normal_solve(float *h, size_t width, float *x)
{
    if (!(width <= OWN_WIDTH ? solve_small(h, width, x) : solve_large(h, width, x)))
        return false;
    for (size_t i = 0; i < width; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}
