/* SPDX-License-Identifier: Apache-2.0 */
#include "split/protocol.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/folder.h"
#include "base/json_text.h"
#include "base/memory.h"

static topn_status check_test(topn_context *context, const protocol *chosen, const topn_data *test)
{
    if (chosen->needs_test && !test)
        return fail(context, TOPN_ERROR_ARGUMENT, "protocol %s takes given test events, and there are none",
                    chosen->name);
    if (!chosen->needs_test && test)
        return fail(context, TOPN_ERROR_ARGUMENT,
                    "protocol %s chooses the test events itself; given ones belong to protocol fixed", chosen->name);
    return TOPN_OK;
}

topn_status topn_data_split(topn_context *context, const topn_data *data, const topn_data *test,
                            const topn_options *options, topn_split **out)
{
    topn_status status;
    topn_split *split = NULL;
    if (out)
        *out = NULL;
    if (!context || !data || !options || !out || options_kind(options) != TOPN_KIND_SPLIT)
        return fail(context, TOPN_ERROR_ARGUMENT,
                    "topn_data_split takes a context, data and the options of a protocol");
    const protocol *chosen = protocol_find(options_owner(options));
    const void *params = chosen ? options_params(options, chosen->options) : NULL;
    if (!params)
        return fail(context, TOPN_ERROR_ARGUMENT, "there is no protocol \"%s\"", options_owner(options));
    TRY(check_test(context, chosen, test));
    TRY(data_require_events(context, data, "to split"));
    TRY(ALLOCATE_ZEROED(context, 1, &split));
    TRY(record_set(context, &split->description, "format", "topn split"));
    TRY(record_set(context, &split->description, "format-version", "1"));
    TRY(record_set(context, &split->description, "topn-version", "%s", topn_version()));
    TRY(record_set(context, &split->description, "protocol", "%s", chosen->name));
    TRY(record_set(context, &split->description, "seed", "%" PRIu64, context->seed));
    TRY(record_set_options(context, &split->description, "option.", options));
    TRY(chosen->split(context, data, test, params, split));
    *out = split;
    split = NULL;
done:
    topn_split_free(split);
    return status;
}

const topn_data *topn_split_part(const topn_split *split, topn_part part)
{
    return split && (unsigned)part < TOPN_PART_COUNT ? split->parts[part] : NULL;
}

static topn_status write_description(topn_context *context, const topn_split *split, const char *path)
{
    topn_status status;
    file_writer *writer = NULL;
    TRY(file_create(context, path, &writer));
    TRY(json_write_record(writer, &split->description));
    status = file_commit(writer);
    writer = NULL;
done:
    file_abandon(writer);
    return status;
}

topn_status topn_split_save(topn_context *context, const topn_split *split, const char *folder)
{
    static const char *const files[] = {"train.tsv",     "validation-seen.tsv", "validation-hidden.tsv",
                                        "test-seen.tsv", "test-hidden.tsv",     "split.json"};
    topn_status status;
    folder_writer *writer = NULL;
    const char *path;
    if (!context || !split || !folder || !*folder)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_split_save takes a context, a split and the path of a folder");
    TRY(folder_create(context, folder, files, sizeof files / sizeof *files, files[TOPN_PART_COUNT], &writer));
    for (int part = 0; part < TOPN_PART_COUNT; part++) {
        if (!split->parts[part])
            continue;
        TRY(folder_file(writer, files[part], &path));
        TRY(topn_data_write_text(context, split->parts[part], path));
    }
    TRY(folder_file(writer, files[TOPN_PART_COUNT], &path));
    TRY(write_description(context, split, path));
    status = folder_commit(writer);
    writer = NULL;
done:
    folder_abandon(writer);
    return status;
}

void topn_split_free(topn_split *split)
{
    if (!split)
        return;
    for (int part = 0; part < TOPN_PART_COUNT; part++)
        topn_data_free(split->parts[part]);
    record_clear(&split->description);
    free(split);
}
