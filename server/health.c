/* SPDX-License-Identifier: Apache-2.0
 *
 * What a supervisor asks: is the process alive, may it be sent requests.
 */
#include <string.h>

#include "call.h"
#include "running.h"

static void answer_live(call *request)
{
    reply_json(request, 200, json_pack("{s:s}", "status", "alive"));
}

static void answer_ready(call *request)
{
    generation *in_use = models_acquire(request->server->models);
    char version[sizeof in_use->version];
    memcpy(version, in_use->version, sizeof version);
    generation_release(in_use);
    reply_json(request, 200, json_pack("{s:s,s:s}", "status", "ready", "model", version));
}

const route route_ready = {
    .method = "GET",
    .path = "/api/health/ready",
    .summary = "whether requests can be answered: a model is loaded and the store answers",
    .permission = PERMIT_ALL,
    .answer = "{\"type\":\"object\",\"properties\":{\"status\":{\"type\":\"string\"},\"model\":{\"type\":\"string\"}}}",
    .handle = answer_ready,
};

const route route_live = {
    .method = "GET",
    .path = "/api/health/live",
    .summary = "whether the process answers",
    .permission = PERMIT_ALL,
    .answer = "{\"type\": \"object\", \"properties\": {\"status\": {\"type\": \"string\"}}}",
    .handle = answer_live,
};
