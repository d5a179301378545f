/* SPDX-License-Identifier: Apache-2.0 */
#include "schema.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    PLACE_SIZE = 192,   /* "[3].Attributes.genre[0]", its end left out where it is longer */
    MOST_ROUTES = 128,  /* with a body */
    LONGEST_SHOWN = 40, /* characters of a value that a message repeats */
};

/* Where in the body the check is, and its message. */
typedef struct place {
    char text[PLACE_SIZE];
    size_t length;
    char *why;
    size_t why_size;
} place;

__attribute__((format(printf, 2, 3))) static bool refuse(place *at, const char *format, ...)
{
    va_list arguments;
    const int named = snprintf(at->why, at->why_size, "%s: ", at->length ? at->text : "the body");
    va_start(arguments, format);
    if (named >= 0 && (size_t)named < at->why_size)
        vsnprintf(at->why + named, at->why_size - (size_t)named, format, arguments);
    va_end(arguments);
    return false;
}

/* Goes into a field or element; place_leave with the value returned goes back. */
__attribute__((format(printf, 2, 3))) static size_t place_enter(place *at, const char *format, ...)
{
    const size_t before = at->length;
    va_list arguments;
    va_start(arguments, format);
    const int added = vsnprintf(at->text + before, sizeof at->text - before, format, arguments);
    va_end(arguments);
    at->length = added < 0 || before + (size_t)added >= sizeof at->text ? sizeof at->text - 1 : before + (size_t)added;
    return before;
}

static void place_leave(place *at, size_t before)
{
    at->length = before;
    at->text[before] = '\0';
}

static const char *type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
        return "integer";
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    default:
        return "null";
    }
}

static const char *spoken(const char *type)
{
    static const char *const words[][2] = {
        {"object", "an object"}, {"array", "a list"},          {"string", "a text"}, {"integer", "a whole number"},
        {"number", "a number"},  {"boolean", "true or false"}, {"null", "null"},
    };
    for (size_t at = 0; at < sizeof words / sizeof *words; at++)
        if (strcmp(words[at][0], type) == 0)
            return words[at][1];
    return type;
}

static bool type_matches(const char *wanted, const json_t *value)
{
    const char *type = type_of(value);
    if (strcmp(wanted, type) == 0 || (strcmp(wanted, "number") == 0 && json_is_integer(value)))
        return true;
    return strcmp(wanted, "integer") == 0 && json_is_real(value) &&
           floor(json_real_value(value)) == json_real_value(value);
}

/* `type` is a name or a list of names. */
static bool check_type(const json_t *type, const json_t *value, place *at)
{
    char wanted[160] = "";
    if (!type)
        return true;
    const size_t count = json_is_array(type) ? json_array_size(type) : 1;
    for (size_t index = 0; index < count; index++) {
        const char *name = json_string_value(json_is_array(type) ? json_array_get(type, index) : type);
        if (type_matches(name, value))
            return true;
        if (strcmp(name, "null") == 0)
            continue;
        const size_t length = strlen(wanted);
        snprintf(wanted + length, sizeof wanted - length, "%s%s", length ? " or " : "", spoken(name));
    }
    const char *given = json_is_true(value) ? "true" : json_is_false(value) ? "false" : spoken(type_of(value));
    return refuse(at, "%s stands where %s belongs", given, wanted);
}

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

/* A bound of the schema; false where it has none. */
static bool bound_of(const json_t *schema, const char *name, double *out)
{
    const json_t *bound = json_object_get(schema, name);
    if (!bound)
        return false;
    *out = json_number_value(bound);
    return true;
}

static bool check_number(const json_t *schema, const json_t *value, place *at)
{
    const double number = json_number_value(value);
    double bound;
    if (bound_of(schema, "minimum", &bound) && number < bound)
        return refuse(at, "%.15g is below %.15g", number, bound);
    if (bound_of(schema, "exclusiveMinimum", &bound) && !(number > bound))
        return refuse(at, "%.15g is not above %.15g", number, bound);
    if (bound_of(schema, "maximum", &bound) && number > bound)
        return refuse(at, "%.15g is above %.15g", number, bound);
    return true;
}

static bool check_enum(const json_t *choices, const json_t *value, place *at)
{
    char list[160] = "";
    if (!choices)
        return true;
    for (size_t index = 0; index < json_array_size(choices); index++) {
        if (json_equal(json_array_get(choices, index), value))
            return true;
        const size_t length = strlen(list);
        snprintf(list + length, sizeof list - length, "%s%s", length ? ", " : "",
                 json_string_value(json_array_get(choices, index)));
    }
    return refuse(at, "\"%.*s\" is none of %s", LONGEST_SHOWN, json_string_value(value), list);
}

static bool check_text(const json_t *schema, const json_t *value, place *at)
{
    const char *text = json_string_value(value);
    const size_t count = characters(text);
    double bound;
    if (bound_of(schema, "minLength", &bound) && (double)count < bound)
        return count ? refuse(at, "%zu characters, at least %.0f belong here", count, bound)
                     : refuse(at, "an empty text stands where one with characters belongs");
    if (bound_of(schema, "maxLength", &bound) && (double)count > bound)
        return refuse(at, "%zu characters, at most %.0f are taken", count, bound);
    return check_enum(json_object_get(schema, "enum"), value, at);
}

