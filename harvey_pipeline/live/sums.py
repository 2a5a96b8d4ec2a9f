"""Sums in Redis: what is in them and what is told of it change together, by one script.

An event whose id is in the sums already adds nothing, so that everything may be done again.
"""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import polars as pl

from harvey_pipeline.live.keys import (
    COUNTERS_KEPT_SECONDS,
    KEPT_SECONDS,
    SUMS,
    stream_key,
)

_APPLY: Final = """
local batch = cjson.decode(ARGV[1])
local applied = tonumber(redis.call('HGET', KEYS[1], 'lines_appended') or 0)
if applied ~= batch.before then return applied end

-- Texts compare by their bytes here, whatever the server's language.
local function is_less(a, b)
  local shorter = math.min(#a, #b)
  for i = 1, shorter do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local users, days = {}, {}
for _, event in ipairs(batch.events) do
  local day, id, user = event[1], event[2], event[3]
  local at, conversation, tool, sums = event[4], event[5], event[6], event[7]
  local ids = 'harvey:ids:' .. day
  if redis.call('SADD', ids, id) == 1 then
    if not days[day] then
      days[day] = {sums = {}, users = 0}
      for i = 1, #batch.names do days[day].sums[i] = 0 end
      redis.call('EXPIRE', ids, batch.kept)
    end
    local key = 'harvey:live:' .. day .. ':' .. user
    local known = users[key]
    if not known then
      local was = redis.call('HMGET', key, 'first_event_at', 'last_event_at', 'last_id')
      known = {first = was[1], last = was[2], last_id = was[3], sums = {}}
      for i = 1, #batch.names do known.sums[i] = 0 end
      users[key] = known
      if not was[1] then days[day].users = days[day].users + 1 end
    end
    for i = 1, #batch.names do
      known.sums[i] = known.sums[i] + sums[i]
      days[day].sums[i] = days[day].sums[i] + sums[i]
    end
    if not known.first or is_less(at, known.first) then known.first = at end
    if not known.last or is_less(known.last, at)
        or (known.last == at and is_less(known.last_id, id)) then
      known.last, known.last_id = at, id
      known.conversation, known.tool = conversation, tool
    end
  end
end

for key, user in pairs(users) do
  for i, name in ipairs(batch.names) do
    redis.call('HINCRBY', key, name, string.format('%.0f', user.sums[i]))
  end
  redis.call('HSET', key, 'first_event_at', user.first, 'last_event_at', user.last,
    'last_id', user.last_id)
  if user.conversation then
    redis.call('HSET', key, 'conversation_id', user.conversation, 'tool_name', user.tool)
  end
  redis.call('EXPIRE', key, batch.kept)
end
for day, of_day in pairs(days) do
  local key = 'harvey:live:' .. day
  for i, name in ipairs(batch.names) do
    redis.call('HINCRBY', key, name, string.format('%.0f', of_day.sums[i]))
  end
  redis.call('HINCRBY', key, 'users', of_day.users)
  redis.call('EXPIRE', key, batch.kept)
end

redis.call('HINCRBY', KEYS[1], 'entries_read', batch.lines + batch.duplicates)
redis.call('HINCRBY', KEYS[1], 'lines_appended', batch.lines)
redis.call('HINCRBY', KEYS[1], 'duplicates', batch.duplicates)
redis.call('EXPIRE', KEYS[1], batch.counters_kept)
return -1
"""

_DONE: Final = -1

_LINES_AT_ONCE: Final = 50
"""Lines of one call of the script: meanwhile nobody else is answered."""


class OutOfStepError(Exception):
    """Redis knows of other lines than the file has: what is in the file has to be caught up."""


def load_script(redis: Any) -> str:
    """Make the script known to Redis, and return its name."""
    name: str = redis.script_load(_APPLY)
    return name


def apply_lines(
    redis: Any,
    script: str,
    day: date,
    before: int,
    lines: int,
    duplicates: int,
    measured: pl.DataFrame,
) -> None:
    """Add lines of a day's file, which are in it by now, to the counters and the sums.

    Args:
        redis: A client.
        script: The name of the loaded script.
        day: The day of receipt.
        before: Lines of the file that come before these.
        lines: How many lines these are.
        duplicates: Entries that were read, but are in a file already.
        measured: What the accepted ones of the lines add, as `measure` returns it; `line` is the
            place among these lines.

    Raises:
        OutOfStepError: Redis has counted other lines than `before`; the rest was not added.
        redis.RedisError: Redis does not answer, or refuses.
    """
    events = measured.select(
        "line",
        pl.struct("date", "id", "user_id", "at", "conversation_id", "tool_name").alias("told"),
        pl.concat_list(SUMS).alias("sums"),
    ).rows()
    place = 0
    starts = range(0, max(lines, 1), _LINES_AT_ONCE)
    with redis.pipeline(transaction=False) as pipeline:
        for start in starts:
            end = min(start + _LINES_AT_ONCE, lines)
            own = []
            while place < len(events) and events[place][0] < end:
                _, told, sums = events[place]
                own.append([*told.values(), sums])
                place += 1
            batch = {
                "before": before + start,
                "lines": end - start,
                "duplicates": 0 if start else duplicates,
                "names": SUMS,
                "kept": KEPT_SECONDS,
                "counters_kept": COUNTERS_KEPT_SECONDS,
                "events": own,
            }
            text = json.dumps(batch, ensure_ascii=False, separators=(",", ":"))
            pipeline.evalsha(script, 1, stream_key(day), text)
        answers: Sequence[int] = pipeline.execute()
    for start, answer in zip(starts, answers, strict=True):
        if answer != _DONE:
            raise OutOfStepError(
                f"{before + start} lines of {day} were expected to be counted in Redis; "
                f"it has counted {answer}"
            )
