-- takes a transaction's number, and more of the disk than work_mem holds; keeps neither
select count(*) from generate_series(1, 20000), (select pg_current_xact_id()) as taken
