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
