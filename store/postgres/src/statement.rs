//! The statements of transactions. Each connection prepares all of them when it is opened, so that any of them can be
//! sent ahead of another's answer; and a schema that does not fit shows itself then.

macro_rules! statements {
    ($($name:ident = $file:literal,)*) => {
        #[derive(Debug, Clone, Copy)]
        pub(crate) enum Sql {
            $($name,)*
        }

        impl Sql {
            /// All texts, each at its statement's place.
            pub(crate) const TEXTS: &[&str] = &[$(include_str!(concat!("../queries/", $file, ".sql")),)*];
        }
    };
}

statements! {
    AdjustmentsInsert = "adjustments_insert",
    AdminActionsInsert = "admin_actions_insert",
    CartsDiscard = "carts_discard",
    CartsHold = "carts_hold",
    CartsLock = "carts_lock",
    CartsMove = "carts_move",
    CartsPut = "carts_put",
    ClaimDue = "claim_due",
    KeysClaim = "keys_claim",
    KeysTaken = "keys_taken",
    KeysUnclaim = "keys_unclaim",
    NotificationsMove = "notifications_move",
    Now = "now",
    OrderLinesRead = "order_lines_read",
    OrdersAdvance = "orders_advance",
    OrdersHold = "orders_hold",
    OrdersLock = "orders_lock",
    OrdersPlace = "orders_place",
    PaymentsLock = "payments_lock",
    ProductsPut = "products_put",
    ProductsRead = "products_read",
    QueuesLock = "queues_lock",
    QueuesPause = "queues_pause",
    QueuesPaused = "queues_paused",
    QueuesResume = "queues_resume",
    RefundsInsert = "refunds_insert",
    RefundsMove = "refunds_move",
    RefundsRead = "refunds_read",
    SagasLock = "sagas_lock",
    SagasPoison = "sagas_poison",
    SagasSave = "sagas_save",
    SignalsConsume = "signals_consume",
    SignalsInsert = "signals_insert",
    SignalsUnread = "signals_unread",
    StillClaimable = "still_claimable",
    StockHold = "stock_hold",
    StockLock = "stock_lock",
    StockMove = "stock_move",
    StockOpen = "stock_open",
    StockRead = "stock_read",
}
