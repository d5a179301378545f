/* SPDX-License-Identifier: Apache-2.0 */
#include "train/method.h"

#include <string.h>

#define METHOD(identifier) extern const method method_##identifier;
#include "train/methods.def"
#undef METHOD

static const method *const methods[] = {
#define METHOD(identifier) &method_##identifier,
#include "train/methods.def"
#undef METHOD
};

const method *method_at(size_t index)
{
    return index < sizeof methods / sizeof *methods ? methods[index] : NULL;
}

const method *method_find(const char *name)
{
    for (size_t index = 0; method_at(index); index++)
        if (strcmp(methods[index]->name, name) == 0)
            return methods[index];
    return NULL;
}
