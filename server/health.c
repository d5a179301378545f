/* SPDX-License-Identifier: Apache-2.0
 *
 * What a supervisor asks: is the process alive, may it be sent requests.
 */
#include "call.h"

static void answer_live(call *request)
{
    reply_json(request, 200, json_pack("{s:s}", "status", "alive"));
}

const route route_live = {
    .method = "GET",
    .path = "/api/health/live",
    .summary = "whether the process answers",
    .permission = PERMIT_ALL,
    .answer = "{\"type\": \"object\", \"properties\": {\"status\": {\"type\": \"string\"}}}",
    .handle = answer_live,
};
