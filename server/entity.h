/* SPDX-License-Identifier: Apache-2.0
 *
 * Items and users as the store keeps them, and as requests write them in the form of gorse. What gorse keeps in fields
 * of their own (Labels, Categories, Timestamp, Comment, Subscribe) are attributes here, so that filters know them.
 */
#ifndef TOPN_SERVER_ENTITY_H
#define TOPN_SERVER_ENTITY_H

#include "schema.h"
#include "store.h"

#define SCHEMA_TEXTS                                                                                                   \
    "{\"type\":[\"array\",\"null\"],\"maxItems\":200,\"items\":{\"type\":\"string\",\"maxLength\":1000}}"
#define SCHEMA_LABELS                                                                                                  \
    "{\"type\":[\"array\",\"object\",\"null\"],\"maxItems\":200,\"items\":{\"type\":\"string\",\"maxLength\":1000},"   \
    "\"maxProperties\":200,\"propertyNames\":{\"minLength\":1,\"maxLength\":255},\"additionalProperties\":{\"type\":"  \
    "[" SCHEMA_VALUE_TYPES ",\"array\"],\"maxLength\":1000,\"maxItems\":200,\"items\":{\"type\":[" SCHEMA_VALUE_TYPES  \
    "],\"maxLength\":1000}}}"
#define SCHEMA_COMMON "\"Labels\":" SCHEMA_LABELS ",\"Comment\":" SCHEMA_COMMENT ",\"Attributes\":" SCHEMA_ATTRIBUTES

#define SCHEMA_WRITTEN "{\"type\":\"object\",\"properties\":{\"RowAffected\":{\"type\":\"integer\"}}}"

/* "ItemId", "UserId". */
const char *entity_id_field(entity_kind kind);

/* Handlers of routes, whose bodies have the fields of their kind. */
void entity_put(call *call, entity_kind kind);      /* one, in the body */
void entity_put_many(call *call, entity_kind kind); /* a list of them */
void entity_patch(call *call, entity_kind kind);    /* path[0]: fields that are given replace those there */
void entity_get(call *call, entity_kind kind);      /* path[0] */
void entity_list(call *call, entity_kind kind, const char *field); /* parameters cursor and n */

/* What DELETE leaves of an item that the model knows: hidden, and not shown. */
bool entity_bury(call *call, const char *id, store_status *status);

#endif
