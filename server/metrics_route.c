/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "call.h"
#include "metrics.h"

static void answer_metrics(call *request)
{
    size_t size;
    char *text = metrics_text(request->server, &size);
    if (text)
        reply_text(request, "text/plain; version=0.0.4; charset=utf-8", text, size);
    else
        reply_error(request, 500, "memory", "out of memory");
}

const route route_metrics = {
    .method = "GET",
    .path = "/metrics",
    .summary = "what the server counts of itself, in the text format of Prometheus",
    .permission = PERMIT_READ,
    .handle = answer_metrics,
};
