/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "http_state.h"
#include "listen.h"
#include "log.h"
#include "metrics.h"
#include "text.h"

enum {
    BODIES_AT_ONCE = 64,    /* bodies of the greatest size that may be in memory at once */
    DRAINED = 4,            /* of a refused body so many times the limit are read, that the client reads the answer */
    SPARE_DESCRIPTORS = 64, /* files beside the connections */
    WORKERS_A_READER = 4,
    POOL_BESIDE_HEADER = 8192, /* bytes of a connection for the answer's header and libmicrohttpd's lists */
};

/* ---- The life of a request ----------------------------------------------------------------------------------- */

/* As soon as the request line is there; what it returns is the request's *con_cls. */
static void *on_line(void *cls, const char *uri, struct MHD_Connection *from)
{
    exchange *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->http = cls;
    made->connection = from;
    made->call.server = made->http->server;
    made->call.transport = made;
    made->uri = strdup(uri);
    target_parse(uri, &made->target, &made->fault);
    return made;
}

static void record(const exchange *ended, bool answered)
{
    const call *request = &ended->call;
    size_t index = 0;
    while (request->route && route_at(index) != request->route)
        index++;
    const uint64_t end = ended->replied ? ended->replied : exchange_clock();
    const log_request line = {
        .number = request->number,
        .method = ended->method,
        .route = request->route ? request->route->path : NULL,
        .target = request->server->options->log_ids ? ended->uri : NULL,
        .status = answered ? ended->status : 0,
        .bytes = ended->answer_size,
        .microseconds = end - ended->began,
        .key = *ended->key_name ? ended->key_name : NULL,
    };
    log_answered(&line);
    metrics_request(request->server, request->route ? index : SIZE_MAX, line.status, line.microseconds);
    atomic_fetch_sub(&ended->http->under_way, 1);
}

