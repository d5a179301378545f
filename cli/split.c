/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "preset.h"
#include "session.h"
#include "text.h"

static const own_option own_options[] = {
    {"protocol", 0, "NAME", "strong",
     "how events are split: strong, weak, leave-last-out, temporal, cold-items, fixed"},
    {"test", 0, "FILE", "", "given test events, for protocol fixed"},
    {"output", 'o', "DIR", "", "folder to write (required); it appears whole or not at all"},
    {"output-format", 0, "table|json|csv", "table", "how the counts are printed"},
    PRESET_OPTIONS,
    {"expect-split", 0, "USERS,ITEMS,EVENTS", "",
     "the same once events on items without a training event are dropped: fail unless so many are left"},
};

/* Users of the data, items of the training part, events of the data on these. */
static data_counts count_split(const topn_data *data, const topn_split *split)
{
    const topn_data *train = topn_split_part(split, TOPN_PART_TRAIN);
    data_counts counts = {topn_data_users(data), topn_data_items(train), 0};
    bool *known = need_memory(topn_data_items(data), sizeof *known);
    uint32_t found;
    for (uint32_t item = 0; item < topn_data_items(data); item++)
        known[item] = topn_data_find_item(train, topn_data_item_id(data, item), &found);
    for (uint32_t user = 0; user < topn_data_users(data); user++) {
        const uint32_t *items;
        const size_t length = topn_data_history(data, user, &items, NULL);
        for (size_t at = 0; at < length; at++)
            counts.events += known[items[at]];
    }
    free(known);
    return counts;
}

static void print_counts(const topn_split *split, output_format format)
{
    static const char *const headings[] = {"part", "users", "items", "events", "fingerprint"};
    table *grid = table_create(headings, "lrrrl");
    for (topn_part part = 0; part < TOPN_PART_COUNT; part++) {
        const topn_data *data = topn_split_part(split, part);
        if (!data)
            continue;
        table_text(grid, topn_part_name(part));
        table_cell(grid, "%" PRIu32, topn_data_users(data));
        table_cell(grid, "%" PRIu32, topn_data_items(data));
        table_cell(grid, "%" PRIu64, topn_data_events(data));
        table_text(grid, topn_data_fingerprint(data));
    }
    table_finish(grid, format);
}

static void print_json(const topn_split *split)
{
    json_t *object = json_object();
    for (topn_part part = 0; part < TOPN_PART_COUNT; part++) {
        const topn_data *data = topn_split_part(split, part);
        if (data)
            json_object_set_new(object, topn_part_name(part),
                                json_pack("{s:I, s:I, s:I, s:s}", "users", (json_int_t)topn_data_users(data), "items",
                                          (json_int_t)topn_data_items(data), "events",
                                          (json_int_t)topn_data_events(data), "fingerprint",
                                          topn_data_fingerprint(data)));
    }
    json_print(object, true);
}

static int run(struct session *session)
{
    topn_data *data = NULL, *test = NULL;
    topn_split *split = NULL;
    const char *output, *path = session_operand(session, 0);
    int code;
    STEP(session_apply(session, NULL));
    const char *format = session_value(session, "output-format"), *test_path = session_value(session, "test");
    const char *protocol = session_value(session, "protocol");
    const bool fixed = strcmp(protocol, "fixed") == 0;
    STEP(session_required(session, "output", &output));
    if (!output_format_parse(format, &session->format))
        STEP(complain(CODE_USAGE, "option --output-format: \"%s\" is not table, json or csv", format));
    if (fixed && !test_path)
        STEP(complain(CODE_USAGE, "protocol fixed needs --test FILE, the given test events"));
    if (!fixed && test_path)
        STEP(complain(CODE_USAGE, "option --test is for protocol fixed, not for %s", protocol));
    STEP(session_read(session, path, NULL, &data));
    STEP(preset_expect(session, "expect", path, "after the filters", preset_counts(data)));
    if (test_path)
        STEP(session_read(session, test_path, NULL, &test));
    STEP(session_check(session,
                       topn_data_split(session->context, data, test, session->options[TOPN_KIND_SPLIT], &split)));
    if (session_value(session, "expect-split"))
        STEP(preset_expect(session, "expect-split", path, "on items of the training part", count_split(data, split)));
    STEP(session_check(session, topn_split_save(session->context, split, output)));
    if (session->format == OUTPUT_JSON)
        print_json(split);
    else
        print_counts(split, session->format);
done:
    topn_split_free(split);
    topn_data_free(test);
    topn_data_free(data);
    return code;
}

const struct command command_split = {
    .name = "split",
    .summary = "part events into training, validation and test",
    .usage = "DATA -o DIR [--preset NAME] [--protocol NAME] [protocol and reader options]",
    .description = "Splits events by a protocol and writes train.tsv, validation-seen.tsv, validation-hidden.tsv, "
                   "test-seen.tsv and test-hidden.tsv, which any program can read, and split.json, which says how they "
                   "were made. The same --seed gives the same files.",
    .example = "topn split ratings.csv --protocol strong --test-users 1000 --seed 7 -o split\n"
               "topn split ml-20m/ratings.csv --preset ml20m -o split\n"
               "topn split train.txt --protocol fixed --test test.txt -o split",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_READER) | KIND_BIT(TOPN_KIND_SPLIT),
    .selector = "protocol",
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
