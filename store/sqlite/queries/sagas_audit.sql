select id, state from sagas where id between $1 and $2 order by id
