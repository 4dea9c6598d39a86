-- many rows are a JSON document here, arrays in Postgres
insert into admin_actions (at, actor, action, subject, detail, order_id)
select value ->> 'at', value ->> 'actor', value ->> 'action', value ->> 'subject', value ->> 'detail',
       value ->> 'order'
from json_each($1)
