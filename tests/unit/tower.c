/* SPDX-License-Identifier: Apache-2.0
 *
 * Towers against their twin in double precision: forward by value, backward by differences of the twin.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>

#include "made_data.h"
#include "tower_twin.h"

#include <cmocka.h> /* after context.h: it makes a macro of fail */

enum { ENTITIES = 40, ROWS = 23, FACTORS = 11, TABLES = 3, BATCH = 50 };

static topn_context *context;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

/* Tables of random numbers, matrices of rows, and what a side is made of. */
typedef struct made_side {
    const char *name;
    int fields; /* 0: none; 1: plain; 2: plain and one of several rows; 3: and one of several rows with x */
    int bags;   /* the second one is weighted */
    bool table_bias, biases, pairs, normalize, exclude_own, shared;
} made_side;

static const made_side sides[] = {
    {.name = "plain", .fields = 1},
    {.name = "plain, biases", .fields = 1, .table_bias = true, .biases = true},
    {.name = "plain, of a table with biases that are not this side's", .fields = 1, .table_bias = true},
    {.name = "fields", .fields = 3, .table_bias = true, .biases = true},
    {.name = "factorisation machine", .fields = 3, .table_bias = true, .biases = true, .pairs = true},
    {.name = "factorisation machine, normalized",
     .fields = 3,
     .table_bias = true,
     .biases = true,
     .pairs = true,
     .normalize = true},
    {.name = "normalized", .fields = 2, .normalize = true},
    {.name = "bag", .bags = 1},
    {.name = "bag without the own item", .bags = 1, .exclude_own = true},
    {.name = "two bags", .bags = 2, .exclude_own = true},
    {.name = "two bags of one table with biases", .bags = 2, .exclude_own = true, .table_bias = true, .shared = true},
    {.name = "fields and bags, biases, normalized",
     .fields = 3,
     .bags = 2,
     .table_bias = true,
     .biases = true,
     .exclude_own = true,
     .normalize = true},
    {.name = "fields and bags of one table",
     .fields = 3,
     .bags = 1,
     .table_bias = true,
     .biases = true,
     .shared = true},
};
enum { SIDES = sizeof sides / sizeof *sides };

typedef struct made_tower {
    tower side;
    parameter_table tables[TABLES];
    sparse_matrix rows, numbers, history;
} made_tower;

static double uniform(uint64_t place)
{
    return random_uniform(7, RANDOM_DOCTOR, place);
}

/* entities × ROWS; entity 3 has none, entity 4 a single one. */
static sparse_matrix made_rows(uint64_t key, double density, bool numbers)
{
    sparse_matrix out;
    uint64_t to = 0;
    check(sparse_create(context, ENTITIES, ROWS, ENTITIES * ROWS, &out));
    for (uint32_t e = 0; e < ENTITIES; e++) {
        for (uint32_t row = 0; row < ROWS; row++) {
            const uint64_t place = key + (uint64_t)e * ROWS + row;
            if (e == 3 || (e == 4 ? row != 2 : uniform(place) >= density))
                continue;
            out.indices[to] = row;
            out.values[to++] = (float)(3 * uniform(place + 100000) - 1);
        }
        out.indptr[e + 1] = to;
    }
    if (!numbers) {
        free(out.values);
        out.values = NULL;
    }
    return out;
}

static made_tower *made_tower_of(const made_side *made)
{
    made_tower *out = calloc(1, sizeof *out);
    for (size_t t = 0; t < TABLES; t++) {
        parameter_table *table = &out->tables[t];
        table->rows = ENTITIES; /* rows and histories are of the first ROWS */
        table->width = FACTORS + (made->table_bias ? 1 : 0);
        table->values = malloc(table->rows * table->width * sizeof *table->values);
        for (size_t at = 0; at < table->rows * table->width; at++)
            table->values[at] = (float)random_normal(5, RANDOM_DOCTOR, t * 100000 + at);
    }
    out->rows = made_rows(1000000, 0.1, false);
    out->numbers = made_rows(2000000, 0.2, true);
    out->history = made_rows(3000000, 0.3, true);
    out->side = (tower){
        .entities = ENTITIES,
        .factors = FACTORS,
        .dimensions = FACTORS,
        .stride = FACTORS + (made->biases ? 1 : 0),
        .biases = made->biases,
        .pairs = made->pairs,
        .normalize = made->normalize,
        .fields = {{.table = 0}, {.rows = &out->rows, .table = 1}, {.rows = &out->numbers, .table = 0}},
        .field_count = (size_t)made->fields,
        .bags = {{.history = &out->history,
                  .table = made->shared ? 0 : 1,
                  .exponent = 0.5,
                  .exclude_own = made->exclude_own},
                 {.history = &out->history,
                  .table = made->shared ? 0 : 2,
                  .exponent = 0.75,
                  .offset = 0.4,
                  .scale = 0.8,
                  .weighted = true,
                  .exclude_own = made->exclude_own}},
        .bag_count = (size_t)made->bags,
        .tables = out->tables,
        .table_count = TABLES,
    };
    return out;
}

