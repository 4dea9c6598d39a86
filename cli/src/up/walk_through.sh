# Two helpers: one buys two mugs as a guest, the other waits until an order has a status.
buy() {
  cart=$(curl -sSf -X POST "$URL/v1/carts" | sed 's/.*"id":"\([^"]*\)".*/\1/')
  curl -sSf -o /dev/null -X PUT "$URL/v1/carts/$cart/items/mug-01" -H 'content-type: application/json' -d '{"quantity": 2}'
  curl -sSf -X POST "$URL/v1/checkout" -H "idempotency-key: $cart" -H 'content-type: application/json' -d '{
    "cart_id": "'"$cart"'", "payment": '"$1"', "contact": {"email": "guest@example.com"},
    "shipping_address": {"name": "A. Guest", "line1": "1 High Street", "city": "Springfield", "postal_code": "12345", "country": "US"}
  }' | sed 's/.*"id":"\([^"]*\)".*/\1/'
}
ask() { curl -sSf -H "authorization: Bearer $ADMIN" "$@"; echo; }
wait_for() { until ask "$URL/v1/orders/$2" | grep -o '"status":"'"$1"'"'; do sleep 0.2; done; }

# By card: the order is confirmed by itself. Its timeline says what happened.
ORDER=$(buy '{"method": "card", "token": "tok_ok"}')
wait_for CONFIRMED "$ORDER"
ask "$URL/v1/orders/$ORDER/timeline" | grep -o '"text":"[^"]*"'

# Cash on delivery: the order waits until an admin confirms it.
ORDER=$(buy '{"method": "cod"}')
wait_for PENDING_CONFIRMATION "$ORDER"
ask -X POST "$URL/v1/admin/orders/$ORDER/confirm"
wait_for CONFIRMED "$ORDER"

# A declined card: the order is cancelled, and the mugs are back on the shelf.
ask "$URL/v1/admin/stock/mug-01"
ORDER=$(buy '{"method": "card", "token": "tok_declined"}')
wait_for CANCELLED "$ORDER"
ask "$URL/v1/admin/stock/mug-01"
