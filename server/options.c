/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <stdio.h>

#include "listen.h"

server_options server_options_default(void)
{
    return (server_options){
        .address = "127.0.0.1",
        .port = 8088,
        .retriever = "exact",
        .max_body = 1 << 20,
        .max_batch = 1000,
        .max_n = 1000,
        .max_connections = 1000,
        .max_header = 16 << 10,
        .connection_seconds = 30,
        .retrain_margin = 0.01,
        .retrain_metric = "ndcg@20",
    };
}

bool server_options_check(const server_options *options, char *why, size_t why_size)
{
    if (!options->tls_certificate != !options->tls_key) {
        snprintf(why, why_size, "--tls-certificate and --tls-key belong together: name both files or none");
        return false;
    }
    if (!options->keys && !listen_is_loopback(options->address)) {
        snprintf(why, why_size,
                 "--address %s lets other machines in, which needs --keys FILE; without keys only a loopback address "
                 "such as 127.0.0.1 is served",
                 options->address);
        return false;
    }
    return true;
}
