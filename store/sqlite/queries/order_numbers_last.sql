-- a row here, a sequence in Postgres
select last from order_numbers
