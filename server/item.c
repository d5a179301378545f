/* SPDX-License-Identifier: Apache-2.0
 *
 * Items: titles, attributes for filters, and whether they may be recommended.
 */
#include "answer.h"
#include "entity.h"
#include "running.h"
#include "worker.h"

static void put_item(call *request)
{
    entity_put(request, ENTITY_ITEM);
}

static void put_items(call *request)
{
    entity_put_many(request, ENTITY_ITEM);
}

static void patch_item(call *request)
{
    entity_patch(request, ENTITY_ITEM);
}

static void get_item(call *request)
{
    entity_get(request, ENTITY_ITEM);
}

static void list_items(call *request)
{
    entity_list(request, ENTITY_ITEM, "Items");
}

/* An item that the model knows stays hidden, or it would be recommended again. */
static void delete_item(call *request)
{
    store_status status;
    if (!call_worker(request))
        return;
    if (!entity_bury(request, request->path[0], &status))
        status = store_remove(request->worker->store, ENTITY_ITEM, request->path[0]);
    if (status != STORE_OK && status != STORE_NOT_FOUND) {
        reply_store(request, status, store_message(request->worker->store));
        return;
    }
    items_touch(request->server->items);
    reply_json(request, 200, json_pack("{s:i}", "RowAffected", status == STORE_OK));
}

#define SCHEMA_ITEM_OTHERS                                                                                             \
    "\"IsHidden\":{\"type\":[\"boolean\",\"null\"]},\"Title\":{\"type\":[\"string\",\"null\"],\"maxLength\":1000},"    \
    "\"Categories\":" SCHEMA_TEXTS ",\"Timestamp\":" SCHEMA_TIME "," SCHEMA_COMMON
#define SCHEMA_ITEM                                                                                                    \
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"ItemId\"],\"properties\":{"                   \
    "\"ItemId\":" SCHEMA_ID "," SCHEMA_ITEM_OTHERS "}}"

static const route_parameter list_parameters[] = {
    {.name = "cursor", .type = "string", .help = "the Cursor of the page before"},
    {.name = "n", .type = "integer", .standard = "100", .help = "items of a page, 1 to 1000"}};

const route route_item_put = {
    .method = "POST",
    .path = "/api/item",
    .summary = "An item with title and attributes, in place of what was there",
    .permission = PERMIT_WRITE,
    .body = SCHEMA_ITEM,
    .answer = SCHEMA_WRITTEN,
    .handle = put_item,
};

const route route_items_put = {
    .method = "POST",
    .path = "/api/items",
    .summary = "Many items, all of them or none",
    .permission = PERMIT_WRITE,
    .body = "{\"type\":\"array\",\"minItems\":1,\"items\":" SCHEMA_ITEM "}",
    .answer = SCHEMA_WRITTEN,
    .handle = put_items,
};

const route route_items_list = {
    .method = "GET",
    .path = "/api/items",
    .summary = "The items that were put, in byte order of ids, page by page",
    .permission = PERMIT_READ,
    .parameters = list_parameters,
    .parameter_count = sizeof list_parameters / sizeof *list_parameters,
    .answer = "{\"type\":\"object\",\"properties\":{\"Cursor\":{\"type\":\"string\"},\"Items\":{\"type\":\"array\","
              "\"items\":" SCHEMA_ITEM "}}}",
    .handle = list_items,
};

const route route_item_get = {
    .method = "GET",
    .path = "/api/item/{item}",
    .summary = "An item as it was put",
    .permission = PERMIT_READ,
    .answer = SCHEMA_ITEM,
    .handle = get_item,
};

const route route_item_patch = {
    .method = "PATCH",
    .path = "/api/item/{item}",
    .summary = "Changes the fields that are given",
    .permission = PERMIT_WRITE,
    .body = "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" SCHEMA_ITEM_OTHERS "}}",
    .answer = SCHEMA_WRITTEN,
    .handle = patch_item,
};

const route route_item_delete = {
    .method = "DELETE",
    .path = "/api/item/{item}",
    .summary = "Removes what was put of an item; it is not recommended until it is put again",
    .permission = PERMIT_WRITE,
    .answer = SCHEMA_WRITTEN,
    .handle = delete_item,
};
