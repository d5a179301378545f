/* SPDX-License-Identifier: Apache-2.0
 *
 * Options from a YAML file (JSON is a subset): a flat mapping of scalars.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/context.h"

/* Parses the next event; a syntax error becomes FORMAT with the line. */
static topn_status next_event(topn_context *context, const char *path, yaml_parser_t *parser, yaml_event_t *event)
{
    if (yaml_parser_parse(parser, event))
        return TOPN_OK;
    memset(event, 0, sizeof *event);
    return fail(context, TOPN_ERROR_FORMAT, "%s:%zu: %s", path, parser->problem_mark.line + 1,
                parser->problem ? parser->problem : "not YAML");
}

/* Reads "key: value" pairs until the mapping ends. */
static topn_status read_mapping(topn_context *context, const char *path, yaml_parser_t *parser,
                                topn_option_visitor *visit, void *user_data)
{
    topn_status status;
    yaml_event_t key = {0}, value = {0};
    for (;;) {
        TRY(next_event(context, path, parser, &key));
        if (key.type == YAML_MAPPING_END_EVENT)
            break;
        TRY(next_event(context, path, parser, &value));
        if (key.type != YAML_SCALAR_EVENT || value.type != YAML_SCALAR_EVENT) {
            status =
                fail(context, TOPN_ERROR_FORMAT, "%s:%zu: expected \"option: value\"", path, key.start_mark.line + 1);
            goto done;
        }
        TRY(visit(context, (const char *)key.data.scalar.value, (const char *)value.data.scalar.value, user_data));
        yaml_event_delete(&key);
        yaml_event_delete(&value);
    }
    status = TOPN_OK;
done:
    yaml_event_delete(&key);
    yaml_event_delete(&value);
    return status;
}

topn_status topn_options_file(topn_context *context, const char *path, topn_option_visitor *visit, void *user_data)
{
    topn_status status;
    yaml_parser_t parser;
    yaml_event_t event = {0};
    if (!path || !visit)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_options_file takes a path and a visitor");
    FILE *file = fopen(path, "re");
    if (!file)
        return fail_io(context, "cannot open", path);
    if (!yaml_parser_initialize(&parser)) {
        fclose(file);
        return fail_memory(context, sizeof parser);
    }
    yaml_parser_set_input_file(&parser, file);
    for (bool ended = false; !ended;) {
        TRY(next_event(context, path, &parser, &event));
        if (event.type == YAML_MAPPING_START_EVENT)
            TRY(read_mapping(context, path, &parser, visit, user_data));
        else if (event.type == YAML_SCALAR_EVENT || event.type == YAML_SEQUENCE_START_EVENT ||
                 event.type == YAML_ALIAS_EVENT) {
            status = fail(context, TOPN_ERROR_FORMAT, "%s:%zu: expected a mapping of options to values", path,
                          event.start_mark.line + 1);
            goto done;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    status = TOPN_OK;
done:
    yaml_event_delete(&event);
    yaml_parser_delete(&parser);
    fclose(file);
    return status;
}
