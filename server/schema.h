/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of requests are checked against the JSON Schema that the OpenAPI document shows of them, so that what is
 * documented is what is enforced. Of JSON Schema it knows: type (a name or a list), properties, required,
 * additionalProperties (false, or a schema), propertyNames, maxProperties, items, minItems, maxItems, minLength,
 * maxLength, minimum, maximum, exclusiveMinimum, enum; description, example and default say something to people only.
 */
#ifndef TOPN_SERVER_SCHEMA_H
#define TOPN_SERVER_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "call.h"

/* Texts of schemas that several routes share. */
#define SCHEMA_ID "{\"type\":\"string\",\"minLength\":1,\"maxLength\":255}"
#define SCHEMA_TIME "{\"type\":[\"string\",\"integer\",\"null\"]}"
#define SCHEMA_COMMENT "{\"type\":[\"string\",\"null\"],\"maxLength\":10000}"
#define SCHEMA_WEIGHT "{\"type\":[\"number\",\"null\"],\"exclusiveMinimum\":0,\"maximum\":1e9}"
#define SCHEMA_KIND "{\"type\":[\"string\",\"null\"],\"maxLength\":60}"
#define SCHEMA_VALUE_TYPES "\"string\",\"number\",\"boolean\""
/* Names of a text, number or boolean, or of a list of such. */
#define SCHEMA_ATTRIBUTES                                                                                              \
    "{\"type\":[\"object\",\"null\"],\"maxProperties\":200,\"propertyNames\":{\"minLength\":1,\"maxLength\":255},"     \
    "\"additionalProperties\":{\"type\":[" SCHEMA_VALUE_TYPES ",\"array\"],\"maxLength\":1000,\"maxItems\":200,"       \
    "\"items\":{\"type\":[" SCHEMA_VALUE_TYPES "],\"maxLength\":1000}}}"
/* An event of a history that is only answered, in the form of gorse's feedback. */
#define SCHEMA_MOST_EVENTS "5000"
#define SCHEMA_HISTORY_EVENT                                                                                           \
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"ItemId\"],\"properties\":{"                   \
    "\"ItemId\":" SCHEMA_ID ",\"UserId\":{\"type\":\"string\"},\"FeedbackType\":" SCHEMA_KIND                          \
    ",\"Weight\":" SCHEMA_WEIGHT ",\"Timestamp\":" SCHEMA_TIME ",\"Comment\":" SCHEMA_COMMENT "}}"
#define SCHEMA_HISTORY "{\"type\":\"array\",\"maxItems\":" SCHEMA_MOST_EVENTS ",\"items\":" SCHEMA_HISTORY_EVENT "}"

/* false with one line in `why` that names the place, the value and what belongs there: "[3].Weight: a text stands where
 * a number belongs". O(size of the value). */
bool schema_check(const json_t *schema, const json_t *value, char *why, size_t why_size);
/* Whether the body of the call is as its route says; otherwise replies 400, and returns false. */
bool body_is_valid(call *call);

/* Fields of an object that has been checked; `standard` where the field is absent or null. */
const char *body_text(const json_t *object, const char *name, const char *standard);
double body_number(const json_t *object, const char *name, double standard);
size_t body_count(const json_t *object, const char *name, size_t standard);
bool body_flag(const json_t *object, const char *name, bool standard);

#endif
