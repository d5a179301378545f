/* SPDX-License-Identifier: Apache-2.0
 *
 * What a scratch holds after side_jacobian, with w = factors of the field, K = columns of the core:
 *
 *   PRODUCT, SUM    scratch[0] = x, then p [d], q [d], u [d]:  (Jᵀm)_j = p_j·m_j + q_j·m_own,  (Jᵀm)_d = x·m_own
 *   TUCKER, field   scratch[0] = x, then J [d × w], two Kronecker products of other fields [K] and u [max w]
 *   TUCKER, core    scratch[0] = 1, then u_1 ⊗ u_2 ⊗ … [K]:    (Jᵀm)_j = k_j·m_row
 */
#include "model/multilinear.h"

#include <string.h>

#include "base/vector.h"

static size_t factors_of(const multilinear_side *side, size_t field)
{
    return side->fields[field].table.columns - (side->biases ? 1 : 0);
}

static size_t own_column(const multilinear_side *side)
{
    return side->factors + (side->is_item ? 1 : 0);
}

static size_t most_factors(const multilinear_side *side)
{
    size_t most = 0;
    for (size_t field = 0; field < side->field_count; field++)
        most = factors_of(side, field) > most ? factors_of(side, field) : most;
    return most;
}

size_t side_scratch(const multilinear_side *side)
{
    if (side->kind != COMPOSE_TUCKER)
        return 1 + 3 * side->factors;
    return 1 + side->factors * most_factors(side) + 2 * side->core.columns + most_factors(side);
}

size_t side_block_width(const multilinear_side *side, size_t field)
{
    return field < side->field_count ? side->fields[field].table.columns : side->core.columns;
}

float *side_block_values(multilinear_side *side, side_block block)
{
    const dense_matrix *table = block.field < side->field_count ? &side->fields[block.field].table : &side->core;
    return table->values + (size_t)block.row * table->columns;
}

bool side_is_plain(const multilinear_side *side)
{
    return side->kind == COMPOSE_PRODUCT && side->field_count == 1 && !side->biases && !side->fields[0].rows.indptr;
}

/* The rows of an entity in a field: indices (NULL: `first` itself) and x (NULL: 1). */
typedef struct row_list {
    const uint32_t *indices;
    const float *x;
    uint32_t first;
    size_t count;
} row_list;

static row_list rows_of(const side_field *field, uint32_t entity)
{
    if (!field->rows.indptr)
        return (row_list){.first = entity, .count = 1};
    const uint64_t begin = field->rows.indptr[entity], end = field->rows.indptr[entity + 1];
    return (row_list){.indices = field->rows.indices + begin,
                      .x = field->rows.values ? field->rows.values + begin : NULL,
                      .count = (size_t)(end - begin)};
}

static const float *row_at(const side_field *field, row_list rows, size_t place)
{
    return field->table.values + (size_t)(rows.indices ? rows.indices[place] : rows.first) * field->table.columns;
}

static float x_at(row_list rows, size_t place)
{
    return rows.x ? rows.x[place] : 1.0F;
}

VECTOR_CLONES
static void add_scaled(float *restrict target, const float *restrict row, float x, size_t count)
{
    for (size_t j = 0; j < count; j++)
        target[j] += x * row[j];
}

VECTOR_CLONES
static void multiply_by(float *restrict target, const float *restrict factor, size_t count)
{
    for (size_t j = 0; j < count; j++)
        target[j] *= factor[j];
}

static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t j = 0; j < count; j++)
        sum += (double)a[j] * (double)b[j];
    return sum;
}

/* u_f(e), factors only. */
static void embed_field(const side_field *field, uint32_t entity, size_t factors, float *u)
{
    const row_list rows = rows_of(field, entity);
    if (rows.count == 1 && !rows.x) {
        memcpy(u, row_at(field, rows, 0), factors * sizeof *u);
        return;
    }
    memset(u, 0, factors * sizeof *u);
    for (size_t place = 0; place < rows.count; place++)
        add_scaled(u, row_at(field, rows, place), x_at(rows, place), factors);
}

/* Σ_f Σ_k x·(last entry of θ_fk). */
static double plain_bias(const multilinear_side *side, uint32_t entity)
{
    double bias = 0;
    for (size_t f = 0; f < side->field_count; f++) {
        const side_field *field = &side->fields[f];
        const row_list rows = rows_of(field, entity);
        for (size_t place = 0; place < rows.count; place++)
            bias += (double)x_at(rows, place) * (double)row_at(field, rows, place)[field->table.columns - 1];
    }
    return bias;
}