static void made_tower_free(made_tower *made)
{
    for (size_t t = 0; t < TABLES; t++)
        free(made->tables[t].values);
    sparse_clear(&made->rows);
    sparse_clear(&made->numbers);
    sparse_clear(&made->history);
    free(made);
}

/* A batch with runs of one entity, each with an own item that is in its history for some. */
static void made_batch(uint32_t *entities, uint32_t *own)
{
    for (uint32_t n = 0; n < BATCH; n++) {
        entities[n] = random_below(9, RANDOM_ORDER, n / 4, ENTITIES);
        own[n] = random_below(9, RANDOM_ORDER, 1000 + n, ROWS);
    }
    entities[BATCH - 1] = 3;
    entities[BATCH - 2] = entities[BATCH - 3] = 4;
    own[BATCH - 2] = 2; /* nothing is left of the history */
}

static void assert_near(const char *name, double got, double expected, double size)
{
    if (!(fabs(got - expected) <= 2e-6 * (1 + size)))
        fail_msg("%s: %.9g, not %.9g", name, got, expected);
}

static void forward_is_the_twin(void **state)
{
    (void)state;
    uint32_t entities[BATCH], own[BATCH];
    made_batch(entities, own);
    for (size_t s = 0; s < SIDES; s++) {
        made_tower *made = made_tower_of(&sides[s]);
        tower_batch *batch;
        double **tables = twin_tables(made->tables, TABLES), expected[FACTORS + 1];
        float *out = malloc(BATCH * made->side.stride * sizeof *out);
        check(tower_batch_create(context, &made->side, BATCH, &batch));
        for (int with_own = 0; with_own < 2; with_own++) {
            check(tower_forward(context, &made->side, batch, BATCH, entities, with_own ? own : NULL, false, 0, 2, out));
            for (uint32_t n = 0; n < BATCH; n++) {
                twin_embed(&made->side, tables, entities[n], with_own ? own[n] : UINT32_MAX, expected);
                for (size_t j = 0; j < made->side.stride; j++)
                    assert_near(sides[s].name, (double)out[n * made->side.stride + j], expected[j],
                                8 + 2 * fabs(expected[j]));
            }
        }
        free(out);
        tower_batch_free(batch);
        twin_tables_free(tables, TABLES);
        made_tower_free(made);
    }
}

static void all_entities_are_embedded(void **state)
{
    (void)state;
    for (size_t s = 0; s < SIDES; s++) {
        made_tower *made = made_tower_of(&sides[s]);
        double **tables = twin_tables(made->tables, TABLES), expected[FACTORS + 1];
        float *out = malloc(ENTITIES * made->side.stride * sizeof *out);
        check(tower_embed_all(context, &made->side, out));
        for (uint32_t e = 0; e < ENTITIES; e++) {
            twin_embed(&made->side, tables, e, UINT32_MAX, expected);
            for (size_t j = 0; j < made->side.stride; j++)
                assert_near(sides[s].name, (double)out[e * made->side.stride + j], expected[j],
                            8 + 2 * fabs(expected[j]));
        }
        free(out);
        twin_tables_free(tables, TABLES);
        made_tower_free(made);
    }
}

/* Σ_n ⟨weights_n, out_n⟩ by the twin. */
static double functional(const tower *side, double *const *tables, const uint32_t *entities, const uint32_t *own,
                         const float *weights)
{
    double sum = 0, out[FACTORS + 1];
    for (uint32_t n = 0; n < BATCH; n++) {
        twin_embed(side, tables, entities[n], own[n], out);
        for (size_t j = 0; j < side->stride; j++)
            sum += (double)weights[n * side->stride + j] * out[j];
    }
    return sum;
}

/* gradients [rows × width] of a table, dense. */
static double *dense_gradients(row_gradients *gradients, const parameter_table *table, int threads)
{
    const uint32_t *rows;
    const float *values;
    double *out = calloc(table->rows * table->width, sizeof *out);
    const size_t count = row_gradients_sum(gradients, threads, &rows, &values);
    for (size_t at = 0; at < count; at++)
        for (size_t j = 0; j < table->width; j++)
            out[rows[at] * table->width + j] = (double)values[at * table->width + j];
    return out;
}

