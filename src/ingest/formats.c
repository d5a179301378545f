/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/format.h"

#include <string.h>

#define FORMAT(identifier) extern const format format_##identifier;
#include "ingest/formats.def"
#undef FORMAT

static const format *const formats[] = {
#define FORMAT(identifier) &format_##identifier,
#include "ingest/formats.def"
#undef FORMAT
};

const format *format_at(size_t index)
{
    return index < sizeof formats / sizeof *formats ? formats[index] : NULL;
}

const format *format_find(const char *name)
{
    for (size_t index = 0; format_at(index); index++)
        if (strcmp(formats[index]->name, name) == 0)
            return formats[index];
    return NULL;
}
