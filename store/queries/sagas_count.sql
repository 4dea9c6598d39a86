select definition, state, count(*) as sagas from sagas group by definition, state order by definition, state