/* u = Σ_f u_f. Returns Σ_{pairs of rows} x·x'⟨θ, θ'⟩: each row with the sum of those before it. */
static double embed_sum(const multilinear_side *side, uint32_t entity, float *u)
{
    double pairs = 0;
    bool first = true;
    memset(u, 0, side->factors * sizeof *u);
    for (size_t f = 0; f < side->field_count; f++) {
        const side_field *field = &side->fields[f];
        const row_list rows = rows_of(field, entity);
        for (size_t place = 0; place < rows.count; place++) {
            const float *row = row_at(field, rows, place), x = x_at(rows, place);
            if (!first)
                pairs += (double)x * dot(u, row, side->factors);
            add_scaled(u, row, x, side->factors);
            first = false;
        }
    }
    return pairs;
}

/* p = Π u_f over all fields but `skip`, entry by entry. */
static void embed_product(const multilinear_side *side, uint32_t entity, size_t skip, float *scratch, float *p)
{
    bool first = true;
    for (size_t f = 0; f < side->field_count; f++) {
        if (f == skip)
            continue;
        embed_field(&side->fields[f], entity, side->factors, first ? p : scratch);
        if (!first)
            multiply_by(p, scratch, side->factors);
        first = false;
    }
    for (size_t j = 0; first && j < side->factors; j++)
        p[j] = 1;
}

/* out = u_begin ⊗ … ⊗ u_(end−1), the last index fastest; its length. u [max factors]. */
static size_t kronecker(const multilinear_side *side, uint32_t entity, size_t begin, size_t end, float *u, float *out)
{
    size_t length = 1;
    out[0] = 1;
    for (size_t f = begin; f < end; f++) {
        const size_t factors = factors_of(side, f);
        embed_field(&side->fields[f], entity, factors, u);
        for (size_t at = length; at-- > 0;) {
            const float value = out[at]; /* read before the products that start at or after its own place */
            for (size_t a = factors; a-- > 0;)
                out[at * factors + a] = value * u[a];
        }
        length *= factors;
    }
    return length;
}

/* J [d × factors] = x·Σ_l Σ_t B[·, l, a, t]·leading_l·trailing_t. */
VECTOR_CLONES
static void contract_core(const float *restrict core, size_t d, size_t factors, const float *restrict leading,
                          size_t leading_count, const float *restrict trailing, size_t trailing_count, float x,
                          float *restrict jacobian)
{
    memset(jacobian, 0, d * factors * sizeof *jacobian);
    for (size_t r = 0; r < d; r++)
        for (size_t l = 0; l < leading_count; l++) {
            const float *restrict slice = core + (r * leading_count + l) * factors * trailing_count;
            const float scale = x * leading[l];
            if (trailing_count == 1) {
                for (size_t a = 0; a < factors; a++)
                    jacobian[r * factors + a] += scale * trailing[0] * slice[a];
                continue;
            }
            for (size_t a = 0; a < factors; a++) {
                float sum = 0;
                for (size_t t = 0; t < trailing_count; t++)
                    sum += trailing[t] * slice[a * trailing_count + t];
                jacobian[r * factors + a] += scale * sum;
            }
        }
}

/* φ_r = ⟨B_r, k⟩; in double, as the terms may cancel. */
static void embed_tucker(const multilinear_side *side, uint32_t entity, float *scratch, float *phi)
{
    float *product = scratch + most_factors(side);
    const size_t length = kronecker(side, entity, 0, side->field_count, scratch, product);
    for (size_t r = 0; r < side->factors; r++)
        phi[r] = (float)dot(side->core.values + r * length, product, length);
}

void side_embed(const multilinear_side *side, uint32_t entity, float *scratch, float *phi)
{
    double own = 0;
    switch (side->kind) {
    case COMPOSE_PRODUCT:
        embed_product(side, entity, side->field_count, scratch, phi);
        break;
    case COMPOSE_SUM:
        own = embed_sum(side, entity, phi);
        break;
    case COMPOSE_TUCKER:
        embed_tucker(side, entity, scratch, phi);
        break;
    }
    if (!side->biases)
        return;
    phi[side->factors] = phi[side->factors + 1] = 1;
    phi[own_column(side)] = (float)(own + plain_bias(side, entity));
}

/* Of SUM: q = x·(u − xθ), what the other rows add up to. */
static void sum_jacobian(const multilinear_side *side, uint32_t entity, side_block block, float x, float *p, float *q)
{
    const side_field *field = &side->fields[block.field];
    embed_sum(side, entity, q);
    add_scaled(q, field->table.values + (size_t)block.row * field->table.columns, -x, side->factors);
    for (size_t j = 0; j < side->factors; j++) {
        p[j] = x;
        q[j] *= x;
    }
}