/* The tables' gradients of the functional with the weights; freed by the caller. */
static void backward(const tower *side, const uint32_t *entities, const uint32_t *own, const float *weights,
                     int threads, double *gradients[TABLES])
{
    tower_batch *batch;
    row_gradients *notes[TABLES];
    float *out = malloc(BATCH * side->stride * sizeof *out);
    check(tower_batch_create(context, side, BATCH, &batch));
    for (size_t t = 0; t < TABLES; t++) {
        check(row_gradients_create(context, &side->tables[t], 1, &notes[t]));
        row_gradients_begin(notes[t]);
    }
    check(tower_forward(context, side, batch, BATCH, entities, own, true, 0, threads, out));
    memset(out, 0, BATCH * side->stride * sizeof *out); /* the caller's again */
    check(tower_backward(context, side, batch, weights, threads, notes));
    for (size_t t = 0; t < TABLES; t++) {
        gradients[t] = dense_gradients(notes[t], &side->tables[t], threads);
        row_gradients_free(notes[t]);
    }
    tower_batch_free(batch);
    free(out);
}

static void backward_is_the_difference(void **state)
{
    (void)state;
    uint32_t entities[BATCH], own[BATCH];
    made_batch(entities, own);
    for (size_t s = 0; s < SIDES; s++) {
        made_tower *made = made_tower_of(&sides[s]);
        const tower *side = &made->side;
        double **tables = twin_tables(made->tables, TABLES), *gradients[TABLES];
        float weights[BATCH * (FACTORS + 1)];
        for (size_t at = 0; at < BATCH * (FACTORS + 1); at++)
            weights[at] = (float)random_normal(5, RANDOM_DOCTOR, 900000 + at);
        backward(side, entities, own, weights, 1, gradients);
        for (size_t t = 0; t < TABLES; t++)
            for (size_t at = 0; at < made->tables[t].rows * made->tables[t].width; at++) {
                const double was = tables[t][at], h = 1e-4;
                tables[t][at] = was + h;
                const double up = functional(side, tables, entities, own, weights);
                tables[t][at] = was - h;
                const double down = functional(side, tables, entities, own, weights);
                tables[t][at] = was;
                assert_near(sides[s].name, gradients[t][at], (up - down) / (2 * h), 10 + fabs((up - down) / (2 * h)));
            }
        for (size_t t = 0; t < TABLES; t++)
            free(gradients[t]);
        twin_tables_free(tables, TABLES);
        made_tower_free(made);
    }
}

