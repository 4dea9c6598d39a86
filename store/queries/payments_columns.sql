select order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor, settled_manually_minor,
       charge_key, details
from payments
