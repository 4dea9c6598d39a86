insert into admin_actions (at, actor, action, subject, detail)
select value ->> 'at', value ->> 'actor', value ->> 'action', value ->> 'subject', value ->> 'detail'
from json_each(?1)
