/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "item_filter.h"
#include "text.h"

enum { SHOWN_ATTRIBUTES = 50 }; /* in the table */

/* What the model knows of its items, and of how many. */
static int print_attributes(struct session *session, const topn_model *model, json_t *object, table *facts)
{
    topn_attributes *attributes = NULL;
    json_t *list = json_array();
    uint32_t items;
    int code;
    STEP(session_check(session, topn_attributes_create(session->context, model, &attributes)));
    for (size_t at = 0; at < topn_attributes_count(attributes); at++) {
        if (facts && at == SHOWN_ATTRIBUTES) {
            table_text(facts, "attributes");
            table_cell(facts, "%zu more", topn_attributes_count(attributes) - at);
            break;
        }
        STEP(attribute_items(session, attributes, at, &items));
        if (facts) {
            table_cell(facts, "attribute %s", topn_attributes_name(attributes, at));
            table_cell(facts, "%" PRIu32 " items", items);
        }
        json_t *entry = json_object();
        json_object_set_new(entry, "name", text_json(topn_attributes_name(attributes, at)));
        json_object_set_new(entry, "items", json_integer(items));
        json_array_append_new(list, entry);
    }
    if (object && json_array_size(list))
        json_object_set(object, "attributes", list);
done:
    json_decref(list);
    topn_attributes_free(attributes);
    return code;
}

static int print_json(struct session *session, const topn_model *model)
{
    const char *key, *value;
    topn_array_info info;
    json_t *object = json_object(), *facts = json_object(), *arrays = json_array();
    for (size_t i = 0; topn_model_metadata(model, i, &key, &value); i++)
        json_object_set_new(facts, key, value_json(value));
    for (size_t i = 0; topn_model_array(model, i, &info); i++) {
        json_t *shape = json_array(), *array = json_object();
        for (size_t d = 0; d < info.dimensions; d++)
            json_array_append_new(shape, json_integer((json_int_t)info.shape[d]));
        json_object_set_new(array, "name", text_json(info.name));
        json_object_set_new(array, "type", text_json(info.type));
        json_object_set_new(array, "shape", shape);
        json_object_set_new(array, "bytes", json_integer((json_int_t)info.bytes));
        json_array_append_new(arrays, array);
    }
    json_object_set_new(object, "items", json_integer(topn_model_items(model)));
    json_object_set_new(object, "users", json_integer(topn_model_users(model)));
    if (topn_model_fields(model)) {
        json_t *fields = json_array();
        for (size_t field = 0; field < topn_model_fields(model); field++)
            json_array_append_new(fields, text_json(topn_model_field_name(model, field)));
        json_object_set_new(object, "context_fields", fields);
    }
    const int code = print_attributes(session, model, object, NULL);
    json_object_set_new(object, "metadata", facts);
    json_object_set_new(object, "arrays", arrays);
    if (code == CODE_DONE)
        json_print(object, true);
    else
        json_decref(object);
    return code;
}

static int print_tables(struct session *session, const topn_model *model, output_format format)
{
    static const char *const headings[] = {"what", "value"};
    static const char *const array_headings[] = {"array", "type", "shape", "bytes"};
    const char *key, *value;
    topn_array_info info;
    table *facts = table_create(headings, "ll");
    table_text(facts, "items");
    table_cell(facts, "%" PRIu32, topn_model_items(model));
    table_text(facts, "users");
    table_cell(facts, "%" PRIu32, topn_model_users(model));
    for (size_t field = 0; field < topn_model_fields(model); field++) {
        table_text(facts, "context field");
        table_text(facts, topn_model_field_name(model, field));
    }
    const int code = print_attributes(session, model, NULL, facts);
    for (size_t i = 0; topn_model_metadata(model, i, &key, &value); i++) {
        table_text(facts, key);
        table_text(facts, value);
    }
    if (format == OUTPUT_CSV) { /* one header for all rows */
        for (size_t i = 0; topn_model_array(model, i, &info); i++) {
            table_cell(facts, "array.%s", info.name);
            table_cell(facts, info.dimensions == 2 ? "%s %" PRIu64 " × %" PRIu64 : "%s %" PRIu64, info.type,
                       info.shape[0], info.shape[1]);
        }
        table_finish(facts, format);
        return code;
    }
    table_finish(facts, format);
    putchar('\n');
    table *arrays = table_create(array_headings, "llrr");
    for (size_t i = 0; topn_model_array(model, i, &info); i++) {
        table_text(arrays, info.name);
        table_text(arrays, info.type);
        if (info.dimensions == 2)
            table_cell(arrays, "%" PRIu64 " × %" PRIu64, info.shape[0], info.shape[1]);
        else
            table_cell(arrays, "%" PRIu64, info.shape[0]);
        table_cell(arrays, "%" PRIu64, info.bytes);
    }
    table_finish(arrays, format);
    return code;
}

static int run(struct session *session)
{
    topn_model *model = NULL;
    int code;
    STEP(session_apply(session, NULL));
    STEP(session_load(session, session_operand(session, 0), &model));
    code = session->format == OUTPUT_JSON ? print_json(session, model) : print_tables(session, model, session->format);
done:
    topn_model_free(model);
    return code;
}

const struct command command_inspect = {
    .name = "inspect",
    .summary = "all that a model file records: options, data, figures, arrays",
    .usage = "MODEL",
    .description =
        "Prints the metadata of a model file (method, every option, fingerprint of the data, counts, residuals, "
        "seconds), the attributes of its items and its arrays with type, shape and bytes.",
    .example = "topn inspect films.safetensors --format json",
    .results = true,
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
