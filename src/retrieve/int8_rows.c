/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/int8_rows.h"

#include <math.h>
#include <string.h>

enum { MOST_CODE = 127 };

static double largest_magnitude(const float *values, size_t count)
{
    double largest = 0.0;
    for (size_t at = 0; at < count; at++)
        if (isfinite(values[at]) && fabs((double)values[at]) > largest)
            largest = fabs((double)values[at]);
    return largest;
}

/* −127 … 127: −128 has no negative, which the kernel for AVX2 takes. */
static int encode(float value, double scale)
{
    return isfinite(value) && scale > 0.0 ? (int)rint((double)value / scale) : 0;
}

float int8_encode_row(const float *row, size_t columns, unsigned place, uint8_t *group)
{
    const double scale = largest_magnitude(row, columns) / MOST_CODE;
    for (size_t column = 0; column < 4 * int8_quads(columns); column++)
        group[column / 4 * INT8_GROUP_QUAD + place * 4 + column % 4] =
            (uint8_t)(INT8_ZERO + (column < columns ? encode(row[column], scale) : 0));
    return (float)scale;
}

float int8_encode_query(const float *phi, size_t columns, int8_t *codes, int32_t *sum)
{
    const double scale = largest_magnitude(phi, columns) / MOST_CODE;
    *sum = 0;
    for (size_t column = 0; column < 4 * int8_quads(columns); column++) {
        codes[column] = (int8_t)(column < columns ? encode(phi[column], scale) : 0);
        *sum += codes[column];
    }
    return (float)scale;
}

static void sums_plain(const uint8_t *group, size_t groups, size_t quads, const int8_t *query, int32_t *sums)
{
    for (size_t at = 0; at < groups; at++, sums += INT8_GROUP) {
        memset(sums, 0, INT8_GROUP * sizeof *sums);
        for (size_t quad = 0; quad < quads; quad++, group += INT8_GROUP_QUAD)
            for (size_t byte = 0; byte < INT8_GROUP_QUAD; byte++)
                sums[byte / 4] += (group[byte] - INT8_ZERO) * query[4 * quad + byte % 4];
    }
}

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

/* The four codes of a quad, for all lanes. */
static inline int quad_of(const int8_t *query, size_t quad)
{
    int codes;
    memcpy(&codes, query + 4 * quad, sizeof codes);
    return codes;
}

/* Eight rows' quad: |row| · (query with the row's signs), whose pairs fit 16 bits: 2 · 127². */
__attribute__((target("avx2"))) static inline __m256i add_quad_avx2(__m256i sum, const uint8_t *bytes, __m256i query)
{
    const __m256i zero = _mm256_set1_epi8((char)INT8_ZERO);
    const __m256i row = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)bytes), zero);
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(row), _mm256_sign_epi8(query, row));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

__attribute__((target("avx2"))) static void sums_avx2(const uint8_t *group, size_t groups, size_t quads,
                                                      const int8_t *query, int32_t *sums)
{
    for (size_t at = 0; at < groups; at++, sums += INT8_GROUP) {
        __m256i low = _mm256_setzero_si256(), high = low;
        for (size_t quad = 0; quad < quads; quad++, group += INT8_GROUP_QUAD) {
            const __m256i codes = _mm256_set1_epi32(quad_of(query, quad));
            low = add_quad_avx2(low, group, codes);
            high = add_quad_avx2(high, group + INT8_GROUP_QUAD / 2, codes);
        }
        _mm256_storeu_si256((__m256i *)sums, low);
        _mm256_storeu_si256((__m256i *)(sums + INT8_GROUP / 2), high);
    }
}

/* Σ code · query, of which 128 · Σ query is too much. */
__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) static void
sums_vnni(const uint8_t *group, size_t groups, size_t quads, const int8_t *query, int32_t query_sum, int32_t *sums)
{
    const __m512i offset = _mm512_set1_epi32(-INT8_ZERO * query_sum), none = _mm512_setzero_si512();
    for (size_t at = 0; at < groups; at++, sums += INT8_GROUP) {
        __m512i parts[4] = {offset, none, none, none};
        size_t quad = 0;
        for (; quad + 4 <= quads; quad += 4, group += 4 * INT8_GROUP_QUAD)
            for (size_t part = 0; part < 4; part++)
                parts[part] = _mm512_dpbusd_epi32(parts[part], _mm512_loadu_si512(group + part * INT8_GROUP_QUAD),
                                                  _mm512_set1_epi32(quad_of(query, quad + part)));
        for (; quad < quads; quad++, group += INT8_GROUP_QUAD)
            parts[0] =
                _mm512_dpbusd_epi32(parts[0], _mm512_loadu_si512(group), _mm512_set1_epi32(quad_of(query, quad)));
        parts[0] = _mm512_add_epi32(parts[0], parts[1]);
        parts[2] = _mm512_add_epi32(parts[2], parts[3]);
        _mm512_storeu_si512(sums, _mm512_add_epi32(parts[0], parts[2]));
    }
}

bool int8_supports(int8_level level)
{
    switch (level) {
    case INT8_PLAIN:
        return true;
    case INT8_AVX2:
        return __builtin_cpu_supports("avx2");
    case INT8_VNNI:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    }
    return false;
}

void int8_sums(const uint8_t *group, size_t groups, size_t quads, const int8_t *query, int32_t query_sum, int level,
               int32_t *sums)
{
    if (level == INT8_VNNI || (level == 0 && int8_supports(INT8_VNNI)))
        sums_vnni(group, groups, quads, query, query_sum, sums);
    else if (level == INT8_AVX2 || (level == 0 && int8_supports(INT8_AVX2)))
        sums_avx2(group, groups, quads, query, sums);
    else
        sums_plain(group, groups, quads, query, sums);
}

#else

bool int8_supports(int8_level level)
{
    return level == INT8_PLAIN;
}

void int8_sums(const uint8_t *group, size_t groups, size_t quads, const int8_t *query, int32_t query_sum, int level,
               int32_t *sums)
{
    (void)query_sum;
    (void)level;
    sums_plain(group, groups, quads, query, sums);
}

#endif
