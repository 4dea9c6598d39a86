select key
from charges
where state = 'requires_action'
order by key
