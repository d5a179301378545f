/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers against a twin in double precision that is written from the formulas alone, and their gradients against finite
 * differences of that twin.
 */
#include "train/network/layers.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MOST_WIDTH = 64, ROWS = 70 };

static topn_context *context;

static double activation_twin(activation_kind kind, double z)
{
    switch (kind) {
    case ACTIVATION_RELU:
        return z > 0 ? z : 0;
    case ACTIVATION_TANH:
        return tanh(z);
    case ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-z));
    case ACTIVATION_SWISH:
        return z / (1 + exp(-z));
    case ACTIVATION_IDENTITY:
    case ACTIVATIONS:
        break;
    }
    return z;
}

/* Parameters of a stack in double: value `place` of the stack's array. */
typedef struct twin {
    const layer_stack *stack;
    double *values;
    const unsigned char *masks; /* [layers × rows × MOST_WIDTH] of dropout, or NULL */
} twin;

static double parameter(const twin *of, const float *at, size_t offset)
{
    return of->values[(size_t)(at - of->stack->values) + offset];
}

/* out of one row. */
static void twin_forward(const twin *of, size_t row, const double *input, double *out)
{
    double h[MOST_LAYERS + 1][MOST_WIDTH] = {{0}}, z[MOST_WIDTH];
    const network_layers *network = &of->stack->layers;
    memcpy(h[0], input, network->inputs * sizeof *input);
    for (size_t layer = 0; layer < network->layer_count; layer++) {
        const dense_layer *at = &network->layers[layer];
        const size_t inputs = layers_inputs(network, layer), columns = layers_columns(network, layer);
        const size_t outputs = at->gated ? columns / 2 : columns;
        for (size_t j = 0; j < columns; j++) {
            z[j] = parameter(of, at->biases, j) + (at->weights.values ? 0 : h[layer][j]);
            for (size_t i = 0; at->weights.values && i < inputs; i++)
                z[j] += h[layer][i] * parameter(of, at->weights.values, i * columns + j);
            for (size_t k = 0; at->connected && k < layer; k++)
                z[j] += h[k + 1][j];
        }
        double *a = h[layer + 1], mean = 0, variance = 0;
        for (size_t j = 0; j < outputs; j++) {
            a[j] = activation_twin(at->activation, z[j]) *
                   (at->gated ? activation_twin(ACTIVATION_SIGMOID, z[outputs + j]) : 1);
            mean += a[j] / (double)outputs;
        }
        for (size_t j = 0; j < outputs; j++)
            variance += (a[j] - mean) * (a[j] - mean) / (double)outputs;
        for (size_t j = 0; j < outputs; j++) {
            if (at->gain)
                a[j] = parameter(of, at->gain, j) * (a[j] - mean) / sqrt(variance + 1e-5) + parameter(of, at->shift, j);
            if (of->masks && of->stack->dropout[layer] > 0)
                a[j] = of->masks[(layer * ROWS + row) * MOST_WIDTH + j] ? a[j] / (1 - of->stack->dropout[layer]) : 0;
        }
    }
    memcpy(out, h[network->layer_count], layers_outputs(network) * sizeof *out);
}

typedef struct shape {
    const char *name;
    size_t inputs;
    layer_form forms[MOST_LAYERS];
    size_t count;
} shape;

#define FORM(units, kind, ...)                                                                                         \
    {                                                                                                                  \
        .outputs = units, .activation = ACTIVATION_##kind, __VA_ARGS__                                                 \
    }
