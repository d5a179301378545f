/* SPDX-License-Identifier: Apache-2.0
 *
 * The registries of all rooms behind one pair of functions.
 */
#include <string.h>

#include "base/option_table.h"
#include "evaluate/evaluation.h"
#include "evaluate/metric.h"
#include "generate/generator.h"
#include "ingest/format.h"
#include "model/exporter.h"
#include "retrieve/retriever.h"
#include "split/protocol.h"
#include "train/method.h"

/* An entry with the option table that it owns or shares. */
typedef struct registered {
    topn_entry entry;
    const option_table *options;
} registered;

static bool single(size_t index, const char *name, const char *summary, const option_table *options, registered *out)
{
    *out = (registered){{name, summary, ""}, options};
    return index == 0;
}

static bool at_method(size_t index, registered *out)
{
    const method *found = method_at(index);
    if (found)
        *out = (registered){{found->name, found->summary, found->paper}, found->options};
    return found;
}

static bool at_format(size_t index, registered *out)
{
    const format *found = format_at(index);
    if (found)
        *out = (registered){{found->name, found->summary, ""}, &reader_option_table};
    return found;
}

static bool at_protocol(size_t index, registered *out)
{
    const protocol *found = protocol_at(index);
    if (found)
        *out = (registered){{found->name, found->summary, found->paper}, found->options};
    return found;
}

static bool at_metric(size_t index, registered *out)
{
    const metric *found = metric_at(index);
    if (found)
        *out = (registered){{found->name, found->summary, found->paper}, &evaluation_option_table};
    return found;
}

static bool at_retriever(size_t index, registered *out)
{
    const retriever_kind *found = retriever_at(index);
    if (found)
        *out = (registered){{found->name, found->summary, found->paper}, found->options};
    return found;
}

static bool at_exporter(size_t index, registered *out)
{
    const exporter *found = exporter_at(index);
    if (found)
        *out = (registered){{found->name, found->summary, ""}, found->options};
    return found;
}

static bool entry_at(topn_kind kind, size_t index, registered *out)
{
    switch (kind) {
    case TOPN_KIND_CONTEXT:
        return single(index, "context", "threads, seed and memory of every command", &context_option_table, out);
    case TOPN_KIND_READER:
        return single(index, "reader", "format, columns and filters of input files", &reader_option_table, out);
    case TOPN_KIND_FORMAT:
        return at_format(index, out);
    case TOPN_KIND_SPLIT:
        return at_protocol(index, out);
    case TOPN_KIND_METHOD:
        return at_method(index, out);
    case TOPN_KIND_RETRIEVER:
        return at_retriever(index, out);
    case TOPN_KIND_METRIC:
        return at_metric(index, out);
    case TOPN_KIND_EVALUATION:
        return single(index, "evaluation", "metrics and confidence intervals", &evaluation_option_table, out);
    case TOPN_KIND_EXPORT:
        return at_exporter(index, out);
    case TOPN_KIND_GENERATOR:
        return single(index, "generator", "shape and size of made data", &generator_option_table, out);
    case TOPN_KIND_COUNT:
        break;
    }
    return false;
}

size_t topn_registry_count(topn_kind kind)
{
    registered found;
    size_t count = 0;
    while (entry_at(kind, count, &found))
        count++;
    return count;
}

bool topn_registry_entry(topn_kind kind, size_t index, topn_entry *out)
{
    registered found;
    if (!out || !entry_at(kind, index, &found))
        return false;
    *out = found.entry;
    return true;
}

static const char *entry_name(size_t index, const void *kind)
{
    registered found;
    return entry_at(*(const topn_kind *)kind, index, &found) ? found.entry.name : NULL;
}

topn_status topn_options_create(topn_context *context, topn_kind kind, const char *name, topn_options **out)
{
    static const char *const kinds[TOPN_KIND_COUNT] = {"context",       "reader",    "format", "split protocol",
                                                       "method",        "retriever", "metric", "evaluation",
                                                       "export format", "generator"};
    if (!out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_options_create needs a place for its result");
    *out = NULL;
    if (!name || (unsigned)kind >= TOPN_KIND_COUNT)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_options_create needs a kind and a name");
    registered found;
    for (size_t index = 0; entry_at(kind, index, &found); index++)
        if (strcmp(found.entry.name, name) == 0)
            return options_new(context, kind, found.entry.name, found.options, out);
    const char *near = nearest_name(name, entry_name, &kind);
    return fail(context, TOPN_ERROR_NOT_FOUND, "there is no %s \"%s\"%s%s%s", kinds[kind], name,
                near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}