/* With layers: x by the side without them, then the layers and the norm by themselves, forward and backward. */
static void layers_are_between(void **state)
{
    (void)state;
    enum { OUTPUTS = 5 };
    const layer_form forms[] = {{.outputs = 8, .activation = ACTIVATION_TANH, .dropout = 0.25}, {.outputs = OUTPUTS}};
    const made_side made_as = {.name = "layers", .fields = 3, .bags = 2, .exclude_own = true};
    uint32_t entities[BATCH], own[BATCH];
    made_batch(entities, own);
    for (int normalize = 0; normalize < 2; normalize++) {
        made_tower *made = made_tower_of(&made_as);
        tower *side = &made->side, plain = made->side;
        layer_stack *stack;
        layer_workspace *workspace;
        layer_gradients *gradients;
        parameter_table tables[TABLES + 1];
        tower_batch *batches[2];
        row_gradients *notes[TABLES + 1], *expected[TABLES];
        float x[BATCH * FACTORS], out[BATCH * OUTPUTS], other[BATCH * OUTPUTS], d[BATCH * OUTPUTS], dx[BATCH * FACTORS];
        float lengths[BATCH], d_copy[BATCH * OUTPUTS];
        check(layer_stack_create(context, FACTORS, forms, 2, 1, &stack));
        check(layer_workspace_create(context, stack, BATCH, &workspace));
        check(layer_gradients_create(context, stack, &gradients));
        memcpy(tables, made->tables, sizeof made->tables);
        tables[TABLES] = (parameter_table){.values = stack->values, .rows = 1, .width = stack->parameters};
        side->tables = tables;
        side->table_count = TABLES + 1;
        side->network = stack;
        side->network_table = TABLES;
        side->normalize = normalize;
        side->dimensions = side->stride = OUTPUTS;
        check(tower_batch_create(context, side, BATCH, &batches[0]));
        check(tower_batch_create(context, &plain, BATCH, &batches[1]));
        check(tower_forward(context, side, batches[0], BATCH, entities, own, true, 30, 2, out));
        check(tower_forward(context, &plain, batches[1], BATCH, entities, own, true, 30, 2, x));
        layer_forward(stack, workspace, BATCH, x, FACTORS, true, 30, 2, other, OUTPUTS);
        if (normalize)
            rows_normalize(BATCH, OUTPUTS, other, OUTPUTS, lengths);
        for (size_t at = 0; at < BATCH * OUTPUTS; at++) {
            assert_near("layers", (double)out[at], (double)other[at], 1);
            d[at] = d_copy[at] = (float)random_normal(6, RANDOM_DOCTOR, at);
        }
        for (size_t t = 0; t <= TABLES; t++) {
            check(row_gradients_create(context, &tables[t], 1, &notes[t]));
            row_gradients_begin(notes[t]);
            if (t == TABLES)
                continue;
            check(row_gradients_create(context, &tables[t], 1, &expected[t]));
            row_gradients_begin(expected[t]);
        }
        check(tower_backward(context, side, batches[0], d, 2, notes));
        if (normalize)
            rows_normalize_backward(BATCH, OUTPUTS, other, OUTPUTS, lengths, d_copy, OUTPUTS);
        layer_backward(stack, workspace, d_copy, OUTPUTS, 2, dx, FACTORS, gradients);
        check(tower_backward(context, &plain, batches[1], dx, 2, expected));
        for (size_t t = 0; t <= TABLES; t++) {
            double *got = dense_gradients(notes[t], &tables[t], 2);
            double *want = t < TABLES ? dense_gradients(expected[t], &tables[t], 2) : NULL;
            for (size_t at = 0; at < tables[t].rows * tables[t].width; at++) {
                const double value = want ? want[at] : (double)gradients->values[at];
                assert_near("layers", got[at], value, 10 + 10 * fabs(value));
            }
            free(got);
            free(want);
            row_gradients_free(notes[t]);
            if (t < TABLES)
                row_gradients_free(expected[t]);
        }
        tower_batch_free(batches[0]);
        tower_batch_free(batches[1]);
        layer_workspace_free(workspace);
        layer_gradients_free(gradients);
        layer_stack_free(stack);
        made_tower_free(made);
    }
}

static void threads_do_not_change_bits(void **state)
{
    (void)state;
    uint32_t entities[BATCH], own[BATCH];
    float weights[BATCH * (FACTORS + 1)], *out[3];
    made_batch(entities, own);
    for (size_t at = 0; at < BATCH * (FACTORS + 1); at++)
        weights[at] = (float)random_normal(5, RANDOM_DOCTOR, 900000 + at);
    for (size_t s = 0; s < SIDES; s++) {
        made_tower *made = made_tower_of(&sides[s]);
        const size_t size = BATCH * made->side.stride * sizeof **out;
        double *gradients[3][TABLES];
        for (int threads = 1; threads <= 3; threads++) {
            tower_batch *batch;
            context->threads = threads;
            out[threads - 1] = malloc(size);
            check(tower_batch_create(context, &made->side, BATCH, &batch));
            check(
                tower_forward(context, &made->side, batch, BATCH, entities, own, false, 0, threads, out[threads - 1]));
            tower_batch_free(batch);
            backward(&made->side, entities, own, weights, threads, gradients[threads - 1]);
        }
        for (int other = 1; other < 3; other++)
            assert_memory_equal(out[0], out[other], size);
        for (size_t t = 0; t < TABLES; t++)
            for (int other = 1; other < 3; other++)
                assert_memory_equal(gradients[0][t], gradients[other][t],
                                    made->tables[t].rows * made->tables[t].width * sizeof(double));
        for (int run = 0; run < 3; run++) {
            free(out[run]);
            for (size_t t = 0; t < TABLES; t++)
                free(gradients[run][t]);
        }
        made_tower_free(made);
    }
}

static int setup(void **state)
{
    (void)state;
    if (topn_context_create(&context) != TOPN_OK)
        return -1;
    context->threads = 2;
    return 0;
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
        cmocka_unit_test(forward_is_the_twin),        cmocka_unit_test(all_entities_are_embedded),
        cmocka_unit_test(backward_is_the_difference), cmocka_unit_test(layers_are_between),
        cmocka_unit_test(threads_do_not_change_bits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
