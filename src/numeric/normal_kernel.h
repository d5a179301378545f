/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of normal_equations.c, included there once per instruction set, without a guard.
 *
 * NORMAL(name)      name of a function
 * LANES             floats per vector
 * TILE_ROWS         rows of a tile of H: TILE_ROWS × 3 sums stay in registers
 * TARGET            attribute with the instruction sets, or nothing
 * ADD_PRODUCT(sum, a, b)  sum + a·b of vectors
 * SUM(a)            of the floats of a vector
 */
typedef float NORMAL(vector) __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

/* h[r][c] += scale·Σ_k x_k[r]·x_k[c] of `height` rows from `row` on and `parts` vectors from `column` on. */
TARGET
static inline __attribute__((always_inline)) void NORMAL(tile)(const float *x, size_t stride, size_t count, size_t row,
                                                               size_t column, float scale, float *h, size_t h_stride,
                                                               const size_t height, const size_t parts)
{
    typedef NORMAL(vector) vector;
    vector sums[TILE_ROWS][3];
#pragma GCC unroll 8
    for (size_t r = 0; r < height; r++)
#pragma GCC unroll 3
        for (size_t part = 0; part < parts; part++)
            sums[r][part] = (vector){0};
    for (size_t k = 0; k < count; k++) {
        const float *const from = x + k * stride;
        const vector *const right = (const vector *)(from + column);
#pragma GCC unroll 8
        for (size_t r = 0; r < height; r++) {
            const vector left = from[row + r] - (vector){0};
#pragma GCC unroll 3
            for (size_t part = 0; part < parts; part++)
                sums[r][part] = ADD_PRODUCT(sums[r][part], right[part], left);
        }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < height; r++) {
        vector *const to = (vector *)(h + (row + r) * h_stride + column);
#pragma GCC unroll 3
        for (size_t part = 0; part < parts; part++)
            to[part] += scale * sums[r][part];
    }
}

/* The same from the vector of the diagonal on, `vectors` of them: as many tiles of three or two vectors. */
TARGET
static inline __attribute__((always_inline)) void NORMAL(strip)(const float *x, size_t stride, size_t count, size_t row,
                                                                size_t column, size_t vectors, float scale, float *h,
                                                                size_t h_stride, const size_t height)
{
    while (vectors > 0) {
        if (vectors == 3 || vectors > 4) {
            NORMAL(tile)(x, stride, count, row, column, scale, h, h_stride, height, 3);
            column += 3 * LANES;
            vectors -= 3;
        } else if (vectors >= 2) {
            NORMAL(tile)(x, stride, count, row, column, scale, h, h_stride, height, 2);
            column += 2 * LANES;
            vectors -= 2;
        } else {
            NORMAL(tile)(x, stride, count, row, column, scale, h, h_stride, height, 1);
            vectors = 0;
        }
    }
}

/* Rows first … last − 1 of h, from the vector of the diagonal to column `end`. */
TARGET
static void NORMAL(strips)(const float *x, size_t stride, size_t count, size_t first, size_t last, size_t end,
                           float scale, float *h, size_t h_stride)
{
    for (size_t row = first; row < last;) {
        const size_t column = row / LANES * LANES, vectors = (end - column + LANES - 1) / LANES;
        if (last - row >= TILE_ROWS && row % LANES + TILE_ROWS <= LANES) {
            NORMAL(strip)(x, stride, count, row, column, vectors, scale, h, h_stride, TILE_ROWS);
            row += TILE_ROWS;
        } else {
            NORMAL(strip)(x, stride, count, row, column, vectors, scale, h, h_stride, 1);
            row++;
        }
    }
}

TARGET
static void NORMAL(add_gram)(const float *rows, size_t count, size_t width, float alpha, float *h, size_t h_stride)
{
    for (size_t begin = 0; begin < count; begin += GRAM_ROWS) {
        const size_t some = count - begin < GRAM_ROWS ? count - begin : GRAM_ROWS;
        NORMAL(strips)(rows + begin * width, width, some, 0, width, width, alpha, h, h_stride);
    }
}

/* The factor of the block on the diagonal, whose rows begin at `a`: U with A = UᵀU. inverse [LANES] 1/U_jj. Rows are
 * divided by their pivots first and by roots last, so that no root waits for another. */