static const shape shapes[] = {
    {"none", 5, {{0}}, 0},
    {"linear", 5, {FORM(3, IDENTITY)}, 1},
    {"relu", 7, {FORM(6, RELU), FORM(4, IDENTITY)}, 2},
    {"tanh", 4, {FORM(9, TANH), FORM(5, TANH)}, 2},
    {"sigmoid", 4, {FORM(3, SIGMOID)}, 1},
    {"swish", 6, {FORM(8, SWISH), FORM(2, IDENTITY)}, 2},
    {"plain", 6, {FORM(6, TANH, .plain = true), FORM(2, IDENTITY)}, 2},
    {"gated", 6, {FORM(7, IDENTITY, .gated = true), FORM(3, TANH, .gated = true)}, 2},
    {"plain and gated", 6, {FORM(3, TANH, .plain = true, .gated = true), FORM(4, IDENTITY)}, 2},
    {"normal", 5, {FORM(8, SWISH, .normal = true), FORM(4, IDENTITY)}, 2},
    {"gated and normal", 5, {FORM(4, TANH, .gated = true, .normal = true)}, 1},
    {"connected",
     6,
     {FORM(6, SWISH, .plain = true, .normal = true), FORM(6, SWISH, .connected = true, .normal = true),
      FORM(6, SWISH, .connected = true, .normal = true), FORM(3, IDENTITY)},
     4},
    {"dropout",
     6,
     {FORM(8, TANH, .dropout = 0.5), FORM(9, SWISH, .normal = true, .dropout = 0.25), FORM(3, IDENTITY)},
     3},
    {"long", 60, {FORM(61, TANH), FORM(50, RELU), FORM(3, IDENTITY)}, 3},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* A stack with every parameter off its first value, and rows of input. */
typedef struct scene {
    layer_stack *stack;
    layer_workspace *workspace;
    layer_gradients *gradients;
    size_t inputs, outputs, in_stride, out_stride;
    float *input, *out, *d_out, *dx;
    double *values;
    unsigned char *masks;
} scene;

static float number(uint64_t at)
{
    return (float)random_normal(77, RANDOM_DOCTOR, at);
}

static void make_scene(const shape *of, scene *out)
{
    layer_stack *stack;
    assert_int_equal(layer_stack_create(context, of->inputs, of->forms, of->count, 1, &stack), TOPN_OK);
    for (size_t at = 0; at < stack->parameters; at++)
        stack->values[at] += 0.3f * number(at);
    *out = (scene){.stack = stack, .inputs = of->inputs, .outputs = layers_outputs(&stack->layers)};
    out->in_stride = out->inputs + 2; /* rows with something between them */
    out->out_stride = out->outputs + 1;
    assert_int_equal(layer_workspace_create(context, stack, ROWS, &out->workspace), TOPN_OK);
    assert_int_equal(layer_gradients_create(context, stack, &out->gradients), TOPN_OK);
    out->input = calloc(ROWS * out->in_stride, sizeof(float));
    out->dx = calloc(ROWS * out->in_stride, sizeof(float));
    out->out = calloc(ROWS * out->out_stride, sizeof(float));
    out->d_out = calloc(ROWS * out->out_stride, sizeof(float));
    out->values = calloc(stack->parameters + 1, sizeof(double));
    out->masks = calloc((size_t)MOST_LAYERS * ROWS * MOST_WIDTH, 1);
    for (size_t at = 0; at < ROWS * out->in_stride; at++)
        out->input[at] = number(1000000 + at);
    for (size_t at = 0; at < ROWS * out->out_stride; at++)
        out->d_out[at] = number(2000000 + at);
    for (size_t at = 0; at < stack->parameters; at++)
        out->values[at] = (double)stack->values[at];
}

static void clear_scene(scene *of)
{
    layer_workspace_free(of->workspace);
    layer_gradients_free(of->gradients);
    layer_stack_free(of->stack);
    free(of->input);
    free(of->dx);
    free(of->out);
    free(of->d_out);
    free(of->values);
    free(of->masks);
}

/* What dropout keeps, by what it is said to be: words of (seed, stack, layer, example, unit). */
static void put_masks(scene *of, uint64_t first_example)
{
    const layer_stack *stack = of->stack;
    for (size_t layer = 0; layer < stack->layers.layer_count; layer++)
        for (size_t row = 0; row < ROWS; row++)
            for (size_t unit = 0; unit < layers_inputs(&stack->layers, layer + 1); unit++) {
                uint32_t words[4];
                const uint64_t where = (uint64_t)stack->number * 8 + layer;
                random_block(stack->seed, RANDOM_DROPOUT, (first_example + row) << 19 | where << 13 | unit / 4, words);
                of->masks[(layer * ROWS + row) * MOST_WIDTH + unit] =
                    (double)words[unit % 4] / 4294967296.0 >= stack->dropout[layer];
            }
}

static void forward(scene *of, bool training, int threads)
{
    layer_forward(of->stack, of->workspace, ROWS, of->input, of->in_stride, training, 40, threads, of->out,
                  of->out_stride);
}

/* Σ d_out · out of the twin. */
static double twin_loss(const scene *of, bool training, const double *input)
{
    const twin other = {of->stack, of->values, training ? of->masks : NULL};
    double sum = 0, out[MOST_WIDTH];
    for (size_t row = 0; row < ROWS; row++) {
        twin_forward(&other, row, input + row * of->inputs, out);
        for (size_t j = 0; j < of->outputs; j++)
            sum += out[j] * (double)of->d_out[row * of->out_stride + j];
    }
    return sum;
}

static double *input_of(const scene *of)
{
    double *input = calloc(ROWS * of->inputs + 1, sizeof(double));
    for (size_t row = 0; row < ROWS; row++)
        for (size_t at = 0; at < of->inputs; at++)
            input[row * of->inputs + at] = (double)of->input[row * of->in_stride + at];
    return input;
}

static void assert_near(const char *name, const char *what, size_t at, double value, double expected, double scale)
{
    if (!(fabs(value - expected) <= 3e-4 * (fabs(expected) + scale)))
        fail_msg("%s: %s %zu is %.9g, not %.9g", name, what, at, value, expected);
}

static void check_forward(const shape *of, scene *now, bool training)
{
    const twin other = {now->stack, now->values, training ? now->masks : NULL};
    double *input = input_of(now), out[MOST_WIDTH];
    forward(now, training, 2);
    for (size_t row = 0; row < ROWS; row++) {
        twin_forward(&other, row, input + row * now->inputs, out);
        for (size_t j = 0; j < now->outputs; j++)
            assert_near(of->name, "output", row * now->outputs + j, (double)now->out[row * now->out_stride + j], out[j],
                        0.1);
    }
    free(input);
}

/* Symmetric differences with a step of 1e-5 in double: exact to about 1e-9 where the function is smooth. relu's kink
 * is crossed by none of these few. */
static void check_backward(const shape *of, scene *now, bool training)
{
    double *input = input_of(now);
    const double step = 1e-6;
    forward(now, training, 2);
    layer_gradients_begin(now->gradients);
    layer_backward(now->stack, now->workspace, now->d_out, now->out_stride, 2, now->dx, now->in_stride, now->gradients);
    const size_t every = 1 + now->stack->parameters / 100;
    for (size_t at = 0; at < now->stack->parameters; at += every) {
        const double saved = now->values[at];
        now->values[at] = saved + step;
        const double more = twin_loss(now, training, input);
        now->values[at] = saved - step;
        const double less = twin_loss(now, training, input);
        now->values[at] = saved;
        assert_near(of->name, "derivative by parameter", at, (double)now->gradients->values[at],
                    (more - less) / (2 * step), 3);
    }
    for (size_t at = 0; at < ROWS * now->inputs; at += 29) {
        const double saved = input[at];
        input[at] = saved + step;
        const double more = twin_loss(now, training, input);
        input[at] = saved - step;
        const double less = twin_loss(now, training, input);
        input[at] = saved;
        assert_near(of->name, "derivative by input", at,
                    (double)now->dx[at / now->inputs * now->in_stride + at % now->inputs], (more - less) / (2 * step),
                    1);
    }
    free(input);
}

static void test_gradients(void **state)
{
    (void)state;
    for (size_t index = 0; index < SHAPES; index++) {
        scene now;
        make_scene(&shapes[index], &now);
        put_masks(&now, 40);
        for (int training = 0; training < 2; training++) {
            check_forward(&shapes[index], &now, training);
            check_backward(&shapes[index], &now, training);
        }
        clear_scene(&now);
    }
}

/* One example at a time, as models encode, gives what a batch gives. */
static void test_encoding(void **state)
{
    (void)state;
    for (size_t index = 0; index < SHAPES; index++) {
        scene now;
        network_layers copy;
        make_scene(&shapes[index], &now);
        forward(&now, false, 1);
        assert_int_equal(layers_copy(context, &now.stack->layers, &copy), TOPN_OK);
        assert_int_equal(layers_check(context, "layer", &copy), TOPN_OK);
        float *scratch = calloc(layers_scratch(&copy) + 1, sizeof(float)), out[MOST_WIDTH];
        for (size_t row = 0; row < ROWS; row++) {
            layers_forward(&copy, now.input + row * now.in_stride, scratch, out);
            for (size_t j = 0; j < now.outputs; j++)
                assert_near(shapes[index].name, "encoded", j, (double)out[j], (double)now.out[row * now.out_stride + j],
                            0.1);
        }
        copy.normalize = true;
        copy.scale = 3;
        double squares = 0;
        layers_forward(&copy, now.input, scratch, out);
        for (size_t j = 0; j < now.outputs; j++)
            squares += (double)out[j] * (double)out[j];
        assert_near(shapes[index].name, "length", 0, sqrt(squares), 3, 0);
        assert_true(layer_stack_take(now.stack, &copy));
        free(scratch);
        layers_clear(&copy, false);
        clear_scene(&now);
    }
}

static void test_threads(void **state)
{
    (void)state;
    for (size_t index = 0; index < SHAPES; index++) {
        scene now[3];
        for (int threads = 1; threads <= 3; threads++) {
            scene *with = &now[threads - 1];
            make_scene(&shapes[index], with);
            forward(with, true, threads);
            layer_gradients_begin(with->gradients);
            layer_backward(with->stack, with->workspace, with->d_out, with->out_stride, threads, with->dx,
                           with->in_stride, with->gradients);
            const size_t out = ROWS * with->out_stride, in = ROWS * with->in_stride;
            assert_memory_equal(with->out, now[0].out, out * sizeof(float));
            assert_memory_equal(with->dx, now[0].dx, in * sizeof(float));
            assert_memory_equal(with->gradients->values, now[0].gradients->values,
                                with->stack->parameters * sizeof(float));
        }
        for (int threads = 0; threads < 3; threads++)
            clear_scene(&now[threads]);
    }
}

/* Many rows go through in tiles, few of them in parts of the columns: the same but for roundings. */
static void test_many_rows(void **state)
{
    (void)state;
    enum { MANY = 300 };
    for (size_t index = 0; index < SHAPES; index++) {
        scene now;
        make_scene(&shapes[index], &now);
        const size_t in = now.inputs, out = now.outputs, parameters = now.stack->parameters;
        layer_workspace *workspace;
        float *input = calloc(MANY * in, sizeof(float)), *d_out = calloc(MANY * out, sizeof(float)),
              *results = calloc(2 * MANY * out, sizeof(float)), *dx = calloc(2 * MANY * in, sizeof(float)),
              *gradient = calloc(parameters + 1, sizeof(float));
        assert_int_equal(layer_workspace_create(context, now.stack, MANY, &workspace), TOPN_OK);
        for (size_t at = 0; at < MANY * in; at++)
            input[at] = number(at);
        for (size_t at = 0; at < MANY * out; at++)
            d_out[at] = number(5000000 + at);
        for (size_t parts = 1; parts <= 2; parts++) { /* all at once; then both halves */
            float *to = results + (parts - 1) * MANY * out, *dx_to = dx + (parts - 1) * MANY * in;
            layer_gradients_begin(now.gradients);
            for (size_t begin = 0; begin < MANY; begin += MANY / parts) {
                layer_forward(now.stack, workspace, MANY / parts, input + begin * in, in, true, 7 + begin, 2,
                              to + begin * out, out);
                layer_backward(now.stack, workspace, d_out + begin * out, out, 2, dx_to + begin * in, in,
                               now.gradients);
            }
            if (parts == 1)
                memcpy(gradient, now.gradients->values, parameters * sizeof(float));
        }
        for (size_t at = 0; at < MANY * out; at++)
            assert_true(fabsf(results[at] - results[MANY * out + at]) <= 1e-5f * (1 + fabsf(results[at])));
        for (size_t at = 0; at < MANY * in; at++)
            assert_true(fabsf(dx[at] - dx[MANY * in + at]) <= 1e-4f * (1 + fabsf(dx[at])));
        for (size_t at = 0; at < parameters; at++)
            assert_true(fabsf(gradient[at] - now.gradients->values[at]) <= 1e-4f * (1 + fabsf(gradient[at])));
        free(input);
        free(d_out);
        free(results);
        free(dx);
        free(gradient);
        layer_workspace_free(workspace);
        clear_scene(&now);
    }
}

/* Units are kept with probability 1 − p, each on its own, and what is kept is scaled so that the mean stays. */
static void test_dropout(void **state)
{
    (void)state;
    enum { UNITS = 50, EXAMPLES = 20000 };
    const layer_form form = {.outputs = UNITS, .activation = ACTIVATION_IDENTITY, .plain = true, .dropout = 0.3};
    layer_stack *stack;
    layer_workspace *workspace;
    assert_int_equal(layer_stack_create(context, UNITS, &form, 1, 0, &stack), TOPN_OK);
    assert_int_equal(layer_workspace_create(context, stack, EXAMPLES, &workspace), TOPN_OK);
    float *input = calloc((size_t)EXAMPLES * UNITS, sizeof(float)),
          *out = calloc((size_t)EXAMPLES * UNITS, sizeof(float));
    for (size_t at = 0; at < (size_t)EXAMPLES * UNITS; at++)
        input[at] = 1;
    layer_forward(stack, workspace, EXAMPLES, input, UNITS, true, 0, 2, out, UNITS);
    double both = 0, last = 0;
    for (size_t unit = 0; unit < UNITS; unit++) {
        double sum = 0;
        for (size_t row = 0; row < EXAMPLES; row++) {
            const float value = out[row * UNITS + unit];
            assert_true(value == 0.0f || fabsf(value - 1.0f / 0.7f) < 1e-6f);
            sum += (double)value;
            both += value > 0 && out[row * UNITS + (unit + 1) % UNITS] > 0;
            last += row ? value > 0 && out[(row - 1) * UNITS + unit] > 0 : 0;
        }
        assert_near("dropout", "mean of unit", unit, sum / EXAMPLES, 1, 60); /* five standard errors */
    }
    assert_near("dropout", "neighbours both kept", 0, both / EXAMPLES / UNITS, 0.49, 8);
    assert_near("dropout", "two examples both kept", 0, last / EXAMPLES / UNITS, 0.49, 8);
    layer_forward(stack, workspace, EXAMPLES, input, UNITS, false, 0, 2, out, UNITS);
    assert_memory_equal(out, input, (size_t)EXAMPLES * UNITS * sizeof(float));
    layer_workspace_free(workspace);
    layer_stack_free(stack);
    free(input);
    free(out);
}

static void test_first_weights(void **state)
{
    (void)state;
    const layer_form forms[] = {FORM(100, TANH), FORM(120, RELU, .normal = true)};
    const double bounds[] = {sqrt(6.0 / 180), sqrt(6.0 / 100)};
    layer_stack *stack, *other;
    assert_int_equal(layer_stack_create(context, 80, forms, 2, 0, &stack), TOPN_OK);
    assert_int_equal(layer_stack_create(context, 80, forms, 2, 1, &other), TOPN_OK);
    assert_memory_not_equal(stack->values, other->values, stack->parameters * sizeof(float));
    for (size_t layer = 0; layer < 2; layer++) {
        const dense_layer *at = &stack->layers.layers[layer];
        const size_t count = at->weights.rows * at->weights.columns;
        double most = 0, sum = 0;
        for (size_t place = 0; place < count; place++) {
            most = fmax(most, fabs((double)at->weights.values[place]));
            sum += (double)at->weights.values[place];
        }
        assert_true(most <= bounds[layer] && most > 0.99 * bounds[layer]);
        assert_true(fabs(sum / (double)count) < 0.05 * bounds[layer]);
        for (size_t unit = 0; unit < at->weights.columns; unit++)
            assert_true(at->biases[unit] == 0.0f && (!at->gain || (at->gain[unit] == 1.0f && at->shift[unit] == 0.0f)));
    }
    layer_stack_free(stack);
    layer_stack_free(other);
}

static void test_normalize(void **state)
{
    (void)state;
    enum { COUNT = 9, WIDTH = 7, STRIDE = 8 };
    float rows[COUNT * STRIDE], d[COUNT * STRIDE], lengths[COUNT];
    double before[COUNT * STRIDE], weights[COUNT * STRIDE];
    for (size_t at = 0; at < COUNT * STRIDE; at++) {
        rows[at] = at / STRIDE == 4 ? 0.0f : 3 * number(at);
        d[at] = number(500 + at);
        before[at] = (double)rows[at];
        weights[at] = (double)d[at];
    }
    rows_normalize(COUNT, WIDTH, rows, STRIDE, lengths);
    rows_normalize_backward(COUNT, WIDTH, rows, STRIDE, lengths, d, STRIDE);
    for (size_t row = 0; row < COUNT; row++) {
        double losses[2];
        for (size_t column = 0; row != 4 && column < WIDTH; column++) {
            for (int side = 0; side < 2; side++) {
                double squares = 0, along = 0;
                for (size_t at = 0; at < WIDTH; at++) {
                    const double x = before[row * STRIDE + at] + (at == column ? (side ? -1e-6 : 1e-6) : 0);
                    squares += x * x;
                    along += x * weights[row * STRIDE + at];
                }
                losses[side] = along / sqrt(squares);
            }
            assert_near("normalize", "derivative", column, (double)d[row * STRIDE + column],
                        (losses[0] - losses[1]) / 2e-6, 0.3);
        }
        for (size_t at = 0; row == 4 && at < WIDTH; at++)
            assert_true(rows[row * STRIDE + at] == 0.0f && d[row * STRIDE + at] == 0.0f);
        assert_true(rows[row * STRIDE + WIDTH] == (float)before[row * STRIDE + WIDTH]); /* between rows */
    }
}

static void test_sizes(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0", "a", "12,", ",3", "5,,6", "-3", "1 ", "100000", "1,1,1,1,1,1,1,1"};
    layer_form forms[MOST_LAYERS];
    size_t count = 0;
    assert_int_equal(layer_forms_read(context, "user-layers", "", ACTIVATION_RELU, 0, forms, &count), TOPN_OK);
    assert_int_equal(layer_forms_read(context, "user-layers", NULL, ACTIVATION_RELU, 0, forms, &count), TOPN_OK);
    assert_int_equal(count, 0);
    assert_int_equal(layer_forms_read(context, "user-layers", "256,128", ACTIVATION_TANH, 0.5, forms, &count), TOPN_OK);
    assert_int_equal(count, 2);
    assert_true(forms[0].outputs == 256 && forms[1].outputs == 128 && forms[1].dropout == 0.5);
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        count = 0;
        assert_int_equal(layer_forms_read(context, "user-layers", wrong[at], ACTIVATION_TANH, 0.5, forms, &count),
                         TOPN_ERROR_OPTION);
        assert_non_null(strstr(topn_context_message(context), wrong[at]));
        assert_non_null(strstr(topn_context_message(context), "--user-layers"));
    }
}

