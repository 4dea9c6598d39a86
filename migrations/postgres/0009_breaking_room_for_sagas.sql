-- An order has room for any number of sagas of each kind, and a saga need not serve an order.
--
-- Why it looks like this:
-- * A saga's id is its order's number and 20 bits for its slot, instead of 8. A slot is a kind (its lowest six bits) and a
--   number, so there can be 16,384 messages, refunds or returns of each kind. From 2^62 on, ids belong to no order.
-- * New ids lie where others had theirs, so they are moved in two steps, the first of which makes them negative.
-- * Keys of calls do not contain these ids: what was sent before is found again.
-- * It breaks older binaries: they look for the sagas of an order where they no longer are.

create function pg_temp.moved(id bigint) returns bigint language sql immutable as $$
    select -((id >> 8 << 20) | case
        when id & 255 between 32 and 47 then ((id & 255) - 32) * 64 + 32
        when id & 255 >= 64 then ((id & 255) - 64) * 64 + 48
        else id & 255
    end)
$$;

update sagas set id = pg_temp.moved(id);
update sagas set id = -id;
update saga_log set saga_id = pg_temp.moved(saga_id);
update saga_log set saga_id = -saga_id;
update signals set saga_id = pg_temp.moved(saga_id);
update signals set saga_id = -saga_id;
update notifications set saga_id = pg_temp.moved(saga_id);
update notifications set saga_id = -saga_id;
update refunds set saga_id = pg_temp.moved(saga_id);
update refunds set saga_id = -saga_id;

-- Histories and acts name sagas, too.
update saga_log
set entries = regexp_replace(entries::text, '("late_capture": ?"[0-9]+)\.' || (64 + n) || '"',
                             '\1.' || (n * 64 + 48) || '"')::json
from generate_series(0, 63) as n
where entries::text ~ ('"late_capture": ?"[0-9]+\.' || (64 + n) || '"');

update admin_actions
set subject = split_part(subject, '.', 1) || '.' || case
    when split_part(subject, '.', 2)::integer between 32 and 47 then (split_part(subject, '.', 2)::integer - 32) * 64 + 32
    else (split_part(subject, '.', 2)::integer - 64) * 64 + 48
end
where subject ~ '^saga [0-9]+\.[0-9]{1,3}$' and split_part(subject, '.', 2)::integer >= 32;
