-- a sequence here, a row in SQLite
select case when is_called then last_value else 0 end as last from order_number
