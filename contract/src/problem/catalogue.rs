//! The catalogue of problems: each code once, with its one meaning.
//!
//! `GET /v1/problems` and `docs/errors.md` are made from this list.

/// Defines the codes: the name in code and on the wire, the status, the meaning, what to do, and a detail as an example.
macro_rules! catalogue {
    ($($code:ident = $text:literal $status:literal $meaning:literal $action:literal $example:literal;)*) => {
        /// The code of a problem, or of a fault of a request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $code,)*
        }

        impl Code {
            /// All codes, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$code),*];

            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text),* }
            }

            /// The HTTP status of the problem.
            pub const fn status(self) -> u16 {
                match self { $(Self::$code => $status),* }
            }

            /// What it means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning),* }
            }

            /// What to do about it.
            pub const fn action(self) -> &'static str {
                match self { $(Self::$code => $action),* }
            }

            /// A detail that such a problem can have.
            pub const fn example(self) -> &'static str {
                match self { $(Self::$code => $example),* }
            }
        }
    };
}

catalogue! {
    // Requests that are wrong as a whole; `errors` lists their faults.
    MalformedJson = "malformed_json" 400
        "The body is not JSON."
        "Send one JSON object, and nothing after it."
        "the body is not JSON: line 1, column 14";
    InvalidBody = "invalid_body" 422
        "The body has faults."
        "Correct what `errors` lists, and send the request again."
        "/quantity: it is required";
    InvalidQuery = "invalid_query" 400
        "The query has faults."
        "Correct the parameters that `errors` lists."
        "limit: expected a whole number from 1 to 100";
    InvalidHeader = "invalid_header" 400
        "Headers of the request have faults."
        "Correct or leave out the headers that `errors` lists."
        "Idempotency-Key: this operation takes no such header; leave it out";
    InvalidRequest = "invalid_request" 422
        "More than one part of the request has faults."
        "Correct what `errors` lists: places in the body, parameters of the query, and headers."
        "the request has 4 faults; the first: Idempotency-Key: it is missing";
    BodyIncomplete = "body_incomplete" 400
        "The connection ended before the body did."
        "Send the request again."
        "the body is incomplete";
    BodyTooLarge = "body_too_large" 413
        "The body is larger than any request here needs."
        "Send at most 64 KiB."
        "the body is larger than 64 KiB";
    UnsupportedMediaType = "unsupported_media_type" 415
        "The body is of another type than JSON."
        "Send it as `Content-Type: application/json`, in UTF-8 and uncompressed."
        "send the body as application/json";
    // Faults: the codes within `errors`.
    Missing = "missing" 422
        "A field that is required is absent."
        "Add it."
        "it is required";
    UnknownField = "unknown_field" 422
        "The body has a field that this operation does not know."
        "Correct its name, or leave it out. Nothing is ignored."
        "it is not known here; the fields are quantity";
    DuplicateField = "duplicate_field" 422
        "A field is in an object more than once."
        "Send it once."
        "it is there more than once; send it once";
    WrongType = "wrong_type" 422
        "A value is of another type, such as a text instead of a number."
        "Send the type that the detail names."
        "expected a whole number, found a text";
    Invalid = "invalid" 422
        "A value is not one of those that are allowed here."
        "Send a value as the detail describes it."
        "expected an e-mail address, such as ada@example.com";
    UnknownParameter = "unknown_parameter" 400
        "The query has a parameter that this operation does not know."
        "Correct its name, or leave it out. Nothing is ignored."
        "it is not known here; the parameters are limit, cursor";
    DuplicateParameter = "duplicate_parameter" 400
        "A parameter is in the query more than once."
        "Send it once."
        "it is there more than once; send it once";
    UnexpectedHeader = "unexpected_header" 400
        "This operation does not take the header, and would not do what the header asks."
        "Leave it out."
        "this operation takes no such header; leave it out";
    InvalidCursor = "invalid_cursor" 400
        "The cursor is not one that this list gave."
        "Send the `next_cursor` of a page of this list, with the same filters, as it came."
        "the cursor is not of this list; send a next_cursor as it came, with the same filters";
    InvalidPrecondition = "invalid_precondition" 400
        "`If-Match` or `If-None-Match` is not of the form that is expected here."
        "Send one ETag in quotes, as the API returned it, or `If-None-Match: *` to create."
        "If-Match must be one ETag in quotes, as the API returned it";
    IdempotencyKeyMissing = "idempotency_key_missing" 400
        "This operation needs the header `Idempotency-Key`."
        "Send a fresh UUID, and the same one when you repeat the request."
        "the header Idempotency-Key is missing; send a fresh UUID, and the same one when you repeat the request";
    IdempotencyKeyMalformed = "idempotency_key_malformed" 400
        "The `Idempotency-Key` is not of the form that is expected."
        "Send one value of 1 to 255 printable ASCII characters without blanks."
        "Idempotency-Key must be one value of 1 to 255 printable ASCII characters without blanks";
    CardNumberRefused = "card_number_refused" 422
        "Something in the request looks like a card number."
        "Send the payment provider's token instead, never the card."
        "it looks like a card number; send the payment provider's token instead, never the card";
    InvalidQuantity = "invalid_quantity" 422
        "A quantity is out of bounds."
        "Send a whole number from 1 to 10000."
        "0 of mug-01: a quantity from 1 to 10000 is expected";
    InvalidAmount = "invalid_amount" 422
        "An amount is not above zero."
        "Send an amount above zero."
        "an amount above 0 is expected";
    InvalidCurrency = "invalid_currency" 422
        "The currency is not one that ISO 4217 lists as in use."
        "Send the code of a currency that is in use."
        "mug-01 costs 5.00 QQQ, and QQQ is no currency that ISO 4217 lists as in use";
    InvalidPrice = "invalid_price" 422
        "A price is out of bounds."
        "Send a price that the detail allows."
        "-1.00 EUR for mug-01: a price from 0 to 10000000000.00 EUR is expected";
    InvalidName = "invalid_name" 422
        "The name of a product is empty or too long."
        "Send 1 to 200 characters."
        "the name of mug-01: 1 to 200 characters are expected";
    // Who asks.
    AuthenticationRequired = "authentication_required" 401
        "The request needs a token."
        "Send `Authorization: Bearer <token>`; a guest sends the token of the order as `X-Order-Token`."
        "this request needs a token: Authorization: Bearer <token>";
    InvalidToken = "invalid_token" 401
        "The bearer token is not valid: expired, of another shop, or malformed."
        "Get a new token."
        "the token has expired; get a new one";
    InvalidOrderToken = "invalid_order_token" 401
        "The order token does not belong to the order."
        "Send the `order_token` from the answer to this order's checkout."
        "the X-Order-Token is not that of this order; send the order_token from the answer to its checkout";
    Forbidden = "forbidden" 403
        "The caller's role does not permit this."
        "Ask somebody with the role that the detail names."
        "this request needs the role admin";
    // What is asked for.
    RouteNotFound = "route_not_found" 404
        "The path does not exist."
        "See `/docs` for those that do."
        "this path does not exist; /docs lists those that do";
    NotFound = "not_found" 404
        "The id in the path is malformed, so nothing has it."
        "Correct the id."
        "the id in the path is malformed, so nothing here has it";
    OrderNotFound = "order_not_found" 404
        "The order does not exist, or the caller may not see it."
        "Check the id, and who asks."
        "order 01890a5d-ac96-774b-bcce-b302099a8057 does not exist, or it is not yours";
    CartNotFound = "cart_not_found" 404
        "The cart does not exist, or it belongs to somebody else."
        "Create a cart, and add items to it."
        "cart 01890a5d-ac96-774b-bcce-b302099a8057 does not exist; create one and add items to it";
    ProductNotFound = "product_not_found" 404
        "The product does not exist."
        "Check the SKU."
        "product mug-01 does not exist";
    StockNotFound = "stock_not_found" 404
        "The SKU has no stock level."
        "Create the product first."
        "mug-01 has no stock level; create the product first";
    SagaNotFound = "saga_not_found" 404
        "The saga does not exist."
        "Check the id; a settled saga is pruned after a while."
        "saga 1042.3 does not exist";
    NotificationNotFound = "notification_not_found" 404
        "The notification does not exist, or it belongs to somebody else."
        "Check the id."
        "notification 1042.1 does not exist, or it is not yours";
    MethodNotAllowed = "method_not_allowed" 405
        "The path does not support the method."
        "Use one that the header `Allow` lists."
        "this path does not support the method; the header Allow lists those it does";
    // Carts and the checkout.
    CartInCheckout = "cart_in_checkout" 409
        "An order that is not settled yet holds the cart."
        "Wait for that order to settle, or use another cart."
        "cart 01890a5d-ac96-774b-bcce-b302099a8057 is in checkout as order 1042; wait for that order to settle, or use another cart";
    CartCleared = "cart_cleared" 409
        "The cart was bought."
        "Create a new cart."
        "cart 01890a5d-ac96-774b-bcce-b302099a8057 was bought as order 1042; create a new cart";
    CartChanged = "cart_changed" 409
        "The price of the cart has changed, or something in it is no longer for sale."
        "Show the buyer the cart as it is now."
        "the cart costs 12.99 EUR now, 10.99 EUR was expected; show the customer the new total";
    CartEmpty = "cart_empty" 422
        "The cart has no items."
        "Add an item before the checkout."
        "cart 01890a5d-ac96-774b-bcce-b302099a8057 is empty; add an item before checking out";
    NotForSale = "not_for_sale" 422
        "The product does not exist or is not for sale."
        "Remove it from the cart."
        "mug-01 is not for sale; remove it from the cart";
    TooManyLines = "too_many_lines" 422
        "The cart has more lines than an order may have."
        "Split it into several orders."
        "cart 01890a5d-ac96-774b-bcce-b302099a8057 has 201 lines, an order may have 200; split it";
    DuplicateLine = "duplicate_line" 422
        "A SKU is in the cart twice."
        "Put the whole quantity into one line."
        "mug-01 stands in the cart twice; put the whole quantity into one line";
    MixedCurrencies = "mixed_currencies" 422
        "The cart mixes currencies, and an order has one."
        "Check them out separately."
        "the cart mixes EUR and USD; an order has one currency, so check them out separately";
    TotalTooLarge = "total_too_large" 422
        "The total is too large to count."
        "Order less at once."
        "the total of cart 01890a5d-ac96-774b-bcce-b302099a8057 is too large to count";
    TokenMissing = "token_missing" 422
        "The payment method needs the provider's token."
        "Send `payment.token`."
        "paying by card needs the provider's token";
    PaymentMethodMissing = "payment_method_missing" 422
        "The cart costs something, and the payment method is `none`."
        "Let the buyer choose how to pay."
        "the cart costs 12.99 EUR; choose how to pay";
    PaymentMethodUnavailable = "payment_method_unavailable" 422
        "The shop does not offer this payment method."
        "Choose another payment method."
        "this shop does not take paypal; choose another payment method";
    PaymentMethodDown = "payment_method_down" 503
        "The payment method cannot be used at the moment."
        "Choose another payment method, or try again later."
        "card cannot be taken at the moment; choose another payment method, or try again later";
    AmountNotPayable = "amount_not_payable" 422
        "The provider of the payment method cannot take this amount."
        "Choose another payment method."
        "this cannot be paid by card: 0.20 EUR is less than the provider takes; choose another payment method";
    IdempotencyKeyReused = "idempotency_key_reused" 422
        "The `Idempotency-Key` was used for another request."
        "Use a new key for a new request."
        "this Idempotency-Key was used for order 1042 with another request; use a new key for a new request";
    IdempotencyInProgress = "idempotency_in_progress" 409
        "A request with this `Idempotency-Key` is still being handled."
        "Send the same request again in a moment."
        "a request with this Idempotency-Key is still being handled; ask again in a moment";
    TooManyPendingOrders = "too_many_pending_orders" 503
        "Too many orders are undecided, so the shop takes no new ones."
        "Send the same request again after `Retry-After`."
        "the shop takes no new orders now; come again in a moment";
    // Decisions about orders.
    OrderConfirmsItself = "order_confirms_itself" 409
        "Only a cash-on-delivery order is confirmed or rejected by an admin."
        "Wait for it; to stop it, cancel it."
        "order 1042 is paid by card; it confirms itself once the money is there";
    OrderNotReady = "order_not_ready" 409
        "The order has not come far enough for this."
        "Do what comes before, or wait."
        "order 1042 is PENDING_CONFIRMATION; it can be sent once it is PROCESSING";
    OrderConfirmed = "order_confirmed" 409
        "The order was confirmed already."
        "Cancel it instead."
        "order 1042 is CONFIRMED already; cancel it instead";
    OrderDecided = "order_decided" 409
        "Somebody else has just made a different decision."
        "Look at the order again."
        "order 1042 was rejected a moment ago";
    OrderInPreparation = "order_in_preparation" 409
        "The order is being prepared, so its buyer cannot cancel it any more."
        "Ask the shop."
        "order 1042 is being prepared; only the shop can cancel it now";
    OrderShipped = "order_shipped" 409
        "The parcel has been shipped."
        "Wait until it comes back."
        "order 1042 is SHIPPED already and cannot be cancelled any more; ask the shop how to send it back";
    OrderBeingCancelled = "order_being_cancelled" 409
        "The order is being cancelled."
        "Nothing; its money and its goods go back."
        "order 1042 is being cancelled already";
    OrderCancelled = "order_cancelled" 409
        "The order was cancelled."
        "Nothing; check it out again for a new order."
        "order 1042 was cancelled at 2026-01-31T09:30:00Z (rejected_by_admin)";
    OrderNeedsAttention = "order_needs_attention" 409
        "A saga of the order is stuck, and an operator has to act first."
        "Ask an operator to look at the order."
        "order 1042 needs attention first";
    OrderInconsistent = "order_inconsistent" 409
        "The rows of the order contradict each other."
        "Ask an operator to run the audit."
        "order 1042 has no saga";
    OrderShopOnly = "order_shop_only" 409
        "Only the shop can do this."
        "Ask the shop."
        "order 1042 can only be sent by the shop";
    // Refunds.
    NothingToRefund = "nothing_to_refund" 409
        "No provider holds money of the order that could go back."
        "Settle it with the customer in person."
        "order 1042 is paid on delivery; no provider holds money that could go back";
    RefundTooLarge = "refund_too_large" 409
        "The amount is more than what is left of the order's payment."
        "Refund at most what the detail says is left."
        "13.00 EUR cannot be given back; 12.99 EUR of order 1042 is left";
    RefundUnderWay = "refund_under_way" 409
        "Another refund of the order is under way."
        "Ask again once it is back."
        "a refund of 3.00 EUR is under way (saga 1042.32); ask again once it is back";
    RefundCurrency = "refund_currency" 422
        "The order was paid in another currency."
        "Send the amount in the currency of the order."
        "order 1042 was paid in EUR, not in USD";
    RefundNotPayable = "refund_not_payable" 422
        "The provider cannot give back this amount."
        "Send an amount that the detail allows."
        "sandbox cannot give that back: 0.20 EUR is less than it takes";
    RefundSettledByHand = "refund_settled_by_hand" 409
        "A refund of the order was settled by hand, so more cannot be sent."
        "Settle more with the customer in person."
        "a refund of order 1042 was settled by hand; settle more with the customer in person";
    RefundsUsedUp = "refunds_used_up" 409
        "The order already has the maximum number of refunds."
        "Settle more with the customer in person."
        "order 1042 was given its last refund; settle more with the customer in person";
    // Catalogue and stock.
    ProductChanged = "product_changed" 412
        "The product is not in the version that the request names."
        "Look again, then repeat what is still right."
        "mug-01 was changed or created by somebody else; look again, then repeat what is still right";
    StockChanged = "stock_changed" 412
        "The stock level is not in the version that the request names."
        "Look again, then repeat what is still right."
        "mug-01 has 60 on hand now; look again, then repeat what is still right";
    StockReserved = "stock_reserved" 409
        "Too few pieces would remain for orders that have reserved them."
        "Take at most what the detail says, or cancel orders first."
        "mug-01 has 5 on hand, 3 of them reserved for orders: -3 would leave too few; take at most 2, or cancel orders first";
    NothingToAdjust = "nothing_to_adjust" 422
        "An adjustment by 0 changes nothing."
        "Say how many pieces came or went."
        "adjusting mug-01 by 0 changes nothing; say how many pieces came or went";
    TooMany = "too_many" 422
        "The stock level would be too large."
        "Check the number."
        "mug-01 has 5 on hand, 1000000000 would make it more than 1000000000; check the number";
    // Operations.
    SagaConflict = "saga_conflict" 409
        "The saga is not in a state in which this can be done."
        "Look at the saga again; the detail says what it waits for."
        "saga 1042.3 is COMPLETED and not dead";
    AuditRunning = "audit_running" 409
        "Another audit is running in this process."
        "Try again after `Retry-After`."
        "another audit is running; try again when it is done";
    // The service.
    RateLimited = "rate_limited" 429
        "The caller sends more requests than are allowed."
        "Wait for `Retry-After`."
        "more than 100 requests a second; retry in 1 s";
    DatabaseUnavailable = "database_unavailable" 503
        "The database does not answer in time."
        "Repeat the request after `Retry-After`, with the same `Idempotency-Key` if it has one."
        "the database does not answer in time; repeat the request, with the same Idempotency-Key if it has one";
    TooManyStreams = "too_many_streams" 429
        "The caller, or the order, has as many event streams open as are allowed."
        "Close one of them; one that was left is noticed within a minute."
        "this order has 16 event streams open; close one of them";
    Overloaded = "overloaded" 503
        "More requests are waiting than can be answered in time."
        "Repeat it after `Retry-After`."
        "more reads are under way than the shop can answer; repeat this in 2 s";
    Timeout = "timeout" 503
        "The request took too long."
        "Repeat it after `Retry-After`, with the same `Idempotency-Key` if it has one."
        "this took too long; repeat the request, with the same Idempotency-Key if it has one";
    Stopping = "stopping" 503
        "This process is stopping and accepts no more checkouts."
        "Repeat the request; another process answers it."
        "this process is stopping";
    NotReady = "not_ready" 503
        "This process cannot work now."
        "See what the detail says is missing."
        "not ready: the database does not answer";
    Internal = "internal" 500
        "An internal error."
        "Look for the `request_id` in the log."
        "an internal error; the log has its cause under this request_id";
    BadRequest = "bad_request" 400
        "The server could not read the request."
        "Correct the request."
        "the request is malformed";
    Refused = "refused" 400
        "The server refused the request before any operation saw it."
        "Correct the request."
        "the request was refused";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn f17_a_code_is_in_the_catalogue_once_and_means_one_thing() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let meanings: BTreeSet<_> = Code::ALL.iter().map(|code| code.meaning()).collect();
        assert_eq!((codes.len(), meanings.len()), (Code::ALL.len(), Code::ALL.len()));
        for code in Code::ALL {
            let text = code.as_str();
            assert!((400..600).contains(&code.status()), "{text}");
            assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{text}");
            for sentence in [code.meaning(), code.action()] {
                assert!(sentence.ends_with('.'), "{text}: {sentence}");
            }
            assert!(!code.example().is_empty() && !code.example().ends_with('.'), "{text}");
        }
    }
}
