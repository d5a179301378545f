/* SPDX-License-Identifier: Apache-2.0
 *
 * Replacing the model in use: train a new one, take another file, go back to the one before. Loading takes a while, so
 * the answer comes from the thread that does it.
 */
#include <math.h>
#include <string.h>

#include "call.h"
#include "running.h"

#define ANSWER_IN_USE                                                                                                  \
    "{\"type\":\"object\",\"properties\":{\"model\":{\"type\":\"string\"},\"generation\":{\"type\":\"integer\"}}}"

/* On the retrainer's thread. */
static void answer_replaced(bool good, const char *why, void *user_data)
{
    call *request = user_data;
    if (!good) {
        reply_error(request, 422, "model", "%s; the model in use stays", why);
        return;
    }
    generation *now = models_acquire(request->server->models);
    json_t *answer = json_pack("{s:s, s:I}", "model", now->version, "generation", (json_int_t)now->number);
    generation_release(now);
    reply_json(request, 200, answer);
}

static void swap(call *request)
{
    const char *path = call_parameter(request, "path");
    call_defer(request);
    if (!retrainer_swap(request->server->retrainer, path && *path ? path : NULL, answer_replaced, request))
        reply_error(request, 409, "busy", "another model is being loaded; try again");
}

static void rollback(call *request)
{
    call_defer(request);
    if (!retrainer_rollback(request->server->retrainer, answer_replaced, request))
        reply_error(request, 409, "busy", "another model is being loaded; try again");
}

static void start_training(call *request)
{
    const char *force = call_parameter(request, "force");
    if (strcmp(force, "true") != 0 && strcmp(force, "false") != 0)
        reply_error(request, 400, "parameter", "parameter force: \"%s\" is neither true nor false", force);
    else if (retrainer_request(request->server->retrainer, strcmp(force, "true") == 0))
        reply_json(request, 202, json_pack("{s:s}", "state", "running"));
    else
        reply_error(request, 409, "busy", "a training is under way; GET /api/admin/retrain says when it ends");
}

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *time_or_null(int64_t when)
{
    return when ? json_integer((json_int_t)when) : json_null();
}

static void answer_training(call *request)
{
    const retrain_state state = retrainer_read(request->server->retrainer);
    reply_json(request, 200,
               json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:s, s:I, s:I, s:I}", "state",
                         retrain_outcome_name(state.outcome), "started", time_or_null(state.started), "ended",
                         time_or_null(state.ended), "metric", request->server->options->retrain_metric, "before",
                         number_or_null(state.before), "after", number_or_null(state.after), "message", state.message,
                         "swapped", (json_int_t)state.swapped, "worse", (json_int_t)state.worse, "failed",
                         (json_int_t)state.failed));
}

static const route_parameter retrain_parameters[] = {
    {.name = "force",
     .type = "boolean",
     .standard = "false",
     .help = "true: though the store holds far fewer events than the model was trained on, and even when the new model "
             "is worse or cannot be judged"},
};

static const route_parameter swap_parameters[] = {
    {.name = "path",
     .type = "string",
     .help = "File of a model on the server; without it the server's own model file, read anew"},
};

const route route_admin_swap = {
    .method = "POST",
    .path = "/api/admin/swap",
    .summary = "Loads a model file and puts it into use; 422 with the reason where it cannot be, and nothing changes",
    .permission = PERMIT_ADMIN,
    .parameters = swap_parameters,
    .parameter_count = sizeof swap_parameters / sizeof *swap_parameters,
    .answer = ANSWER_IN_USE,
    .handle = swap,
};

const route route_admin_rollback = {
    .method = "POST",
    .path = "/api/admin/rollback",
    .summary = "Back to the model before the one in use; a second time takes that back",
    .permission = PERMIT_ADMIN,
    .answer = ANSWER_IN_USE,
    .handle = rollback,
};

const route route_admin_retrain = {
    .method = "POST",
    .path = "/api/admin/retrain",
    .summary = "Starts training a new model on the stored events; 409 while one is trained",
    .permission = PERMIT_ADMIN,
    .parameters = retrain_parameters,
    .parameter_count = sizeof retrain_parameters / sizeof *retrain_parameters,
    .answer = "{\"type\":\"object\",\"properties\":{\"state\":{\"type\":\"string\"}}}",
    .handle = start_training,
};

const route route_admin_retrain_state = {
    .method = "GET",
    .path = "/api/admin/retrain",
    .summary = "How the last training went, or that one is under way",
    .permission = PERMIT_ADMIN,
    .answer = "{\"type\":\"object\",\"properties\":{\"state\":{\"enum\":[\"none\",\"running\",\"swapped\",\"worse\","
              "\"failed\"]},\"started\":{\"type\":[\"integer\",\"null\"]},\"ended\":{\"type\":[\"integer\",\"null\"]},"
              "\"metric\":{\"type\":\"string\"},\"before\":{\"type\":[\"number\",\"null\"]},\"after\":{\"type\":["
              "\"number\",\"null\"]},\"message\":{\"type\":\"string\"},\"swapped\":{\"type\":\"integer\"},\"worse\":{"
              "\"type\":\"integer\"},\"failed\":{\"type\":\"integer\"}}}",
    .handle = answer_training,
};
