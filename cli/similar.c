/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "ids.h"
#include "item_filter.h"
#include "item_text.h"
#include "text.h"

static const own_option own_options[] = {
    {"item", 0, "ID", "", "the item whose neighbours are wanted"},
    {"title", 0, "TEXT", "", "the same by its title, or a part of it that no other title has"},
    {"number", 'n', "N", "10", "items to print"},
    ITEM_FILTER_OPTIONS,
    {"retriever", 0, "KIND", "exact",
     "exact, or the kind of an index that the model has (`topn index`): faster, and says how close it comes"},
};

static void print_json(const topn_model *model, uint32_t item, const uint32_t *items, const float *scores, size_t count)
{
    json_t *object = json_object(), *list = json_array();
    for (size_t r = 0; r < count; r++) {
        json_t *entry = item_json(model, items[r], "score", (double)scores[r]);
        json_object_set_new(entry, "rank", json_integer((json_int_t)r + 1));
        json_array_append_new(list, entry);
    }
    json_object_set_new(object, "item", text_json(topn_model_item_id(model, item)));
    if (*item_title(model, item))
        json_object_set_new(object, "title", text_json(item_title(model, item)));
    json_object_set_new(object, "items", list);
    json_print(object, true);
}

static void print_table(const topn_model *model, uint32_t item, const uint32_t *items, const float *scores,
                        size_t count, output_format format)
{
    static const char *const titled_headings[] = {"rank", "item", "title", "score"};
    static const char *const headings[] = {"rank", "item", "score"};
    const bool titled = items_titled(model);
    char number[32];
    if (format == OUTPUT_TABLE) {
        fputs("similar to ", stdout);
        text_print(stdout, item_label(model, item));
        putchar('\n');
    }
    table *grid = table_create(titled ? titled_headings : headings, titled ? "rllr" : "rlr");
    for (size_t r = 0; r < count; r++) {
        table_cell(grid, "%zu", r + 1);
        table_text(grid, topn_model_item_id(model, items[r]));
        if (titled)
            table_text(grid, item_title(model, items[r]));
        table_text(grid, score_text(scores[r], format, number));
    }
    table_finish(grid, format);
}

/* Neighbours are what a history of the item alone is recommended, of the items that may appear. */
static topn_status find_similar(const answerer *with, const struct item_filter *filter, uint32_t item, size_t n,
                                uint32_t *items, float *scores, size_t *found)
{
    topn_request request = {.history = &item, .history_length = 1};
    if (!filter->filter)
        return topn_similar(with->query, item, n, items, scores, found);
    item_filter_apply(filter, &request);
    const topn_status status = topn_similar(with->query, item, 0, NULL, NULL, found); /* whether the model knows any */
    return status != TOPN_OK ? status : topn_recommend(with->query, &request, n, items, scores, found);
}

static int run(struct session *session)
{
    answerer with = {0};
    struct item_filter filter = {0};
    uint32_t item, *items = NULL;
    float *scores = NULL;
    size_t n, found;
    int code;
    STEP(session_apply(session, NULL));
    STEP(session_count(session, "number", 1, 10000000, &n));
    STEP(session_open(session, session_operand(session, 0), &with));
    STEP(ids_find_item(with.model, session_value(session, "item"), session_value(session, "title"), &item));
    n = n < topn_model_items(with.model) ? n : topn_model_items(with.model);
    items = need_memory(n, sizeof *items);
    scores = need_memory(n, sizeof *scores);
    STEP(item_filter_find(session, with.model, &filter));
    STEP(session_check(session, find_similar(&with, &filter, item, n, items, scores, &found)));
    if (session->format == OUTPUT_JSON)
        print_json(with.model, item, items, scores, found);
    else
        print_table(with.model, item, items, scores, found, session->format);
done:
    item_filter_clear(&filter);
    free(scores);
    free(items);
    answerer_clear(&with);
    return code;
}

const struct command command_similar = {
    .name = "similar",
    .summary = "the items most like an item",
    .usage = "MODEL --item ID [-n N]\nMODEL --title TEXT [-n N]",
    .description = "Prints the items that a history of this one item scores highest.",
    .example = "topn similar films.safetensors --title \"the matrix\"",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_RETRIEVER),
    .selector = "retriever",
    .results = true,
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