static void on_end(void *cls, struct MHD_Connection *from, void **con_cls, enum MHD_RequestTerminationCode code)
{
    http *host = cls;
    exchange *ended = *con_cls;
    *con_cls = NULL;
    connection_turn(from, CONNECTION_READS);
    if (!ended)
        return;
    atomic_fetch_sub(&host->body_bytes, ended->capacity);
    if (ended->begun)
        record(ended, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    if (ended->response)
        MHD_destroy_response(ended->response);
    json_decref(ended->call.body);
    target_clear(&ended->target);
    free(ended->body);
    free(ended->uri);
    free(ended);
}

/* Room for `size` bytes and a NUL; replies when there is none. */
static bool reserve(exchange *one, size_t size)
{
    http *host = one->http;
    if (size < one->capacity)
        return true;
    const size_t limit = host->server->options->max_body;
    size_t wanted = one->capacity ? one->capacity * 2 : 1024;
    wanted = wanted > size ? wanted : size + 1;
    wanted = wanted < limit + 1 ? wanted : limit + 1;
    const size_t added = wanted - one->capacity;
    char *larger = NULL;
    if (atomic_fetch_add(&host->body_bytes, added) + added <= (limit + 1) * BODIES_AT_ONCE)
        larger = realloc(one->body, wanted);
    if (!larger) {
        atomic_fetch_sub(&host->body_bytes, added);
        reply_header(&one->call, "Retry-After", "1");
        reply_error(&one->call, 503, "busy", "too many large requests at once; try again");
        return false;
    }
    one->body = larger;
    one->capacity = wanted;
    return true;
}

/* A part of the body. false: too much of a body that nobody wants, the connection may go. */
static bool take_body(exchange *one, const char *bytes, size_t size)
{
    const size_t limit = one->http->server->options->max_body;
    if (!one->response && one->size + size > limit)
        reply_error(&one->call, 413, "body", "the body has more than %zu bytes, which is what --max-body allows",
                    limit);
    if (!one->response && reserve(one, one->size + size)) {
        memcpy(one->body + one->size, bytes, size);
        one->size += size;
        return true;
    }
    one->dropped += size;
    return one->dropped <= limit * DRAINED;
}

static bool parse_body(exchange *one)
{
    call *request = &one->call;
    json_error_t error;
    if (!request->route->body)
        return true;
    request->raw = one->body ? one->body : "";
    request->raw_size = one->size;
    request->body = json_loadb(request->raw, request->raw_size, JSON_REJECT_DUPLICATES, &error);
    if (request->body)
        return true;
    if (!request->raw_size)
        reply_error(request, 400, "body", "%s %s takes a JSON body; there was none", request->route->method,
                    request->route->path);
    else
        reply_error(request, 400, "json", "body, line %d, column %d: %s", error.line, error.column, error.text);
    return false;
}

/* The exchange may be gone once its handler has replied. */
static void run(exchange *one)
{
    call *request = &one->call;
    http *host = one->http;
    bool settled = false;
    one->settled = &settled;
    /* Counted before the gate is looked at, and looked at in turn after the gate is closed: one of both sees the other.
     */
    atomic_fetch_add(&host->handlers, 1);
    if (atomic_load(&host->closed))
        reply_error(request, 503, "stopping", "the server is stopping");
    else if (parse_body(one))
        request->route->handle(request);
    atomic_fetch_sub(&host->handlers, 1);
    if (!settled)
        reply_error(request, 500, "internal", "%s %s gave no answer: a defect of this server", request->route->method,
                    request->route->path);
}

/* Here, or on whichever thread of the pool is free next. */
static void start(exchange *one)
{
    if (one->call.route->quick) {
        run(one);
        return;
    }
    call_defer(&one->call);
    if (!pool_push(one->http->pool, one))
        reply_error(&one->call, 503, "stopping", "the server is stopping");
}

static enum MHD_Result queue_answer(exchange *one)
{
    if (one->queued || !one->response)
        return one->queued ? MHD_YES : MHD_NO;
    one->queued = true;
    connection_turn(one->connection, CONNECTION_SENDS);
    if (atomic_load(&one->http->quiesced))
        MHD_add_response_header(one->response, "Connection", "close");
    return MHD_queue_response(one->connection, (unsigned)one->status, one->response);
}

/* Refused bodies are read all the same where they are short: a connection closed on a client that still sends takes
 * the answer with it. */
static enum MHD_Result begin(exchange *one, const char *method)
{
    one->begun = true;
    one->began = exchange_clock();
    snprintf(one->method, sizeof one->method, "%s", method);
    one->call.number = atomic_fetch_add(&one->http->numbers, 1) + 1;
    atomic_fetch_add(&one->http->under_way, 1);
    admit(one, method);
    if (!one->response)
        return MHD_YES;
    const char *length = call_header(&one->call, "Content-Length");
    unsigned long long bytes = 0;
    const bool huge =
        length && (!text_number(length, &bytes) || bytes > one->http->server->options->max_body * DRAINED);
    const bool unsure = one->status == 501; /* where its body would end */
    return huge || unsure || call_header(&one->call, "Expect") ? queue_answer(one) : MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *from, const char *url, const char *method,
                                  const char *version, const char *bytes, size_t *size, void **con_cls)
{
    (void)cls;
    (void)from;
    (void)url;
    (void)version;
    exchange *one = *con_cls;
    if (!one)
        return MHD_NO;
    if (!one->begun)
        return begin(one, method);
    if (*size) {
        const bool kept = take_body(one, bytes, *size);
        *size = 0;
        return kept ? MHD_YES : MHD_NO;
    }
    if (!one->handled && !one->response) {
        one->handled = true;
        connection_turn(one->connection, CONNECTION_WORKS);
        const bool quick = one->call.route->quick;
        start(one);
        if (!quick || one->deferred)
            return MHD_YES; /* comes back here when it is resumed, which it may be by now */
    }
    return queue_answer(one);
}

/* Targets are decoded in target.c, once. */
static size_t leave_escaped(void *cls, struct MHD_Connection *from, char *text)
{
    (void)cls;
    (void)from;
    return strlen(text);
}

/* ---- Start and stop ------------------------------------------------------------------------------------------ */

static void drop_complaint(void *cls, const char *format, va_list arguments)
{
    (void)cls;
    (void)format;
    (void)arguments;
}

/* The whole text of a file. NULL with `why`. */
static char *read_text(const char *option, const char *path, char *why, size_t why_size)
{
    enum { LIMIT = 1 << 20 };
    FILE *file = fopen(path, "re");
    char *text = file ? malloc(LIMIT) : NULL;
    const size_t size = text ? fread(text, 1, LIMIT, file) : 0;
    const bool whole = text && !ferror(file) && size < LIMIT;
    if (whole)
        text[size] = '\0';
    else
        snprintf(why, why_size, "%s %s: %s", option, path, file ? "cannot be read whole" : "cannot be opened");
    if (file)
        fclose(file);
    if (!whole)
        free(text);
    return whole ? text : NULL;
}

static bool raise_descriptors(size_t connections, char *why, size_t why_size)
{
    struct rlimit limit;
    const rlim_t needed = connections + SPARE_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return true;
    limit.rlim_cur = needed;
    if (limit.rlim_cur <= limit.rlim_max && setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return true;
    snprintf(why, why_size,
             "--max-connections %zu needs %llu open files and this process may have %llu; lower it, or "
             "raise the limit (ulimit -n)",
             connections, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
    return false;
}

static size_t workers_of(const server_options *options)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t workers = options->workers > 0 ? (size_t)options->workers : processors > 0 ? (size_t)processors : 1;
    return workers < options->max_connections ? workers : options->max_connections;
}

/* libmicrohttpd's threads only read and send: one does for several that compute. */
static struct MHD_Daemon *start_daemon(http *host)
{
    const server_options *options = host->server->options;
    const unsigned readers = (unsigned)((workers_of(options) + WORKERS_A_READER - 1) / WORKERS_A_READER);
    const struct MHD_OptionItem secure[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, host->certificate},
                                            {MHD_OPTION_HTTPS_MEM_KEY, 0, host->key},
                                            {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem several[] = {{MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)readers, NULL},
                                             {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                           (host->certificate ? MHD_USE_TLS : 0);
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, host, MHD_OPTION_EXTERNAL_LOGGER, drop_complaint, NULL,
        MHD_OPTION_LISTEN_SOCKET, host->socket, MHD_OPTION_URI_LOG_CALLBACK, on_line, host,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_end, host,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changed, host, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_CONNECTION_TIMEOUT, options->connection_seconds,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)options->max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        2 * options->max_header + POOL_BESIDE_HEADER, MHD_OPTION_ARRAY, readers > 1 ? several : none, MHD_OPTION_ARRAY,
        host->certificate ? secure : none, MHD_OPTION_END);
}

bool http_reload_keys(http *host, char *why, size_t why_size)
{
    const char *path = host->server->options->keys;
    keys *fresh = path ? keys_read(path, why, why_size) : NULL;
    if (path && !fresh)
        return false;
    pthread_rwlock_wrlock(&host->keys_lock);
    keys *old = host->keys;
    host->keys = fresh;
    pthread_rwlock_unlock(&host->keys_lock);
    keys_free(old);
    return true;
}

static bool read_certificate(http *host, char *why, size_t why_size)
{
    const server_options *options = host->server->options;
    if (!options->tls_certificate)
        return true;
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
        snprintf(why, why_size, "--tls-certificate: this libmicrohttpd was built without TLS");
        return false;
    }
    host->certificate = read_text("--tls-certificate", options->tls_certificate, why, why_size);
    host->key = host->certificate ? read_text("--tls-key", options->tls_key, why, why_size) : NULL;
    return host->key;
}

static bool prepare(http *host, char *why, size_t why_size)
{
    const server_options *options = host->server->options;
    if (options->keys && !http_reload_keys(host, why, why_size))
        return false;
    host->rates = options->rate > 0 ? rates_create(options->rate) : NULL;
    if (options->rate > 0 && !host->rates) {
        snprintf(why, why_size, "out of memory");
        return false;
    }
    if (!raise_descriptors(options->max_connections, why, why_size) || !read_certificate(host, why, why_size))
        return false;
    host->socket = listen_at(options->address, options->port, &host->port, why, why_size);
    return host->socket >= 0;
}

static void http_free(http *host)
{
    pool_free(host->pool);
    if (host->socket >= 0)
        close(host->socket);
    keys_free(host->keys);
    rates_free(host->rates);
    pthread_rwlock_destroy(&host->keys_lock);
    free(host->certificate);
    if (host->key)
        explicit_bzero(host->key, strlen(host->key));
    free(host->key);
    pthread_mutex_destroy(&host->lock);
    free(host);
}

http *http_create(struct server *running, char *why, size_t why_size)
{
    http *made = calloc(1, sizeof *made);
    if (!made) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    made->server = running;
    made->socket = -1;
    pthread_mutex_init(&made->lock, NULL);
    pthread_rwlock_init(&made->keys_lock, NULL);
    if (prepare(made, why, why_size))
        return made;
    http_free(made);
    return NULL;
}

bool http_start(http *host, char *where, size_t where_size, char *why, size_t why_size)
{
    const char *address = host->server->options->address;
    host->pool = pool_start(workers_of(host->server->options), run);
    if (!host->pool) {
        snprintf(why, why_size, "%zu threads cannot be had; give --workers fewer", workers_of(host->server->options));
        return false;
    }
    host->daemon = start_daemon(host);
    if (!host->daemon) {
        snprintf(why, why_size, "libmicrohttpd does not start%s",
                 host->certificate ? "; are --tls-certificate and --tls-key a pair of PEM files?" : "");
        return false;
    }
    const bool six = strchr(address, ':') != NULL;
    snprintf(where, where_size, "%s://%s%s%s:%u", host->certificate ? "https" : "http", six ? "[" : "", address,
             six ? "]" : "", (unsigned)host->port);
    return true;
}

/* MHD_quiesce_daemon is not for this: in 0.9.75 it and a worker may both take the socket out of the worker's epoll set,
 * and whoever comes second ends the process. In place of that the socket's number gets a file on which nothing ever
 * happens. The kernel closes what listened, and takes it out of the sets. */
void http_quiesce(http *host)
{
    if (!host || !host->daemon || atomic_exchange(&host->quiesced, true))
        return;
    const int nothing = eventfd(0, EFD_CLOEXEC);
    if (nothing < 0)
        return; /* out of files: new connections are answered for as long as this takes */
    dup3(nothing, host->socket, O_CLOEXEC);
    close(nothing);
}

size_t http_under_way(const http *host)
{
    return host ? atomic_load(&host->under_way) : 0;
}

size_t http_connections(const http *host)
{
    return atomic_load(&host->connected);
}

size_t http_body_bytes(const http *host)
{
    return atomic_load(&host->body_bytes);
}

void http_close_gate(http *host)
{
    if (!host)
        return;
    http_quiesce(host);
    atomic_store(&host->closed, true);
    while (atomic_load(&host->handlers))
        usleep(1000);
    if (host->pool)
        pool_stop(host->pool);
}

void http_stop(http *host)
{
    if (!host)
        return;
    http_quiesce(host);
    if (host->daemon) {
        MHD_stop_daemon(host->daemon);
        host->socket = -1; /* closed there */
    }
    http_free(host);
}
