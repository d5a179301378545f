-- SPDX-License-Identifier: Apache-2.0
-- Requests of bench/serve.sh: recommendations for random users of a file, one id a line. Environment: USERS (the file),
-- NUMBER (items asked for), DELAY (mean milliseconds that a connection waits before its next request, exponential; 0 = none),
-- KEY (API key or empty).
local users = {}
for line in io.lines(os.getenv("USERS")) do
    users[#users + 1] = line
end
local number = os.getenv("NUMBER") or "20"
local mean = tonumber(os.getenv("DELAY") or "0")
local headers = {}
if (os.getenv("KEY") or "") ~= "" then
    headers["X-API-Key"] = os.getenv("KEY")
end
local seeded = false

function request()
    if not seeded then
        math.randomseed(os.time())
        seeded = true
    end
    local user = users[math.random(#users)]
    return wrk.format("GET", "/api/recommend/" .. user .. "?n=" .. number, headers)
end

if mean > 0 then
    function delay()
        return math.floor(-mean * math.log(1 - math.random()) + 0.5)
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format("rate %.1f p50 %.3f p99 %.3f p999 %.3f max %.3f requests %d errors %d\n",
        summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        latency:percentile(99.9) / 1e3, latency.max / 1e3, summary.requests,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
