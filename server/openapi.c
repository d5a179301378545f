/* SPDX-License-Identifier: Apache-2.0
 *
 * The interface as an OpenAPI 3.1 document, made from routes.def.
 */
#include <pthread.h>
#include <string.h>

#include "call.h"

/* Last word of "/api/recommend/{user}" and the method: "get_api_recommend_user". */
static json_t *operation_id(const route *of)
{
    char id[160];
    size_t size = 0;
    for (const char *at = of->method; *at && size + 1 < sizeof id; at++)
        id[size++] = (char)(*at + ('a' - 'A'));
    for (const char *at = of->path; *at && size + 2 < sizeof id; at++)
        if (*at == '/' || *at == '.' || *at == '-')
            id[size++] = '_';
        else if (*at != '{' && *at != '}')
            id[size++] = *at;
    return json_stringn(id, size);
}

static json_t *path_parameters(const route *of)
{
    json_t *list = json_array();
    for (const char *at = strchr(of->path, '{'); at; at = strchr(at + 1, '{')) {
        const size_t length = strcspn(at + 1, "}");
        json_array_append_new(list, json_pack("{s:s%,s:s,s:b,s:{s:s,s:i}}", "name", at + 1, length, "in", "path",
                                              "required", 1, "schema", "type", "string", "minLength", 1));
    }
    return list;
}

/* The default in the parameter's own type. */
static json_t *standard_value(const route_parameter *row)
{
    json_t *value = strcmp(row->type, "string") == 0 ? NULL : json_loads(row->standard, JSON_DECODE_ANY, NULL);
    return value ? value : json_string(row->standard);
}

static json_t *parameters(const route *of)
{
    json_t *list = path_parameters(of);
    for (size_t i = 0; i < of->parameter_count; i++) {
        const route_parameter *row = &of->parameters[i];
        json_t *schema = json_pack("{s:s}", "type", row->type), *entry;
        if (row->standard)
            json_object_set_new(schema, "default", standard_value(row));
        if (row->prefix) { /* context.hour=…: a form-style object of free names */
            schema = json_pack("{s:s,s:o}", "type", "object", "additionalProperties", schema);
            entry = json_pack("{s:s,s:s,s:s,s:b,s:o,s:s}", "name", row->name, "in", "query", "style", "form", "explode",
                              1, "schema", schema, "description", row->help);
        } else {
            entry = json_pack("{s:s,s:s,s:o,s:s}", "name", row->name, "in", "query", "schema", schema, "description",
                              row->help);
        }
        json_array_append_new(list, entry);
    }
    return list;
}

static json_t *error_answer(const char *description)
{
    return json_pack("{s:s,s:{s:{s:{s:s}}}}", "description", description, "content", "application/json", "schema",
                     "$ref", "#/components/schemas/Error");
}

static json_t *answers(const route *of)
{
    json_t *list = json_object(), *good = json_pack("{s:s}", "description", of->summary);
    if (of->answer)
        json_object_set_new(good, "content",
                            json_pack("{s:{s:o}}", "application/json", "schema", json_loads(of->answer, 0, NULL)));
    json_object_set_new(list, "200", good);
    json_object_set_new(list, "400", error_answer("The request is wrong; the message says where."));
    if (of->permission != PERMIT_ALL) {
        json_object_set_new(list, "401", error_answer("No key, or one that is not known."));
        json_object_set_new(list, "403", error_answer("The key does not grant this."));
        json_object_set_new(list, "429", error_answer("Too many requests; Retry-After says when to come again."));
    }
    json_object_set_new(list, "default", error_answer("What else went wrong."));
    return list;
}

static json_t *operation(const route *of)
{
    static const char *const grants[] = {"nothing", "read", "write", "admin"};
    json_t *made =
        json_pack("{s:s,s:o,s:o}", "summary", of->summary, "operationId", operation_id(of), "responses", answers(of));
    json_t *given = parameters(of);
    if (json_array_size(given))
        json_object_set(made, "parameters", given);
    json_decref(given);
    if (of->body)
        json_object_set_new(made, "requestBody",
                            json_pack("{s:b,s:{s:{s:o}}}", "required", 1, "content", "application/json", "schema",
                                      json_loads(of->body, 0, NULL)));
    if (of->permission == PERMIT_ALL)
        json_object_set_new(made, "security", json_array());
    else
        json_object_set_new(
            made, "description",
            json_sprintf("Needs a key that grants %s, where the server asks for keys.", grants[of->permission]));
    return made;
}

static json_t *document(void)
{
    json_t *paths = json_object();
    for (size_t i = 0; route_at(i); i++) {
        const route *of = route_at(i);
        char method[16] = "";
        for (size_t c = 0; of->method[c] && c + 1 < sizeof method; c++)
            method[c] = (char)(of->method[c] + ('a' - 'A'));
        json_t *path = json_object_get(paths, of->path);
        if (!path) {
            path = json_object();
            json_object_set_new(paths, of->path, path);
        }
        json_object_set_new(path, method, operation(of));
    }
    json_t *error =
        json_pack("{s:s,s:[s],s:{s:{s:s,s:[sss],s:{s:{s:s},s:{s:s},s:{s:s}}}}}", "type", "object", "required", "error",
                  "properties", "error", "type", "object", "required", "status", "code", "message", "properties",
                  "status", "type", "integer", "code", "type", "string", "message", "type", "string");
    json_t *schemes = json_pack("{s:{s:s,s:s,s:s},s:{s:s,s:s}}", "key", "type", "apiKey", "in", "header", "name",
                                "X-API-Key", "bearer", "type", "http", "scheme", "bearer");
    return json_pack("{s:s,s:{s:s,s:s,s:s},s:o,s:[{s:[]},{s:[]}],s:{s:{s:o},s:o}}", "openapi", "3.1.0", "info", "title",
                     "topn", "version", topn_version(), "description",
                     "Recommendations of a trained model, changed by events as they arrive.", "paths", paths,
                     "security", "key", "bearer", "components", "schemas", "Error", error, "securitySchemes", schemes);
}

static char *text; /* made once, kept */
static pthread_once_t text_once = PTHREAD_ONCE_INIT;

static void make_text(void)
{
    json_t *made = document();
    text = made ? json_dumps(made, JSON_COMPACT) : NULL;
    json_decref(made);
}

static void answer_openapi(call *request)
{
    pthread_once(&text_once, make_text);
    if (text)
        reply_static(request, "application/json", text, strlen(text));
    else
        reply_error(request, 500, "memory", "the document could not be made");
}

const route route_openapi = {
    .method = "GET",
    .path = "/openapi.json",
    .summary = "this interface as an OpenAPI 3.1 document",
    .permission = PERMIT_ALL,
    .answer = "{\"type\":\"object\"}",
    .quick = true,
    .handle = answer_openapi,
};
