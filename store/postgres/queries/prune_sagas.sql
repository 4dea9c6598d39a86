-- settled sagas only, with their history; a signal's dedupe id lives on for its thirty days
with old as (
    select id from sagas
    where state in ('COMPLETED', 'COMPENSATED') and updated_at < $1
    limit $2
    for no key update skip locked
), gone as (
    delete from sagas using old where sagas.id = old.id returning sagas.id
), history as (
    delete from saga_log using gone where saga_log.saga_id = gone.id
)
select count(*) as "pruned!" from gone
