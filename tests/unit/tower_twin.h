/* SPDX-License-Identifier: Apache-2.0
 *
 * A tower written down once more, plainly and in double precision (train/sampled/tower.h), for the tests of towers and
 * models. Include it before <cmocka.h>.
 */
#ifndef TOPN_TESTS_TOWER_TWIN_H
#define TOPN_TESTS_TOWER_TWIN_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/sampled/tower.h"

/* Copies of the tables' values. */
static inline double **twin_tables(const parameter_table *tables, size_t count)
{
    double **out = calloc(count, sizeof *out);
    for (size_t t = 0; t < count; t++) {
        const size_t values = tables[t].rows * tables[t].width;
        out[t] = calloc(values + 1, sizeof **out);
        for (size_t at = 0; at < values; at++)
            out[t][at] = (double)tables[t].values[at];
    }
    return out;
}

static inline void twin_tables_free(double **tables, size_t count)
{
    for (size_t t = 0; t < count; t++)
        free(tables[t]);
    free(tables);
}

/* Adds v × row to x [factors + 1], the bias only where the side has biases. */
static inline void twin_add(const tower *side, double *const *tables, size_t table, uint32_t row, double v, double *x)
{
    const size_t width = side->tables[table].width;
    const double *values = tables[table] + row * width;
    for (size_t j = 0; j < side->factors; j++)
        x[j] += v * values[j];
    if (side->biases && width > side->factors)
        x[side->factors] += v * values[side->factors];
}

static inline void twin_add_bag(const tower *side, double *const *tables, const tower_bag *bag, uint32_t entity,
                                uint32_t own, double *x)
{
    double sum[65] = {0};
    int count = 0;
    for (uint64_t at = bag->history->indptr[entity]; at < bag->history->indptr[entity + 1]; at++) {
        const uint32_t h = bag->history->indices[at];
        const double w = bag->history->values ? (double)bag->history->values[at] : 1;
        if (bag->exclude_own && h == own)
            continue;
        twin_add(side, tables, bag->table, h, bag->weighted ? (w - bag->offset) * bag->scale : 1, sum);
        count++;
    }
    for (size_t j = 0; count > 0 && j <= side->factors; j++)
        x[j] += pow(count, -bag->exponent) * sum[j];
}

/* out [stride]; own UINT32_MAX = none. factors ≤ 64. */
static inline void twin_embed(const tower *side, double *const *tables, uint32_t entity, uint32_t own, double *out)
{
    double x[65] = {0}, terms[64][64] = {{0}}, pairs = 0, norm = 0;
    size_t count = 0;
    for (size_t f = 0; f < side->field_count; f++) {
        const tower_field *field = &side->fields[f];
        const uint64_t begin = field->rows ? field->rows->indptr[entity] : 0,
                       end = field->rows ? field->rows->indptr[entity + 1] : 1;
        for (uint64_t at = begin; at < end; at++) {
            const uint32_t row = field->rows ? field->rows->indices[at] : entity;
            const double by = field->rows && field->rows->values ? (double)field->rows->values[at] : 1;
            twin_add(side, tables, field->table, row, by, x);
            for (size_t j = 0; j < side->factors; j++)
                terms[count][j] = by * tables[field->table][row * side->tables[field->table].width + j];
            count++;
        }
    }
    for (size_t k = 0; side->pairs && k < count; k++)
        for (size_t l = 0; l < k; l++)
            for (size_t j = 0; j < side->factors; j++)
                pairs += terms[k][j] * terms[l][j];
    for (size_t b = 0; b < side->bag_count; b++)
        twin_add_bag(side, tables, &side->bags[b], entity, own, x);
    for (size_t j = 0; j < side->dimensions; j++)
        norm += x[j] * x[j];
    for (size_t j = 0; j < side->dimensions; j++)
        out[j] = side->normalize && norm > 0 ? x[j] / sqrt(norm) : x[j];
    if (side->biases)
        out[side->dimensions] = x[side->factors] + pairs;
}

static inline double twin_score(const tower *contexts, const tower *items, double *const *tables, uint32_t context,
                                uint32_t own, uint32_t item)
{
    double phi[66], psi[66], score = 0;
    twin_embed(contexts, tables, context, own, phi);
    twin_embed(items, tables, item, UINT32_MAX, psi);
    for (size_t j = 0; j < contexts->dimensions; j++)
        score += phi[j] * psi[j];
    return score + (contexts->biases ? phi[contexts->dimensions] : 0) + (items->biases ? psi[items->dimensions] : 0);
}

#endif