static void tucker_jacobian(const multilinear_side *side, uint32_t entity, side_block block, float x, float *scratch)
{
    const size_t fields = side->field_count, d = side->factors;
    if (block.field == fields) {
        kronecker(side, entity, 0, fields, scratch + side->core.columns, scratch);
        return;
    }
    const size_t factors = factors_of(side, block.field);
    float *jacobian = scratch, *u = jacobian + d * most_factors(side), *leading = u + most_factors(side),
          *trailing = leading + side->core.columns;
    const size_t before = kronecker(side, entity, 0, block.field, u, leading);
    const size_t after = kronecker(side, entity, block.field + 1, fields, u, trailing);
    contract_core(side->core.values, d, factors, leading, before, trailing, after, x, jacobian);
}

void side_jacobian(const multilinear_side *side, uint32_t entity, side_block block, float x, float *scratch)
{
    const size_t d = side->factors;
    float *p = scratch + 1, *q = p + d, *u = q + d;
    scratch[0] = x;
    switch (side->kind) {
    case COMPOSE_PRODUCT:
        embed_product(side, entity, block.field, u, p);
        for (size_t j = 0; j < d; j++) {
            p[j] *= x;
            q[j] = 0;
        }
        break;
    case COMPOSE_SUM:
        sum_jacobian(side, entity, block, x, p, q);
        break;
    case COMPOSE_TUCKER:
        tucker_jacobian(side, entity, block, x, scratch + 1);
        break;
    }
}

/* Diagonal J: out[r][j] = p_j·m_rj. */
VECTOR_CLONES
static void pull_diagonal(const float *restrict p, const float *restrict m, size_t count, size_t dimensions,
                          size_t width, size_t stride, float *restrict out)
{
    for (size_t r = 0; r < count; r++)
        for (size_t j = 0; j < width; j++)
            out[r * stride + j] = p[j] * m[r * dimensions + j];
}

/* And what the own bias adds: out[r][j] += q_j·m_r,own. */
VECTOR_CLONES
static void pull_own(const float *restrict q, const float *restrict own, size_t count, size_t dimensions, size_t width,
                     size_t stride, float *restrict out)
{
    for (size_t r = 0; r < count; r++) {
        const float scale = own[r * dimensions];
        for (size_t j = 0; j < width; j++)
            out[r * stride + j] += scale * q[j];
    }
}

/* out[r][j] = Σ_k m_rk·J_kj, four rows of J at a time. J [d × factors], of which columns begin … begin + width. */
VECTOR_CLONES
static void pull_dense(const float *restrict jacobian, size_t d, size_t factors, const float *restrict m, size_t count,
                       size_t dimensions, size_t width, size_t stride, float *restrict out)
{
    for (size_t r = 0; r < count; r++) {
        const float *restrict row = m + r * dimensions;
        float *restrict target = out + r * stride;
        memset(target, 0, width * sizeof *target);
        size_t k = 0;
        for (; k + 4 <= d; k += 4) {
            const float *restrict j0 = jacobian + k * factors, *restrict j1 = j0 + factors, *restrict j2 = j1 + factors,
                                  *restrict j3 = j2 + factors;
            for (size_t j = 0; j < width; j++)
                target[j] += row[k] * j0[j] + row[k + 1] * j1[j] + row[k + 2] * j2[j] + row[k + 3] * j3[j];
        }
        for (; k < d; k++)
            for (size_t j = 0; j < width; j++)
                target[j] += row[k] * jacobian[k * factors + j];
    }
}

void side_pull(const multilinear_side *side, side_block block, const float *scratch, const float *m, size_t count,
               size_t begin, size_t end, float *out)
{
    const size_t d = side->factors, dimensions = side->dimensions, stride = end - begin;
    if (block.field == side->field_count) {
        memset(out, 0, count * stride * sizeof *out);
        pull_own(scratch + 1 + begin, m + block.row, count, dimensions, stride, stride, out);
        return;
    }
    const size_t factors = factors_of(side, block.field), last = end < factors ? end : factors;
    const size_t width = last > begin ? last - begin : 0;
    const float *own = side->biases ? m + own_column(side) : NULL;
    if (side->kind == COMPOSE_TUCKER) {
        pull_dense(scratch + 1 + begin, d, factors, m, count, dimensions, width, stride, out);
    } else {
        pull_diagonal(scratch + 1 + begin, m + begin, count, dimensions, width, stride, out);
        if (side->kind == COMPOSE_SUM)
            pull_own(scratch + 1 + d + begin, own, count, dimensions, width, stride, out);
    }
    for (size_t r = 0; end > factors && r < count; r++) /* the bias */
        out[r * stride + stride - 1] = scratch[0] * own[r * dimensions];
}
