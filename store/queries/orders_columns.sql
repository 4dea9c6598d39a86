select id, status, cancel_reason, method, cart_id, customer, contact, shipping_address, notes, total_minor,
       currency, accepted_at, updated_at
from orders
