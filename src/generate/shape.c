/* SPDX-License-Identifier: Apache-2.0 */
#include "generate/shape.h"

static const shape shapes[] = {
#define SHAPE(name, ...) {#name, __VA_ARGS__},
#include "generate/shapes.def"
#undef SHAPE
};

const shape *shape_at(size_t index)
{
    return index < sizeof shapes / sizeof *shapes ? &shapes[index] : NULL;
}
