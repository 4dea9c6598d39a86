-- The first time stays.
update notifications set read_at = ?3
where saga_id = ?1
  and read_at is null
  and exists (select 1 from orders where orders.id = ?1 >> 8 and (?2 is null or orders.customer = ?2))
