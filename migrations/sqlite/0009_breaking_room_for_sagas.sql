-- An order has room for any number of sagas of each kind, and a saga need not serve an order.
--
-- Why it looks like this:
-- * A saga's id is its order's number and 20 bits for its slot, instead of 8. A slot is a kind (its lowest six bits) and a
--   number, so there can be 16,384 messages, refunds or returns of each kind. From 2^62 on, ids belong to no order.
-- * New ids lie where others had theirs, so they are moved in two steps, the first of which makes them negative.
-- * Keys of calls do not contain these ids: what was sent before is found again.
-- * It breaks older binaries: they look for the sagas of an order where they no longer are.

update sagas set id = -(((id >> 8) << 20) | case
    when id & 255 between 32 and 47 then ((id & 255) - 32) * 64 + 32
    when id & 255 >= 64 then ((id & 255) - 64) * 64 + 48
    else id & 255
end);
update sagas set id = -id;
update saga_log set saga_id = -(((saga_id >> 8) << 20) | case
    when saga_id & 255 between 32 and 47 then ((saga_id & 255) - 32) * 64 + 32
    when saga_id & 255 >= 64 then ((saga_id & 255) - 64) * 64 + 48
    else saga_id & 255
end);
update saga_log set saga_id = -saga_id;
update signals set saga_id = -(((saga_id >> 8) << 20) | case
    when saga_id & 255 between 32 and 47 then ((saga_id & 255) - 32) * 64 + 32
    when saga_id & 255 >= 64 then ((saga_id & 255) - 64) * 64 + 48
    else saga_id & 255
end);
update signals set saga_id = -saga_id;
update notifications set saga_id = -(((saga_id >> 8) << 20) | case
    when saga_id & 255 between 32 and 47 then ((saga_id & 255) - 32) * 64 + 32
    when saga_id & 255 >= 64 then ((saga_id & 255) - 64) * 64 + 48
    else saga_id & 255
end);
update notifications set saga_id = -saga_id;
update refunds set saga_id = -(((saga_id >> 8) << 20) | case
    when saga_id & 255 between 32 and 47 then ((saga_id & 255) - 32) * 64 + 32
    when saga_id & 255 >= 64 then ((saga_id & 255) - 64) * 64 + 48
    else saga_id & 255
end);
update refunds set saga_id = -saga_id;

-- Histories and acts name sagas, too.
update saga_log
set entries = replace(entries, '"late_capture":"' || (saga_id >> 20) || '.' || (64 + n) || '"',
                      '"late_capture":"' || (saga_id >> 20) || '.' || (n * 64 + 48) || '"')
from (with recursive numbers (n) as (select 0 union all select n + 1 from numbers where n < 63)
      select n from numbers) as numbers
where instr(entries, '"late_capture":"' || (saga_id >> 20) || '.' || (64 + n) || '"') > 0;

update admin_actions
set subject = substr(subject, 1, instr(subject, '.')) || case
    when cast(substr(subject, instr(subject, '.') + 1) as integer) between 32 and 47
        then (cast(substr(subject, instr(subject, '.') + 1) as integer) - 32) * 64 + 32
    else (cast(substr(subject, instr(subject, '.') + 1) as integer) - 64) * 64 + 48
end
where subject like 'saga %.%' and cast(substr(subject, instr(subject, '.') + 1) as integer) >= 32;
