-- A row instead of a sequence: the single writer holds the lock already.
update order_numbers set last = last + $1 returning last