/* Steps as of one long row of parameters; λ on weights alone; a gradient is clipped over all of them. */
static void test_step(void **state)
{
    (void)state;
    const optimizer *adam = optimizer_find("adam"), *sgd = optimizer_find("sgd");
    const optimizer_setting setting = {.rate = 0.1, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .step = 1};
    state_array arrays[1 + OPTIMIZER_ARRAYS];
    scene now;
    make_scene(&shapes[9], &now);
    assert_int_equal(layer_stack_create_state(context, adam, now.stack), TOPN_OK);
    assert_int_equal(layer_stack_arrays(now.stack, "user-layers", adam, arrays), 3);
    assert_ptr_equal(arrays[0].values, now.stack->values);
    assert_string_equal(arrays[0].name, "user-layers");
    assert_true(strlen(arrays[1].name) > strlen("user-layers.") && arrays[2].values == now.stack->state[1]);
    for (size_t at = 0; at < now.stack->parameters; at++)
        now.gradients->values[at] = at % 2 ? -1e-3f : 2e-2f;
    layer_stack_step(now.stack, now.gradients, adam, &setting, 0, 0, 2);
    for (size_t at = 0; at < now.stack->parameters; at++) /* Adam's first step is of the rate's length */
        assert_near("adam", "step", at, (double)now.stack->values[at], now.values[at] + (at % 2 ? 0.1 : -0.1), 1);
    double squares = 0;
    for (size_t at = 0; at < now.stack->parameters; at++) {
        now.values[at] = (double)now.stack->values[at];
        now.gradients->values[at] = number(at);
        squares += (double)now.gradients->values[at] * (double)now.gradients->values[at];
    }
    float *before = calloc(now.stack->parameters, sizeof(float));
    memcpy(before, now.gradients->values, now.stack->parameters * sizeof(float));
    layer_stack_step(now.stack, now.gradients, sgd, &setting, 0, 2, 1);
    for (size_t at = 0; at < now.stack->parameters; at++)
        assert_near("clip", "step", at, (double)now.stack->values[at],
                    now.values[at] - 0.1 * 2 / sqrt(squares) * (double)before[at], 0.01);
    layer_gradients_begin(now.gradients);
    memcpy(before, now.stack->values, now.stack->parameters * sizeof(float));
    layer_stack_step(now.stack, now.gradients, sgd, &setting, 0.5, 0, 1);
    for (size_t at = 0; at < now.stack->parameters; at++) {
        const dense_layer *layers = now.stack->layers.layers;
        bool weight = false;
        for (size_t layer = 0; layer < 2; layer++) {
            const float *w = layers[layer].weights.values;
            weight |= now.stack->values + at >= w &&
                      now.stack->values + at < w + layers[layer].weights.rows * layers[layer].weights.columns;
        }
        assert_near("l2", "step", at, (double)now.stack->values[at], (weight ? 0.95 : 1) * (double)before[at], 1e-3);
    }
    free(before);
    clear_scene(&now);
}

