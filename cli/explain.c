/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "ids.h"
#include "item_text.h"
#include "text.h"

static const own_option own_options[] = {
    PERSON_OPTIONS,
    {"item", 0, "ID", "", "the item whose score is taken apart"},
    {"title", 0, "TEXT", "", "the same by its title, or a part of it that no other title has"},
};

typedef struct share {
    uint32_t item;
    float value;
} share;

static int by_size(const void *left, const void *right)
{
    const share *a = left, *b = right;
    const float x = fabsf(a->value), y = fabsf(b->value);
    if (x != y)
        return x > y ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

static void print_json(const topn_model *model, const char *user, uint32_t item, const share *shares, size_t count,
                       float bias, float score)
{
    json_t *object = item_json(model, item, "score", (double)score), *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, item_json(model, shares[i].item, "contribution", (double)shares[i].value));
    json_object_set_new(object, "user", text_json(user));
    json_object_set_new(object, "bias", score_json(bias));
    json_object_set_new(object, "contributions", list);
    json_print(object, true);
}

static void print_table(const topn_model *model, const share *shares, size_t count, float bias, float score,
                        output_format format)
{
    static const char *const titled_headings[] = {"item", "title", "contribution"};
    static const char *const headings[] = {"item", "contribution"};
    const bool titled = items_titled(model);
    char number[32];
    table *grid = table_create(titled ? titled_headings : headings, titled ? "llr" : "lr");
    for (size_t i = 0; i < count + 2; i++) {
        const float value = i < count ? shares[i].value : i == count ? bias : score;
        table_text(grid, i < count ? topn_model_item_id(model, shares[i].item) : i == count ? "(bias)" : "(score)");
        if (titled)
            table_text(grid, i < count ? item_title(model, shares[i].item) : "");
        table_text(grid, score_text(value, format, number));
    }
    table_finish(grid, format);
}

static int run(struct session *session)
{
    answerer with = {0};
    struct person person = {0};
    share *shares = NULL;
    float bias, score, *values = NULL;
    uint32_t item;
    int code;
    STEP(session_apply(session, NULL));
    STEP(session_open(session, session_operand(session, 0), &with));
    STEP(ids_find_item(with.model, session_value(session, "item"), session_value(session, "title"), &item));
    STEP(person_find(session, with.model, &person));
    const size_t count = person.history.count;
    const topn_request request = person_request(&person);
    values = need_memory(count, sizeof *values);
    shares = need_memory(count, sizeof *shares);
    STEP(session_check(session, topn_explain(with.query, &request, item, values, &bias)));
    STEP(session_check(session, topn_score(with.query, &request, &item, 1, &score)));
    for (size_t i = 0; i < count; i++)
        shares[i] = (share){person.history.items[i], values[i]};
    qsort(shares, count, sizeof *shares, by_size);
    if (session->format == OUTPUT_JSON)
        print_json(with.model, person.user, item, shares, count, bias, score);
    else
        print_table(with.model, shares, count, bias, score, session->format);
done:
    free(shares);
    free(values);
    person_clear(&person);
    answerer_clear(&with);
    return code;
}

const struct command command_explain = {
    .name = "explain",
    .summary = "what each item of a history adds to the score of an item",
    .usage = "MODEL --user ID --item ID\nMODEL --history \"ID,ID\" --item ID",
    .description =
        "Takes the score of one item apart: the contribution of every item of the history, largest first, and "
        "the item's bias. They sum to the score.",
    .example = "topn explain films.safetensors --user 42 --title \"the matrix\"",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_READER) | KIND_BIT(TOPN_KIND_RETRIEVER),
    .results = true,
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
