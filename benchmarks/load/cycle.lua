-- For wrk: sends the bodies of a file, one per line, in a cycle, and reports a line of JSON.

local requests, last = {}, 0

function init(arguments)
  for body in io.lines(arguments[1]) do
    local headers = { ["Content-Type"] = "application/json" }
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

-- Latencies and the duration are in microseconds.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p95": %d, "p99": %d, ' ..
      '"statuses": %d, "timeouts": %d, "sockets": %d}\n',
    summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99),
    errors.status, errors.timeout, errors.connect + errors.read + errors.write))
end
