select key
from charges
where state = 'requires_action' and key > ?1
order by key
limit ?2
