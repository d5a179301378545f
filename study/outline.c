/* SPDX-License-Identifier: Apache-2.0 */
#include "study/outline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { DEEPEST = 16, MOST_BYTES = 1 << 20 };

typedef struct reading {
    study *work;
    const char *path;
    yaml_document_t document;
} reading;

static void clear(outline *old)
{
    for (size_t i = 0; i < old->count; i++)
        clear(&old->children[i]);
    free(old->children);
    free(old->key);
    free(old->text);
}

void outline_free(outline *old)
{
    if (old)
        clear(old);
    free(old);
}

static topn_status fault(const reading *from, size_t line, const char *what)
{
    return study_fail(from->work, TOPN_ERROR_OPTION, "%s:%zu: %s", from->path, line, what);
}

static char *scalar_text(const yaml_node_t *node)
{
    return strndup((const char *)node->data.scalar.value, node->data.scalar.length);
}

static topn_status build(reading *from, int index, int depth, outline *out);

static topn_status build_list(reading *from, const yaml_node_t *node, int depth, outline *out)
{
    topn_status status = TOPN_OK;
    const size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    out->children = calloc(count + 1, sizeof *out->children);
    if (!out->children)
        return study_memory(from->work);
    for (size_t i = 0; i < count; i++) {
        out->count++;
        STUDY_TRY(build(from, node->data.sequence.items.start[i], depth + 1, &out->children[i]));
    }
done:
    return status;
}

static topn_status build_map(reading *from, const yaml_node_t *node, int depth, outline *out)
{
    topn_status status = TOPN_OK;
    const size_t count = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    out->children = calloc(count + 1, sizeof *out->children);
    if (!out->children)
        return study_memory(from->work);
    for (size_t i = 0; i < count; i++) {
        const yaml_node_pair_t *pair = &node->data.mapping.pairs.start[i];
        const yaml_node_t *key = yaml_document_get_node(&from->document, pair->key);
        if (!key || key->type != YAML_SCALAR_NODE)
            STUDY_TRY(fault(from, node->start_mark.line + 1, "a key is not a plain word"));
        outline *child = &out->children[out->count++];
        STUDY_TRY(build(from, pair->value, depth + 1, child));
        child->key = scalar_text(key);
        if (!child->key)
            STUDY_TRY(study_memory(from->work));
        child->line = key->start_mark.line + 1;
        for (size_t other = 0; other < i; other++)
            if (strcmp(out->children[other].key, child->key) == 0)
                STUDY_TRY(study_fail(from->work, TOPN_ERROR_OPTION,
                                     "%s:%zu: \"%s\" stands here twice, first on line %zu", from->path, child->line,
                                     child->key, out->children[other].line));
    }
done:
    return status;
}

/* Recursion over nodes: an alias may lead back to a node above it, so the depth is bounded. */
static topn_status build(reading *from, int index, int depth, outline *out)
{
    const yaml_node_t *node = yaml_document_get_node(&from->document, index);
    out->line = node ? node->start_mark.line + 1 : 0;
    if (!node || depth > DEEPEST)
        return fault(from, out->line, "it is nested too deep");
    switch (node->type) {
    case YAML_SCALAR_NODE:
        out->kind = OUTLINE_SCALAR;
        out->text = scalar_text(node);
        return out->text ? TOPN_OK : study_memory(from->work);
    case YAML_SEQUENCE_NODE:
        out->kind = OUTLINE_LIST;
        return build_list(from, node, depth, out);
    case YAML_MAPPING_NODE:
        out->kind = OUTLINE_MAP;
        return build_map(from, node, depth, out);
    default:
        return fault(from, out->line, "the document is empty");
    }
}

static topn_status parse(reading *from, FILE *file, outline *out)
{
    yaml_parser_t parser;
    topn_status status;
    if (!yaml_parser_initialize(&parser))
        return study_memory(from->work);
    yaml_parser_set_input_file(&parser, file);
    if (!yaml_parser_load(&parser, &from->document)) {
        status = study_fail(from->work, TOPN_ERROR_OPTION, "%s:%zu: %s", from->path, parser.problem_mark.line + 1,
                            parser.problem ? parser.problem : "it is not YAML");
    } else {
        const yaml_node_t *root = yaml_document_get_root_node(&from->document);
        status = root ? build(from, 1, 0, out) : fault(from, 1, "the document is empty");
        yaml_document_delete(&from->document);
    }
    yaml_parser_delete(&parser);
    return status;
}

topn_status outline_read(study *work, const char *path, outline **out)
{
    reading from = {.work = work, .path = path};
    *out = NULL;
    FILE *file = fopen(path, "re");
    if (!file)
        return study_fail(work, TOPN_ERROR_IO, "cannot open %s: %s", path, strerror(errno));
    if (fseek(file, 0, SEEK_END) == 0 && ftell(file) > MOST_BYTES) {
        fclose(file);
        return study_fail(work, TOPN_ERROR_OPTION, "%s: an experiment of more than a megabyte is none", path);
    }
    rewind(file);
    outline *root = calloc(1, sizeof *root);
    const topn_status status = root ? parse(&from, file, root) : study_memory(work);
    fclose(file);
    if (status == TOPN_OK)
        *out = root;
    else
        outline_free(root);
    return status;
}
