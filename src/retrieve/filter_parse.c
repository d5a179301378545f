/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/filter_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/option_table.h"

typedef enum token_kind {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_QUOTED,
    TOKEN_EQUAL,
    TOKEN_UNEQUAL,
    TOKEN_LESS,
    TOKEN_AT_MOST,
    TOKEN_MORE,
    TOKEN_AT_LEAST,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA
} token_kind;

typedef struct token {
    token_kind kind;
    const char *begin, *end; /* in the expression */
    const char *text;        /* of words and quoted texts, as they are meant */
} token;

typedef struct parser {
    topn_context *context;
    const topn_attributes *attributes;
    const char *expression, *at;
    token next;
    char *texts; /* where the next text goes: of every token at most its length and a NUL */
    size_t depth;
    filter_tree *tree;
} parser;

/* ---- Faults ---------------------------------------------------------------------------------------------------------
 */

/* Characters, not bytes, from 1 on. */
static size_t place_of(const parser *from, const char *at)
{
    size_t place = 1;
    for (const char *byte = from->expression; byte < at; byte++)
        place += ((unsigned char)*byte & 0xc0) != 0x80;
    return place;
}

/* The token as it is written, shortened. */
static const char *shown(const token *at, char out[64])
{
    const size_t length = (size_t)(at->end - at->begin);
    if (at->kind == TOKEN_END)
        snprintf(out, 64, "the end");
    else if (at->kind == TOKEN_QUOTED)
        snprintf(out, 64, "%.*s%s", (int)(length < 40 ? length : 40), at->begin, length > 40 ? "…" : "");
    else
        snprintf(out, 64, "\"%.*s%s\"", (int)(length < 40 ? length : 40), at->begin, length > 40 ? "…" : "");
    return out;
}

static topn_status expected(const parser *from, const char *what)
{
    char text[64];
    return fail(from->context, TOPN_ERROR_OPTION, "filter, character %zu: %s expected, not %s",
                place_of(from, from->next.begin), what, shown(&from->next, text));
}

/* ---- Words ----------------------------------------------------------------------------------------------------------
 */

static bool is_letter(char at)
{
    const unsigned char byte = (unsigned char)at;
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte >= 0x80 || byte == '_' || byte == '-' || byte == '.' || byte == ':';
}

static topn_status read_quoted(parser *from, token *out)
{
    const char quote = *from->at;
    char *to = from->texts;
    out->kind = TOKEN_QUOTED;
    out->text = to;
    for (from->at++; *from->at && *from->at != quote; from->at++) {
        if (*from->at == '\\' && (from->at[1] == '\\' || from->at[1] == '"' || from->at[1] == '\''))
            from->at++;
        *to++ = *from->at;
    }
    if (!*from->at)
        return fail(from->context, TOPN_ERROR_OPTION, "filter, character %zu: the text has no closing %c",
                    place_of(from, out->begin), quote);
    from->at++;
    *to++ = '\0';
    from->texts = to;
    return TOPN_OK;
}

static void read_word(parser *from, token *out)
{
    while (is_letter(*from->at))
        from->at++;
    const size_t length = (size_t)(from->at - out->begin);
    out->kind = TOKEN_WORD;
    out->text = from->texts;
    memcpy(from->texts, out->begin, length);
    from->texts[length] = '\0';
    from->texts += length + 1;
}

/* Signs, the longer ones first. */
static bool read_sign(parser *from, token *out)
{
    static const struct {
        const char *text;
        token_kind kind;
    } signs[] = {{"==", TOKEN_EQUAL}, {"!=", TOKEN_UNEQUAL}, {"<=", TOKEN_AT_MOST}, {">=", TOKEN_AT_LEAST},
                 {"=", TOKEN_EQUAL},  {"<", TOKEN_LESS},     {">", TOKEN_MORE},     {"(", TOKEN_OPEN},
                 {")", TOKEN_CLOSE},  {",", TOKEN_COMMA}};
    for (size_t sign = 0; sign < sizeof signs / sizeof *signs; sign++) {
        const size_t length = strlen(signs[sign].text);
        if (strncmp(from->at, signs[sign].text, length) != 0)
            continue;
        out->kind = signs[sign].kind;
        from->at += length;
        return true;
    }
    return false;
}

static topn_status advance(parser *from)
{
    topn_status status = TOPN_OK;
    token *out = &from->next;
    from->at += strspn(from->at, " \t\r\n");
    *out = (token){.begin = from->at};
    if (*from->at == '"' || *from->at == '\'')
        status = read_quoted(from, out);
    else if (is_letter(*from->at))
        read_word(from, out);
    else if (*from->at && !read_sign(from, out))
        status = fail(from->context, TOPN_ERROR_OPTION,
                      "filter, character %zu: '%c' has no meaning here; values with such characters go in quotes",
                      place_of(from, from->at), *from->at < ' ' || *from->at == 0x7f ? '?' : *from->at);
    out->end = from->at;
    return status;
}