static void test_no_memory(void **state)
{
    (void)state;
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        layer_stack *stack = NULL;
        layer_workspace *workspace = NULL;
        layer_gradients *gradients = NULL;
        memory_fail_after(at);
        topn_status status = layer_stack_create(context, 6, shapes[12].forms, 3, 0, &stack);
        if (status == TOPN_OK)
            status = layer_stack_create_state(context, optimizer_find("adam"), stack);
        if (status == TOPN_OK)
            status = layer_workspace_create(context, stack, 10, &workspace);
        if (status == TOPN_OK)
            status = layer_gradients_create(context, stack, &gradients);
        memory_fail_after(0);
        done = status == TOPN_OK;
        assert_true(done || status == TOPN_ERROR_MEMORY);
        layer_gradients_free(gradients);
        layer_workspace_free(workspace);
        layer_stack_free(stack);
    }
}

static int setup(void **state)
{
    (void)state;
    return topn_context_create(&context) == TOPN_OK ? 0 : -1;
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
        cmocka_unit_test(test_gradients), cmocka_unit_test(test_encoding),      cmocka_unit_test(test_threads),
        cmocka_unit_test(test_many_rows), cmocka_unit_test(test_dropout),       cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_sizes),     cmocka_unit_test(test_first_weights), cmocka_unit_test(test_step),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("layers", tests, setup, teardown);
}
