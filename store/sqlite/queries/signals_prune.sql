-- the search is another statement, `signals_prunable`, which runs outside of the writer's turn
delete from signals where seq in (select value from json_each($1))