static bool is_keyword(const token *at, const char *keyword)
{
    return at->kind == TOKEN_WORD && strcasecmp(at->text, keyword) == 0;
}

static bool is_any_keyword(const token *at)
{
    static const char *const keywords[] = {"AND", "OR", "NOT", "IN", "HAS"};
    for (size_t keyword = 0; keyword < sizeof keywords / sizeof *keywords; keyword++)
        if (is_keyword(at, keywords[keyword]))
            return true;
    return false;
}

/* ---- Trees ----------------------------------------------------------------------------------------------------------
 */

static topn_status add_node(parser *from, filter_node node, uint32_t *out)
{
    topn_status status = TOPN_OK;
    filter_tree *tree = from->tree;
    if (tree->count == tree->capacity) {
        const uint32_t capacity = 2 * tree->capacity + 16;
        TRY(RESIZE(from->context, capacity, &tree->nodes));
        tree->capacity = capacity;
    }
    *out = tree->count;
    tree->nodes[tree->count++] = node;
done:
    return status;
}

static topn_status add_comparison(parser *from, filter_node node, uint32_t *out)
{
    if (from->tree->comparisons++ == FILTER_COMPARISONS)
        return fail(from->context, TOPN_ERROR_OPTION,
                    "filter, character %zu: more than %d comparisons; IN compares with many values at once",
                    place_of(from, from->next.begin), FILTER_COMPARISONS);
    return add_node(from, node, out);
}

static const char *name_at(size_t index, const void *attributes)
{
    const topn_attributes *all = attributes;
    return index < all->count ? all->list[index].name : NULL;
}

static topn_status unknown_name(const parser *from, const char *name, const char *begin)
{
    char known[200] = "";
    size_t used = 0;
    const size_t place = place_of(from, begin);
    if (from->attributes->count == 0)
        return fail(
            from->context, TOPN_ERROR_OPTION,
            "filter, character %zu: nothing is known of the items, so there is no attribute \"%.60s\"; the model "
            "has the item features that it is trained with",
            place, name);
    const char *near = nearest_name(name, name_at, from->attributes);
    if (near)
        return fail(from->context, TOPN_ERROR_OPTION,
                    "filter, character %zu: there is no attribute \"%.60s\"; did you mean \"%.60s\"?", place, name,
                    near);
    for (size_t at = 0; at < from->attributes->count && used < sizeof known; at++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%.60s", at ? ", " : "",
                                 from->attributes->list[at].name);
    return fail(from->context, TOPN_ERROR_OPTION,
                "filter, character %zu: there is no attribute \"%.60s\"; the attributes are: %s%s", place, name, known,
                used >= sizeof known ? "…" : "");
}

static topn_status read_name(parser *from, const attribute **out)
{
    topn_status status;
    if (from->next.kind != TOKEN_WORD && from->next.kind != TOKEN_QUOTED)
        return expected(from, "the name of an attribute");
    if (is_any_keyword(&from->next))
        return expected(from, "the name of an attribute (in quotes if it is such a word)");
    *out = attributes_find(from->attributes, from->next.text);
    if (!*out)
        return unknown_name(from, from->next.text, from->next.begin);
    TRY(advance(from));
done:
    return status;
}

static topn_status read_value(parser *from, filter_node *node)
{
    topn_status status;
    filter_tree *tree = from->tree;
    if (from->next.kind != TOKEN_WORD && from->next.kind != TOKEN_QUOTED)
        return expected(from, "a value");
    if (is_any_keyword(&from->next))
        return expected(from, "a value (in quotes if it is such a word)");
    if (tree->value_count == tree->value_capacity) {
        const uint32_t capacity = 2 * tree->value_capacity + 16;
        TRY(RESIZE(from->context, capacity, &tree->values));
        tree->value_capacity = capacity;
    }
    tree->values[tree->value_count++] = from->next.text;
    node->count++;
    TRY(advance(from));
done:
    return status;
}

/* "(" value { "," value } ")" */
static topn_status read_list(parser *from, filter_node *node)
{
    topn_status status;
    if (from->next.kind != TOKEN_OPEN)
        return expected(from, "( and the values");
    do {
        TRY(advance(from));
        TRY(read_value(from, node));
    } while (from->next.kind == TOKEN_COMMA);
    if (from->next.kind != TOKEN_CLOSE)
        return expected(from, ", or )");
    TRY(advance(from));
done:
    return status;
}

