-- wrk's side of tests/bench/scale.py: asks for the lines of a file in turn, and prints what a program can read.

local paths = {}
local at = 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    paths[#paths + 1] = line
  end
end

function request()
  at = at % #paths + 1
  return wrk.format("GET", paths[at])
end

function response(status)
  if status >= 400 then
    refused = (refused or 0) + 1
    first = first or paths[at]
  end
end

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function done(summary, latency)
  local refusals, path = 0, "-"
  for _, thread in ipairs(threads) do
    refusals = refusals + (thread:get("refused") or 0)
    path = thread:get("first") or path
  end
  print(string.format("RESULT %d %d %.3f %.3f %d %s", summary.requests, summary.duration,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000,
    refusals + summary.errors.connect + summary.errors.read + summary.errors.timeout, path))
end
