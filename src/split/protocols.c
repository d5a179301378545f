/* SPDX-License-Identifier: Apache-2.0 */
#include "split/protocol.h"

#include "base/registry.h"

#define PROTOCOL(identifier) extern const protocol protocol_##identifier;
#include "split/protocols.def"
#undef PROTOCOL

static const protocol *const protocols[] = {
#define PROTOCOL(identifier) &protocol_##identifier,
#include "split/protocols.def"
#undef PROTOCOL
};

REGISTRY_ACCESS(protocol, protocol, protocols)

static const char *const part_names[TOPN_PART_COUNT] = {"train", "validation-seen", "validation-hidden", "test-seen",
                                                        "test-hidden"};

const char *topn_part_name(topn_part part)
{
    return (unsigned)part < TOPN_PART_COUNT ? part_names[part] : NULL;
}