static topn_status read_comparison(parser *from, uint32_t *out)
{
    topn_status status;
    filter_node node = {.kind = FILTER_IN, .first = from->tree->value_count};
    bool turned = false, list = false;
    TRY(read_name(from, &node.attribute));
    if (is_keyword(&from->next, "NOT")) {
        TRY(advance(from));
        turned = true;
        if (!is_keyword(&from->next, "IN"))
            return expected(from, "IN");
    }
    switch (from->next.kind) {
    case TOKEN_EQUAL:
        break;
    case TOKEN_UNEQUAL:
        turned = true;
        break;
    case TOKEN_LESS:
        node.kind = FILTER_LESS;
        break;
    case TOKEN_AT_MOST:
        node.kind = FILTER_AT_MOST;
        break;
    case TOKEN_MORE:
        node.kind = FILTER_MORE;
        break;
    case TOKEN_AT_LEAST:
        node.kind = FILTER_AT_LEAST;
        break;
    default:
        list = is_keyword(&from->next, "IN");
        if (!list)
            return expected(from, "=, !=, <, <=, >, >= or IN");
    }
    TRY(advance(from));
    TRY(list ? read_list(from, &node) : read_value(from, &node));
    TRY(add_comparison(from, node, out));
    if (turned)
        TRY(add_node(from, (filter_node){.kind = FILTER_NOT, .left = *out}, out));
done:
    return status;
}

static topn_status read_any(parser *from, uint32_t *out);

static topn_status read_one(parser *from, uint32_t *out)
{
    topn_status status;
    if (++from->depth > FILTER_DEEPEST)
        return fail(from->context, TOPN_ERROR_OPTION, "filter, character %zu: nested deeper than %d",
                    place_of(from, from->next.begin), FILTER_DEEPEST);
    if (is_keyword(&from->next, "NOT")) {
        TRY(advance(from));
        TRY(read_one(from, out));
        TRY(add_node(from, (filter_node){.kind = FILTER_NOT, .left = *out}, out));
    } else if (is_keyword(&from->next, "HAS")) {
        filter_node node = {.kind = FILTER_HAS};
        TRY(advance(from));
        TRY(read_name(from, &node.attribute));
        TRY(add_comparison(from, node, out));
    } else if (from->next.kind == TOKEN_OPEN) {
        TRY(advance(from));
        TRY(read_any(from, out));
        if (from->next.kind != TOKEN_CLOSE)
            return expected(from, "AND, OR or )");
        TRY(advance(from));
    } else {
        TRY(read_comparison(from, out));
    }
    from->depth--;
done:
    return status;
}

/* one { AND one }, or with OR what AND joined. */
static topn_status read_joined(parser *from, filter_kind kind, uint32_t *out)
{
    topn_status status;
    uint32_t right;
    TRY(kind == FILTER_OR ? read_joined(from, FILTER_AND, out) : read_one(from, out));
    while (is_keyword(&from->next, kind == FILTER_OR ? "OR" : "AND")) {
        TRY(advance(from));
        TRY(kind == FILTER_OR ? read_joined(from, FILTER_AND, &right) : read_one(from, &right));
        TRY(add_node(from, (filter_node){.kind = kind, .left = *out, .right = right}, out));
    }
done:
    return status;
}

static topn_status read_any(parser *from, uint32_t *out)
{
    return read_joined(from, FILTER_OR, out);
}

topn_status filter_parse(topn_context *context, const topn_attributes *attributes, const char *expression,
                         filter_tree *out)
{
    topn_status status;
    filter_tree tree = {0};
    *out = tree;
    const size_t length = strlen(expression);
    if (length > FILTER_LONGEST)
        return fail(context, TOPN_ERROR_OPTION, "filter: %zu bytes are too long, at most %d are possible", length,
                    FILTER_LONGEST);
    TRY(ALLOCATE(context, 2 * length + 1, &tree.texts));
    parser from = {.context = context,
                   .attributes = attributes,
                   .expression = expression,
                   .at = expression,
                   .texts = tree.texts,
                   .tree = &tree};
    TRY(advance(&from));
    TRY(read_any(&from, &tree.root));
    if (from.next.kind != TOKEN_END) {
        status = expected(&from, "AND, OR or the end");
        goto done;
    }
    *out = tree;
    return TOPN_OK;
done:
    filter_tree_clear(&tree);
    return status;
}

void filter_tree_clear(filter_tree *tree)
{
    free(tree->nodes);
    free(tree->values);
    free(tree->texts);
    *tree = (filter_tree){0};
}
