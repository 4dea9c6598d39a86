//! The statements of this store.
//!
//! A connection for transactions prepares [`Sql::OF_TRANSACTIONS`] when it is opened, so that any of them can be sent
//! ahead of another's answer; and a schema that does not fit shows itself then. All others are prepared on a
//! connection when it needs them first.

macro_rules! statements {
    (
        of transactions { $($name:ident = $file:literal $(+ $rest:literal)?,)* }
        outside { $($other:ident = $other_file:literal $(+ $other_rest:literal)? $(then $next_file:literal)?,)* }
    ) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Sql {
            $($name,)*
            $($other,)*
        }

        impl Sql {
            /// All texts, each at its statement's place.
            pub(crate) const TEXTS: &[&str] = &[
                $(concat!(include_str!(concat!("../", $file, ".sql")), $($rest)?),)*
                $(concat!(
                    include_str!(concat!("../", $other_file, ".sql")),
                    $($other_rest)?
                    $(include_str!(concat!("../", $next_file, ".sql")))?
                ),)*
            ];

            /// What a transaction may need.
            pub(crate) const OF_TRANSACTIONS: &[Self] = &[$(Self::$name,)*];
        }
    };
}

statements! {
    of transactions {
        AdminActionsInsert = "queries/admin_actions_insert",
        CartsDiscard = "queries/carts_discard",
        CartsLock = "queries/carts_lock",
        CartsLockOnly = "queries/carts_lock_only",
        CartsMove = "queries/carts_move",
        CartsPut = "queries/carts_put",
        IdempotencyKeysRead = "queries/idempotency_keys_read",
        NotificationsMove = "queries/notifications_move",
        Now = "queries/now",
        OrderLinesRead = "queries/order_lines_read",
        OrderNumbersDraw = "queries/order_numbers_draw",
        OrdersAdvance = "queries/orders_advance",
        OrdersInsert = "queries/orders_insert",
        OrdersLock = "../queries/orders_columns" + "where id = any($1) order by id for no key update",
        OrdersOpen = "queries/orders_open",
        PaymentsLock = "../queries/payments_columns" + "where order_id = any($1) order by order_id for no key update",
        ProductsOfCarts = "queries/products_of_carts",
        ProductsPut = "queries/products_put",
        ProductsRead = "queries/products_read",
        QueuesLock = "queries/queues_lock",
        QueuesPause = "queries/queues_pause",
        QueuesRead = "../queries/queues_read",
        QueuesResume = "queries/queues_resume",
        RefundsInsert = "queries/refunds_insert",
        RefundsMove = "queries/refunds_move",
        RefundsRead = "queries/refunds_read",
        RequestKeysInsert = "queries/request_keys_insert",
        RequestKeysRead = "queries/request_keys_read",
        SagasClaim = "queries/sagas_claim",
        SagasClaimable = "queries/sagas_claimable",
        SagasLock = "queries/sagas_lock",
        SagasPoison = "queries/sagas_poison",
        SagasSave = "queries/sagas_save",
        SignalsConsume = "queries/signals_consume",
        SignalsInsert = "queries/signals_insert",
        SignalsUnread = "queries/signals_unread",
        StockAdjustmentsInsert = "queries/stock_adjustments_insert",
        StockEnsure = "queries/stock_ensure",
        StockLock = "../queries/stock_columns" + "where sku = any($1) order by sku for no key update",
        StockLockOnly = "queries/stock_lock_only",
        StockMove = "queries/stock_move",
        StockRead = "../queries/stock_columns" + "where sku = any($1)",
        StockVersions = "../queries/stock_versions" + "where stock.sku = any($1)",
    }
    outside {
        AdminActionsOfOrder = "../queries/admin_actions_of_order",
        AdminActionsPage = "../queries/admin_actions_page",
        CartsOfOrdersBetween = "../queries/carts_of_orders_between",
        CartsOpenOfCustomer = "../queries/carts_open_of_customer",
        CartsRead = "queries/carts_read",
        CustomersInsert = "../queries/customers_insert",
        CustomersNameIssuer = "../queries/customers_name_issuer",
        CustomersRead = "../queries/customers_read",
        IdempotencyKeysPrune = "queries/idempotency_keys_prune",
        LooseRows = "../queries/loose_rows",
        NotificationsBetween = "../queries/notifications_between",
        NotificationsMarkRead = "../queries/notifications_mark_read",
        NotificationsPage = "../queries/notifications_page",
        NotificationsPageOfCustomer = "queries/notifications_page_of_customer",
        NotificationsRead = "../queries/notifications_read",
        OrderLinesBetween = "../queries/order_lines_between",
        OrderNumbersLast = "queries/order_numbers_last",
        OrderNumbersSkip = "queries/order_numbers_skip",
        OrdersBetween = "../queries/orders_columns" + "where id between $1 and $2",
        OrdersCountAtWork = "../queries/orders_count_at_work",
        OrdersCountPending = "../queries/orders_count_pending",
        OrdersNumbersFrom = "../queries/orders_numbers_from",
        OrdersPage = "queries/orders_page",
        OrdersPageOfCustomer = "queries/orders_page_of_customer",
        OrdersRead = "../queries/orders_columns" + "where id = any($1)",
        OrdersVersion = "queries/orders_version",
        OrdersWithDeadSaga = "queries/orders_with_dead_saga",
        PaymentsBetween = "../queries/payments_columns" + "where order_id between $1 and $2",
        PaymentsRead = "../queries/payments_columns" + "where order_id = any($1)",
        ProductsPage = "queries/products_page",
        ProductsPageNamed = "queries/products_page_named",
        QueuesDepth = "../queries/queues_depth",
        RefundsBetween = "../queries/refunds_between",
        ReservationsBetween = "../queries/reservations_between",
        ReservationsRead = "queries/reservations_read",
        SagaLogBetween = "../queries/saga_log_between",
        SagaLogLastBetween = "../queries/saga_log_last_between",
        SagaLogRead = "../queries/saga_log_read",
        SagasCount = "../queries/sagas_count",
        SagasCountUnsettled = "../queries/sagas_count_unsettled",
        SagasDeadPage = "../queries/sagas_dead_page",
        SagasOfOrder = "../queries/sagas_of_order",
        SagasPage = "../queries/sagas_page",
        SagasParked = "../queries/sagas_parked",
        SagasPending = "queries/sagas_pending",
        SagasPrune = "queries/sagas_prune",
        SagasRetryingGroups = "../queries/sagas_retrying" then "../queries/sagas_retrying_groups",
        SagasRetryingPage = "../queries/sagas_retrying" then "../queries/sagas_retrying_page",
        SecretsInsert = "../queries/secrets_insert",
        SecretsRead = "../queries/secrets_read",
        ShopAdopt = "../queries/shop_adopt",
        ShopHere = "queries/shop_here",
        ShopPut = "../queries/shop_put",
        ShopRead = "../queries/shop_read",
        SignalsPrune = "queries/signals_prune",
        SignalsUnreadBetween = "../queries/signals_unread_between",
        StockAudit = "queries/stock_audit",
        StockPage = "../queries/stock_page",
        WorkersDeregister = "../queries/workers_deregister",
        WorkersHeartbeat = "queries/workers_heartbeat",
        WorkersRead = "queries/workers_read",
        WriteProbe = "queries/write_probe",
        WritesAllowed = "queries/writes_allowed",
    }
}