TARGET
static inline __attribute__((always_inline)) bool NORMAL(factor_corner)(float *a, size_t stride, float *inverse)
{
    typedef NORMAL(vector) vector;
    vector rows[LANES];
    bool positive = true;
#pragma GCC unroll 16
    for (size_t j = 0; j < LANES; j++)
        rows[j] = *(const vector *)(a + j * stride);
#pragma GCC unroll 16
    for (size_t j = 0; j < LANES; j++) {
        const float pivot = rows[j][j];
        const vector share = rows[j] * (1.0f / pivot);
        positive = positive && pivot > least_pivot * a[j * stride + j];
        inverse[j] = 1.0f / sqrtf(pivot);
#pragma GCC unroll 16
        for (size_t i = j + 1; i < LANES; i++)
            rows[i] = ADD_PRODUCT(rows[i], (-share[i]) - (vector){0}, rows[j]);
    }
#pragma GCC unroll 16
    for (size_t j = 0; j < LANES; j++)
        *(vector *)(a + j * stride) = inverse[j] * rows[j];
    return positive;
}

/* The rows of a block, one vector of columns right of its corner: U_corner⁻ᵀ·A. */
TARGET
static inline __attribute__((always_inline)) void NORMAL(solve_corner)(const float *corner, size_t stride,
                                                                       const float *inverse, float *a)
{
    typedef NORMAL(vector) vector;
    vector rows[LANES];
#pragma GCC unroll 16
    for (size_t j = 0; j < LANES; j++)
        rows[j] = *(const vector *)(a + j * stride);
#pragma GCC unroll 16
    for (size_t j = 0; j < LANES; j++) {
        rows[j] *= inverse[j];
        *(vector *)(a + j * stride) = rows[j];
#pragma GCC unroll 16
        for (size_t i = j + 1; i < LANES; i++)
            rows[i] = ADD_PRODUCT(rows[i], (-corner[j * stride + i]) - (vector){0}, rows[j]);
    }
}

/* x_j = (y_j − Σ_{c > j} U_jc·x_c) / U_jj for a block of rows; y in column `size` of h. */
TARGET
static inline __attribute__((always_inline)) void NORMAL(back_corner)(const float *h, size_t stride, size_t size,
                                                                      size_t block, float *x)
{
    typedef NORMAL(vector) vector;
    float left[LANES];
    for (size_t j = 0; j < LANES; j++) {
        const float *row = h + (block + j) * stride;
        vector sum = {0};
        for (size_t c = block + LANES; c < size; c += LANES)
            sum = ADD_PRODUCT(sum, *(const vector *)(row + c), *(const vector *)(x + c));
        left[j] = row[size] - SUM(sum);
    }
#pragma GCC unroll 16
    for (size_t j = LANES; j-- > 0;) {
        const float value = left[j] * h[(block + j) * stride + size + 1];
        x[block + j] = value;
        for (size_t i = 0; i < j; i++)
            left[i] -= h[(block + i) * stride + block + j] * value;
    }
}

/* h [size × stride], upper triangle, right side in column `size`; size a multiple of LANES. x [size]. */
TARGET
static bool NORMAL(solve)(float *h, size_t stride, size_t size, float *x)
{
    float inverse[LANES];
    for (size_t block = 0; block < size; block += LANES) {
        float *corner = h + block * stride + block;
        NORMAL(strips)(h, stride, block, block, block + LANES, size + 1, -1.0f, h, stride);
        if (!NORMAL(factor_corner)(corner, stride, inverse))
            return false;
        for (size_t column = block + LANES; column <= size; column += LANES)
            NORMAL(solve_corner)(corner, stride, inverse, h + block * stride + column);
        for (size_t j = 0; j < LANES; j++)
            h[(block + j) * stride + size + 1] = inverse[j];
    }
    for (size_t block = size; block > 0; block -= LANES)
        NORMAL(back_corner)(h, stride, size, block - LANES, x);
    return true;
}

/* Fetches `width` columns of a row. */
static inline __attribute__((always_inline)) void NORMAL(fetch)(const float *row, size_t width)
{
    for (size_t line = 0; line < width && line < MOST_AHEAD; line += UNIT)
        __builtin_prefetch(row + line);
}