static bool unknown_field(const json_t *properties, const char *name, place *at)
{
    char known[320] = "";
    const char *key;
    json_t *ignored;
    json_object_foreach((json_t *)properties, key, ignored)
    {
        const size_t length = strlen(known);
        snprintf(known + length, sizeof known - length, "%s%s", length ? ", " : "", key);
    }
    return refuse(at, "unknown field \"%.*s\"; known are %s", LONGEST_SHOWN, name, known);
}

/* Of a field whose name the schema leaves open. */
static bool check_name(const json_t *schema, const char *name, place *at)
{
    const size_t count = characters(name);
    double bound;
    if (bound_of(schema, "minLength", &bound) && (double)count < bound)
        return refuse(at, "a field without a name");
    if (bound_of(schema, "maxLength", &bound) && (double)count > bound)
        return refuse(at, "a name of %zu characters, at most %.0f are taken", count, bound);
    return true;
}

/* A level of the schema, of the value and of this recursion go together: schemas are ours and of small depth, so no
 * value makes it deep. */
static bool check_value(const json_t *schema, const json_t *value, place *at);

static bool check_object(const json_t *schema, const json_t *value, place *at)
{
    const json_t *properties = json_object_get(schema, "properties"), *rest;
    const json_t *required = json_object_get(schema, "required");
    const char *key;
    json_t *field;
    rest = json_object_get(schema, "additionalProperties");
    json_object_foreach((json_t *)value, key, field)
    {
        const json_t *known = properties ? json_object_get(properties, key) : NULL;
        if (!known && json_is_false(rest))
            return unknown_field(properties, key, at);
        const size_t before = place_enter(at, "%s%.*s", at->length ? "." : "", LONGEST_SHOWN, key);
        if (!known && !check_name(json_object_get(schema, "propertyNames"), key, at))
            return false;
        if ((known || rest) && !check_value(known ? known : rest, field, at))
            return false;
        place_leave(at, before);
    }
    for (size_t index = 0; required && index < json_array_size(required); index++) {
        const char *name = json_string_value(json_array_get(required, index));
        if (!json_object_get(value, name))
            return refuse(at, "field \"%s\" is missing", name);
    }
    return true;
}

static bool check_list(const json_t *schema, const json_t *value, place *at)
{
    const json_t *items = json_object_get(schema, "items");
    const size_t count = json_array_size(value);
    double bound;
    if (bound_of(schema, "minItems", &bound) && (double)count < bound)
        return refuse(at, "%zu entries, at least %.0f belong here", count, bound);
    if (bound_of(schema, "maxItems", &bound) && (double)count > bound)
        return refuse(at, "%zu entries, at most %.0f are taken", count, bound);
    for (size_t index = 0; items && index < count; index++) {
        const size_t before = place_enter(at, "[%zu]", index);
        if (!check_value(items, json_array_get(value, index), at))
            return false;
        place_leave(at, before);
    }
    return true;
}

static bool check_value(const json_t *schema, const json_t *value, place *at)
{
    double most;
    if (!check_type(json_object_get(schema, "type"), value, at))
        return false;
    if (json_is_object(value)) {
        if (bound_of(schema, "maxProperties", &most) && (double)json_object_size(value) > most)
            return refuse(at, "%zu fields, at most %.0f are taken", json_object_size(value), most);
        return check_object(schema, value, at);
    }
    if (json_is_array(value))
        return check_list(schema, value, at);
    if (json_is_string(value))
        return check_text(schema, value, at);
    return !json_is_number(value) || check_number(schema, value, at);
}

bool schema_check(const json_t *schema, const json_t *value, char *why, size_t why_size)
{
    place at = {.why = why, .why_size = why_size};
    return check_value(schema, value, &at);
}

/* Parsed when the route is first called, and kept as long as the process lives. */
static const json_t *schema_of(const struct route *wanted)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const struct route *routes[MOST_ROUTES];
    static json_t *schemas[MOST_ROUTES];
    static size_t count;
    size_t at = 0;
    pthread_mutex_lock(&lock);
    while (at < count && routes[at] != wanted)
        at++;
    if (at == count && count < MOST_ROUTES) {
        schemas[at] = json_loads(wanted->body, 0, NULL);
        routes[at] = wanted;
        count += schemas[at] != NULL;
    }
    const json_t *schema = at < MOST_ROUTES ? schemas[at] : NULL;
    pthread_mutex_unlock(&lock);
    return schema;
}

bool body_is_valid(call *request)
{
    char why[512];
    const json_t *schema = schema_of(request->route);
    if (!schema || !request->body) {
        reply_error(request, 500, "internal", "the schema of %s cannot be read", request->route->path);
        return false;
    }
    if (schema_check(schema, request->body, why, sizeof why))
        return true;
    reply_error(request, 400, "body", "%s", why);
    return false;
}

/* NULL where it is absent or null. */
static const json_t *field_of(const json_t *object, const char *name)
{
    const json_t *field = json_object_get(object, name);
    return json_is_null(field) ? NULL : field;
}

const char *body_text(const json_t *object, const char *name, const char *standard)
{
    const json_t *field = field_of(object, name);
    return field ? json_string_value(field) : standard;
}

double body_number(const json_t *object, const char *name, double standard)
{
    const json_t *field = field_of(object, name);
    return field ? json_number_value(field) : standard;
}

size_t body_count(const json_t *object, const char *name, size_t standard)
{
    const json_t *field = field_of(object, name);
    return field ? (size_t)json_number_value(field) : standard;
}

bool body_flag(const json_t *object, const char *name, bool standard)
{
    const json_t *field = field_of(object, name);
    return field ? json_is_true(field) : standard;
}
