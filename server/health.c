/* SPDX-License-Identifier: Apache-2.0
 *
 * What a supervisor asks: is the process alive, may it be sent requests.
 */
#include <stdio.h>

#include "call.h"
#include "running.h"
#include "worker.h"

static void answer_live(call *request)
{
    reply_json(request, 200, json_pack("{s:s}", "status", "alive"));
}

static void answer_ready(call *request)
{
    server *running = request->server;
    char why[512];
    int64_t version;
    worker *mine = worker_of(running, why, sizeof why);
    if (mine && store_items_version(mine->store, &version) != STORE_OK) {
        snprintf(why, sizeof why, "%s", store_message(mine->store));
        mine = NULL;
    }
    if (!mine) {
        reply_error(request, 503, "store", "the store does not answer: %s", why);
        return;
    }
    generation *in_use = models_acquire(running->models);
    json_t *answer =
        json_pack("{s:s,s:s,s:s}", "status", "ready", "model", in_use->version, "store", store_kind_name(mine->store));
    generation_release(in_use);
    reply_json(request, 200, answer);
}

const route route_ready = {
    .method = "GET",
    .path = "/api/health/ready",
    .summary = "whether requests can be answered: a model is loaded and the store answers",
    .permission = PERMIT_ALL,
    .answer = "{\"type\":\"object\",\"properties\":{\"status\":{\"type\":\"string\"},\"model\":{\"type\":\"string\"},"
              "\"store\":{\"type\":\"string\"}}}",
    .handle = answer_ready,
};

const route route_live = {
    .method = "GET",
    .path = "/api/health/live",
    .summary = "whether the process answers",
    .permission = PERMIT_ALL,
    .answer = "{\"type\": \"object\", \"properties\": {\"status\": {\"type\": \"string\"}}}",
    .quick = true,
    .handle = answer_live,
};