/* out[r] += ⟨x_r, v⟩; row r is row indices[r], or r where indices are NULL. */
TARGET
static void NORMAL(add_products)(const float *rows, const uint32_t *indices, size_t count, size_t stride, size_t width,
                                 const float *v, float *out)
{
    typedef NORMAL(vector) vector;
    for (size_t r = 0; r < count; r++) {
        const float *row = rows + (indices ? indices[r] : r) * stride;
        vector sums[4] = {{0}, {0}, {0}, {0}};
        size_t c = 0;
        if (indices && r + AHEAD < count)
            NORMAL(fetch)(rows + indices[r + AHEAD] * stride, width);
        for (; c + 4 * LANES <= width; c += 4 * LANES)
#pragma GCC unroll 4
            for (size_t part = 0; part < 4; part++)
                sums[part] = ADD_PRODUCT(sums[part], *(const vector *)(row + c + part * LANES),
                                         *(const vector *)(v + c + part * LANES));
        for (; c + LANES <= width; c += LANES)
            sums[0] = ADD_PRODUCT(sums[0], *(const vector *)(row + c), *(const vector *)(v + c));
        float rest = 0;
        for (; c < width; c++)
            rest += row[c] * v[c];
        out[r] += SUM((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest;
    }
}

/* out[r] = √alpha_r · row indices[r]; alpha NULL = all 1. */
TARGET
static void NORMAL(gather)(const float *table, size_t stride, const uint32_t *indices, const float *alpha, size_t count,
                           size_t width, float *out)
{
    typedef NORMAL(vector) vector;
    for (size_t r = 0; r < count; r++, out += width) {
        const float *row = table + indices[r] * stride;
        const float root = alpha ? sqrtf(alpha[r]) : 1.0f;
        size_t c = 0;
        if (r + AHEAD < count)
            NORMAL(fetch)(table + indices[r + AHEAD] * stride, width);
        for (; c + LANES <= width; c += LANES)
            *(vector *)(out + c) = root * *(const vector *)(row + c);
        for (; c < width; c++)
            out[c] = root * row[c];
    }
}

/* Upper triangle of h = scale·m + ridge·I. */
TARGET
static void NORMAL(start)(const float *m, size_t m_stride, float scale, float ridge, size_t width, float *h,
                          size_t h_stride)
{
    typedef NORMAL(vector) vector;
    for (size_t r = 0; r < width; r++) {
        const float *from = m + r * m_stride;
        float *to = h + r * h_stride;
        size_t c = r / LANES * LANES;
        for (; c + LANES <= width; c += LANES)
            *(vector *)(to + c) = scale * *(const vector *)(from + c);
        for (; c < width; c++)
            to[c] = scale * from[c];
        to[r] += ridge;
    }
}

/* `parts` vectors of columns of out += alpha·Σ_r w_r·x_r. */
TARGET
static inline __attribute__((always_inline)) void NORMAL(combine)(const float *rows, size_t count, size_t stride,
                                                                  const float *w, float alpha, float *out,
                                                                  const size_t parts)
{
    typedef NORMAL(vector) vector;
    vector even[4], odd[4];
#pragma GCC unroll 4
    for (size_t part = 0; part < parts; part++)
        even[part] = odd[part] = (vector){0};
    size_t r = 0;
    for (; r + 2 <= count; r += 2) {
        const vector *const first = (const vector *)(rows + r * stride), *const second =
                                                                             (const vector *)(rows + (r + 1) * stride);
#pragma GCC unroll 4
        for (size_t part = 0; part < parts; part++) {
            even[part] = ADD_PRODUCT(even[part], first[part], w[r] - (vector){0});
            odd[part] = ADD_PRODUCT(odd[part], second[part], w[r + 1] - (vector){0});
        }
    }
#pragma GCC unroll 4
    for (size_t part = 0; part < parts; part++) {
        vector *const to = (vector *)(out + part * LANES);
        if (r < count)
            even[part] =
                ADD_PRODUCT(even[part], *(const vector *)(rows + r * stride + part * LANES), w[r] - (vector){0});
        *to += alpha * (even[part] + odd[part]);
    }
}

TARGET
static void NORMAL(add_combination)(const float *rows, size_t count, size_t width, const float *w, float alpha,
                                    float *out)
{
    size_t c = 0;
    for (; c + 4 * LANES <= width; c += 4 * LANES)
        NORMAL(combine)(rows + c, count, width, w, alpha, out + c, 4);
    for (; c + LANES <= width; c += LANES)
        NORMAL(combine)(rows + c, count, width, w, alpha, out + c, 1);
    for (; c < width; c++) {
        float sum = 0;
        for (size_t r = 0; r < count; r++)
            sum += w[r] * rows[r * width + c];
        out[c] += alpha * sum;
    }
}

static const normal_kernels NORMAL(kernels) = {
    .add_gram = NORMAL(add_gram),
    .solve = NORMAL(solve),
    .add_products = NORMAL(add_products),
    .add_combination = NORMAL(add_combination),
    .gather = NORMAL(gather),
    .start = NORMAL(start),
};
