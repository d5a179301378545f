/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/format.h"

#include "base/registry.h"

#define FORMAT(identifier) extern const format format_##identifier;
#include "ingest/formats.def"
#undef FORMAT

static const format *const formats[] = {
#define FORMAT(identifier) &format_##identifier,
#include "ingest/formats.def"
#undef FORMAT
};

REGISTRY_ACCESS(format, format, formats)
