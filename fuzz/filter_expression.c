/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes and an expression over them: the last line is the expression, each line before it "name value" of the item
 * of its number. What is taken must be consistent: NOT has all other items, OR and AND with itself the same ones.
 */
#include "reader.h"
#include "retrieve/attributes.h"
#include "retrieve/filter.h"

enum { ITEMS = 70 };

static void set_line(topn_context *context, topn_attributes *attributes, uint32_t item, char *line)
{
    char *value = strchr(line, ' ');
    if (value)
        *value++ = '\0';
    const char *const values[] = {value ? value : "1"};
    if (*line)
        FUZZ_CHECK(topn_attributes_set(context, attributes, item, line, values, 1) == TOPN_OK);
}

/* Items of a rewriting of the expression; NULL where it became too long, too deep or too much. */
static topn_filter *rewritten(topn_context *context, const topn_attributes *attributes, const char *before,
                              const char *expression, const char *between, const char *again)
{
    const size_t room = 2 * strlen(expression) + 64;
    char *text = malloc(room);
    topn_filter *filter = NULL;
    FUZZ_CHECK(text != NULL);
    snprintf(text, room, "%s(%s)%s%s", before, expression, between, again);
    const topn_status status = topn_filter_create(context, attributes, text, &filter);
    FUZZ_CHECK(status == TOPN_OK || status == TOPN_ERROR_OPTION);
    free(text);
    return filter;
}

static void check(topn_context *context, const topn_attributes *attributes, const char *expression,
                  const topn_filter *filter)
{
    topn_filter *turned = rewritten(context, attributes, "NOT ", expression, "", "");
    topn_filter *same = rewritten(context, attributes, "", expression, " OR ", expression);
    uint32_t count = 0;
    for (uint32_t item = 0; item < ITEMS; item++) {
        const bool allowed = topn_filter_allows(filter, item);
        count += allowed;
        FUZZ_CHECK(!turned || topn_filter_allows(turned, item) != allowed);
        FUZZ_CHECK(!same || topn_filter_allows(same, item) == allowed);
    }
    FUZZ_CHECK(count == topn_filter_count(filter));
    topn_filter_free(turned);
    topn_filter_free(same);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const topn_model model = {.items = ITEMS};
    topn_context *context;
    topn_attributes *attributes;
    topn_filter *filter = NULL;
    char *text = malloc(size + 1), *line = text, *end;
    if (!text || topn_context_create(&context) != TOPN_OK)
        abort();
    memcpy(text, bytes, size);
    text[size] = '\0';
    FUZZ_CHECK(topn_attributes_create(context, &model, &attributes) == TOPN_OK);
    for (uint32_t item = 0; (end = strchr(line, '\n')); item = (item + 1) % ITEMS, line = end + 1) {
        *end = '\0';
        set_line(context, attributes, item, line);
    }
    const topn_status status = topn_filter_create(context, attributes, line, &filter);
    FUZZ_CHECK(status == TOPN_OK || status == TOPN_ERROR_OPTION);
    FUZZ_CHECK((status == TOPN_OK) == (filter != NULL));
    if (filter)
        check(context, attributes, line, filter);
    topn_filter_free(filter);
    topn_attributes_free(attributes);
    topn_context_free(context);
    free(text);
    return 0;
}
