/* SPDX-License-Identifier: Apache-2.0 */
#include "split/protocol.h"

#include <string.h>

#define PROTOCOL(identifier) extern const protocol protocol_##identifier;
#include "split/protocols.def"
#undef PROTOCOL

static const protocol *const protocols[] = {
#define PROTOCOL(identifier) &protocol_##identifier,
#include "split/protocols.def"
#undef PROTOCOL
};

const protocol *protocol_at(size_t index)
{
    return index < sizeof protocols / sizeof *protocols ? protocols[index] : NULL;
}

const protocol *protocol_find(const char *name)
{
    for (size_t index = 0; protocol_at(index); index++)
        if (strcmp(protocols[index]->name, name) == 0)
            return protocols[index];
    return NULL;
}

static const char *const part_names[TOPN_PART_COUNT] = {"train", "validation-seen", "validation-hidden", "test-seen",
                                                        "test-hidden"};

const char *topn_part_name(topn_part part)
{
    return (unsigned)part < TOPN_PART_COUNT ? part_names[part] : NULL;
}
