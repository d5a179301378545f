/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/activation.h"

#include <string.h>

#include "base/vector.h"
#include "numeric/exponential.h"

const char *const activation_names[ACTIVATIONS + 1] = {"identity", "relu", "tanh", "sigmoid", "swish", NULL};

VECTOR_CLONES
static void put_relu(size_t count, const float *z, float *out)
{
    for (size_t at = 0; at < count; at++)
        out[at] = z[at] > 0.0f ? z[at] : 0.0f;
}

VECTOR_CLONES
static void put_tanh(size_t count, const float *z, float *out)
{
    for (size_t at = 0; at < count; at++)
        out[at] = hyperbolic_tangent(z[at]);
}

VECTOR_CLONES
static void put_sigmoid(size_t count, const float *z, float *out)
{
    for (size_t at = 0; at < count; at++)
        out[at] = logistic(z[at]);
}

VECTOR_CLONES
static void put_swish(size_t count, const float *z, float *out)
{
    for (size_t at = 0; at < count; at++)
        out[at] = z[at] * logistic(z[at]);
}

void activate(activation_kind kind, size_t count, const float *z, float *out)
{
    switch (kind) {
    case ACTIVATION_RELU:
        put_relu(count, z, out);
        break;
    case ACTIVATION_TANH:
        put_tanh(count, z, out);
        break;
    case ACTIVATION_SIGMOID:
        put_sigmoid(count, z, out);
        break;
    case ACTIVATION_SWISH:
        put_swish(count, z, out);
        break;
    case ACTIVATION_IDENTITY:
    case ACTIVATIONS:
        if (out != z && count)
            memcpy(out, z, count * sizeof *z);
        break;
    }
}

VECTOR_CLONES
static void pull_relu(size_t count, const float *restrict z, float *restrict d)
{
    for (size_t at = 0; at < count; at++)
        d[at] = z[at] > 0.0f ? d[at] : 0.0f;
}

VECTOR_CLONES
static void pull_tanh(size_t count, const float *restrict z, float *restrict d)
{
    for (size_t at = 0; at < count; at++) {
        const float a = hyperbolic_tangent(z[at]);
        d[at] *= 1.0f - a * a;
    }
}

VECTOR_CLONES
static void pull_sigmoid(size_t count, const float *restrict z, float *restrict d)
{
    for (size_t at = 0; at < count; at++) {
        const float a = logistic(z[at]);
        d[at] *= a * (1.0f - a);
    }
}

VECTOR_CLONES
static void pull_swish(size_t count, const float *restrict z, float *restrict d)
{
    for (size_t at = 0; at < count; at++) {
        const float a = logistic(z[at]);
        d[at] *= a * (1.0f + z[at] * (1.0f - a));
    }
}

void activation_backward(activation_kind kind, size_t count, const float *z, float *d)
{
    switch (kind) {
    case ACTIVATION_RELU:
        pull_relu(count, z, d);
        break;
    case ACTIVATION_TANH:
        pull_tanh(count, z, d);
        break;
    case ACTIVATION_SIGMOID:
        pull_sigmoid(count, z, d);
        break;
    case ACTIVATION_SWISH:
        pull_swish(count, z, d);
        break;
    case ACTIVATION_IDENTITY:
    case ACTIVATIONS:
        break;
    }
}

VECTOR_CLONES
void gate(size_t count, const float *restrict z, float *restrict h)
{
    for (size_t at = 0; at < count; at++)
        h[at] *= logistic(z[at]);
}

/* Of gates whose other halves are `open`; d becomes the derivatives by these. */
VECTOR_CLONES
static void pull_gates(size_t count, const float *restrict open, float *restrict z, float *restrict d)
{
    for (size_t at = 0; at < count; at++) {
        const float a = logistic(z[at]);
        z[at] = d[at] * open[at] * a * (1.0f - a);
        d[at] *= a;
    }
}

void gate_backward(activation_kind kind, size_t count, float *z, float *d)
{
    enum { PIECE = 256 };
    float open[PIECE];
    for (size_t begin = 0; begin < count; begin += PIECE) {
        const size_t length = count - begin < PIECE ? count - begin : PIECE;
        activate(kind, length, z + begin, open);
        pull_gates(length, open, z + count + begin, d + begin);
        activation_backward(kind, length, z + begin, d + begin);
        memcpy(z + begin, d + begin, length * sizeof *z);
    }
}
