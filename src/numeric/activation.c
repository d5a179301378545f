/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/activation.h"

#include <math.h>
#include <string.h>

const char *const activation_names[ACTIVATIONS + 1] = {"identity", "relu", "tanh", "sigmoid", "swish", NULL};

float sigmoid(float z)
{
    return 1.0f / (1.0f + expf(-z)); /* e^−z may be infinite: 0 then */
}

void activate(activation_kind kind, size_t count, const float *z, float *out)
{
    switch (kind) {
    case ACTIVATION_RELU:
        for (size_t at = 0; at < count; at++)
            out[at] = z[at] > 0.0f ? z[at] : 0.0f;
        break;
    case ACTIVATION_TANH:
        for (size_t at = 0; at < count; at++)
            out[at] = tanhf(z[at]);
        break;
    case ACTIVATION_SIGMOID:
        for (size_t at = 0; at < count; at++)
            out[at] = sigmoid(z[at]);
        break;
    case ACTIVATION_SWISH:
        for (size_t at = 0; at < count; at++)
            out[at] = z[at] * sigmoid(z[at]);
        break;
    case ACTIVATION_IDENTITY:
    case ACTIVATIONS:
        if (out != z && count)
            memcpy(out, z, count * sizeof *z);
        break;
    }
}

void activation_backward(activation_kind kind, size_t count, const float *z, float *d)
{
    switch (kind) {
    case ACTIVATION_RELU:
        for (size_t at = 0; at < count; at++)
            d[at] = z[at] > 0.0f ? d[at] : 0.0f;
        break;
    case ACTIVATION_TANH:
        for (size_t at = 0; at < count; at++) {
            const float a = tanhf(z[at]);
            d[at] *= 1.0f - a * a;
        }
        break;
    case ACTIVATION_SIGMOID:
        for (size_t at = 0; at < count; at++) {
            const float a = sigmoid(z[at]);
            d[at] *= a * (1.0f - a);
        }
        break;
    case ACTIVATION_SWISH:
        for (size_t at = 0; at < count; at++) {
            const float a = sigmoid(z[at]);
            d[at] *= a * (1.0f + z[at] * (1.0f - a));
        }
        break;
    case ACTIVATION_IDENTITY:
    case ACTIVATIONS:
        break;
    }
}
