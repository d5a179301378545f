/* SPDX-License-Identifier: Apache-2.0
 *
 * The page at /: look for an item or a user, see recommendations, similar items, reasons and live figures. Plain HTML
 * and JavaScript that use the same interface as everybody else; nothing is loaded from elsewhere.
 */
#include "page.h"

#include <string.h>

#include "call.h"

static void send_file(call *request, const char *name, const char *type)
{
    const page_file *file = page_files;
    while (file->name && strcmp(file->name, name) != 0)
        file++;
    /* Ids and titles are data of strangers: no script runs but the page's own, and no other site frames it. */
    reply_header(request, "Content-Security-Policy",
                 "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
                 "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    reply_header(request, "X-Content-Type-Options", "nosniff");
    reply_header(request, "Referrer-Policy", "no-referrer");
    reply_header(request, "Cache-Control", "no-cache");
    reply_static(request, type, file->bytes, file->size);
}

static void send_html(call *request)
{
    send_file(request, "index.html", "text/html; charset=utf-8");
}

static void send_script(call *request)
{
    send_file(request, "page.js", "text/javascript; charset=utf-8");
}

static void send_style(call *request)
{
    send_file(request, "page.css", "text/css; charset=utf-8");
}

const route route_page = {.method = "GET",
                          .path = "/",
                          .summary = "A page for looking at recommendations; asks for the key itself",
                          .permission = PERMIT_ALL,
                          .quick = true,
                          .handle = send_html};
const route route_page_script = {.method = "GET",
                                 .path = "/page.js",
                                 .summary = "The page's script",
                                 .permission = PERMIT_ALL,
                                 .quick = true,
                                 .handle = send_script};
const route route_page_style = {.method = "GET",
                                .path = "/page.css",
                                .summary = "The page's style",
                                .permission = PERMIT_ALL,
                                .quick = true,
                                .handle = send_style};
