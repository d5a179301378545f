/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/log.h"
#include "server/options.h"
#include "server/server.h"
#include "session.h"

static const own_option own_options[] = {
    {"port", 0, "PORT", "8088", "port to listen at; 0 takes any free one, which the first line printed names"},
    {"address", 0, "ADDRESS", "127.0.0.1", "numeric address to listen at; any but a loopback one needs --keys"},
    {"store", 0, "PATH|postgresql://…", "",
     "where events, items and users are kept: a file of SQLite, or a database of PostgreSQL that several servers may "
     "share; without this MODEL.events"},
    {"keys", 0, "FILE", "", "API keys that may ask, one a line: name, read or write or admin, key"},
    {"tls-certificate", 0, "FILE", "", "serve HTTPS with this certificate (PEM, its chain behind it)"},
    {"tls-key", 0, "FILE", "", "the certificate's private key (PEM)"},
    {"item-attributes", 0, "FILE", "", "side file of attributes of items, for filters"},
    {"retriever", 0, "NAME", "exact",
     "how answers are found: exact, or an index that \"topn index\" put into the model"},
    {"workers", 0, "N", "0", "threads that answer; 0 takes one a processor"},
    {"max-body", 0, "SIZE", "1M", "bytes of a request's body"},
    {"max-header", 0, "SIZE", "16K", "bytes of a request's line and header"},
    {"max-batch", 0, "N", "1000", "events, items or users in one request"},
    {"max-number", 0, "N", "1000", "items in one answer"},
    {"max-connections", 0, "N", "1000", "connections at once; more wait"},
    {"connection-timeout", 0, "TIME", "30s", "idle connections are closed after this, slow requests after twice this"},
    {"rate", 0, "N", "0", "requests a second of one key (without keys: of one address); 0 sets no limit"},
    {"retrain-every", 0, "TIME", "0", "train a new model from the store so often (30m, 6h, 1d); 0 only on request"},
    {"retrain-margin", 0, "SHARE", "0.01", "a new model may be worse by this share of the metric"},
    {"retrain-metric", 0, "METRIC", "ndcg@20", "metric of a new model on held-back events"},
    {"retain", 0, "TIME", "0", "delete events older than this (90d); 0 keeps all"},
    {"log-ids", 0, NULL, "", "log the whole path of requests, in which ids of users and items stand"},
};

/* A number with a unit out of `units`, by which it is multiplied; within minimum … maximum. */
typedef struct unit {
    const char *name;
    double factor;
} unit;

static const unit times[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}, {"", 1}, {NULL, 0}};
static const unit sizes[] = {{"K", 1024}, {"M", 1048576}, {"G", 1073741824}, {"", 1}, {NULL, 0}};
static const unit none[] = {{"", 1}, {NULL, 0}};

static int read_number(const struct session *session, const char *name, const unit *units, double minimum,
                       double maximum, double *out)
{
    const char *text = session_value(session, name);
    char *end;
    const double value = strtod(text, &end);
    const unit *found = units;
    while (found->name && strcmp(found->name, end) != 0)
        found++;
    *out = value * found->factor;
    if (end != text && found->name && *out >= minimum && *out <= maximum)
        return CODE_DONE;
    return complain(CODE_USAGE, "option --%s: \"%s\" is not within %g … %g%s", name, text, minimum, maximum,
                    units == times   ? " seconds; 90s, 30m, 6h or 7d is a time"
                    : units == sizes ? " bytes; 65536, 64K or 1M is a size"
                                     : "");
}

static int read_size(const struct session *session, const char *name, double minimum, double maximum, size_t *out)
{
    double value = 0;
    const int code = read_number(session, name, sizes, minimum, maximum, &value);
    *out = (size_t)value;
    return code;
}

static int read_options(const struct session *session, server_options *out)
{
    int code;
    size_t port, workers;
    double timeout;
    out->model = session_operand(session, 0);
    out->address = session_value(session, "address");
    out->store = session_value(session, "store");
    out->keys = session_value(session, "keys");
    out->tls_certificate = session_value(session, "tls-certificate");
    out->tls_key = session_value(session, "tls-key");
    out->items = session_value(session, "item-attributes");
    out->retriever = session_value(session, "retriever");
    out->retrain_metric = session_value(session, "retrain-metric");
    out->log_ids = session_flag(session, "log-ids");
    STEP(session_count(session, "port", 0, 65535, &port));
    STEP(session_count(session, "workers", 0, 1024, &workers));
    STEP(session_count(session, "max-batch", 1, 1000000, &out->max_batch));
    STEP(session_count(session, "max-number", 1, 1000000, &out->max_n));
    STEP(session_count(session, "max-connections", 1, 1000000, &out->max_connections));
    STEP(read_size(session, "max-body", 64, 1 << 30, &out->max_body));
    STEP(read_size(session, "max-header", 512, 1 << 20, &out->max_header));
    STEP(read_number(session, "connection-timeout", times, 1, 86400, &timeout));
    STEP(read_number(session, "rate", none, 0, 1e9, &out->rate));
    STEP(read_number(session, "retrain-every", times, 0, 1e9, &out->retrain_seconds));
    STEP(read_number(session, "retrain-margin", none, 0, 1, &out->retrain_margin));
    STEP(read_number(session, "retain", times, 0, 1e10, &out->retain_seconds));
    out->port = (uint16_t)port;
    out->workers = (int)workers;
    out->connection_seconds = (unsigned)ceil(timeout);
done:
    return code;
}

static int run(struct session *session)
{
    int code;
    server_options options = server_options_default();
    STEP(session_apply(session, NULL));
    STEP(read_options(session, &options));
    log_quiet(session->quiet);
    code = server_run(&options);
done:
    return code;
}

const struct command command_serve = {
    .name = "serve",
    .summary = "answer requests over HTTP",
    .usage = "MODEL [options]",
    .description =
        "Serves recommendations of a model as JSON over HTTP/1.1 and takes events, which change the next answer. "
        "GET /openapi.json describes the interface. SIGTERM stops the server after the requests under way have been "
        "answered and all events are on disk; SIGHUP loads the model file and the keys anew.",
    .example =
        "topn serve films.safetensors\n"
        "curl http://127.0.0.1:8088/api/health/ready\n"
        "topn serve films.safetensors --address 0.0.0.0 --keys keys.txt --tls-certificate cert.pem --tls-key key.pem",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
