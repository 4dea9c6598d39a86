delete from queues where queue in (select value from json_each(?1))
