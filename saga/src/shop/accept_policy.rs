//! How a shop takes orders: who takes the money of each payment method, and how long buyers and admins may take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use holdfast_shared::{PaymentMethod, Queue, Time};
use strum::IntoEnumIterator as _;

use crate::ports::Amounts;
use crate::records::request::Operation;
use crate::records::view::WorkerView;

/// What the courier's money is booked under: no provider takes it.
const COURIER: &str = "cod";
/// What stands there for an order that costs nothing.
const NOBODY: &str = "none";

/// What an accepted checkout needs to know about the shop.
#[derive(Debug, Clone)]
pub struct AcceptPolicy {
    /// By payment method: who takes the money. A method paid online that is not here is not offered.
    pub payments: BTreeMap<PaymentMethod, PaymentRoute>,
    /// The providers that no worker can ask for money now.
    pub unusable: UnusableProviders,
    /// How long a buyer may take to pay.
    pub payment_within: Duration,
    /// How long an admin may take to confirm.
    pub confirm_within: Duration,
    /// How far ahead the saga's own wake-up lies when a hint is sent as well, so that the sweep does not race it.
    pub hint_ahead: Duration,
}

/// The providers that no worker can ask for money now. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct UnusableProviders(Arc<RwLock<BTreeSet<String>>>);

impl UnusableProviders {
    /// Learns from what the workers say: a provider is unusable while live workers carry checkouts on, and none of them can
    /// take money there (M18). Without a worker orders wait for one.
    pub fn learn<'a>(&self, providers: impl IntoIterator<Item = &'a str>, workers: &[WorkerView], now: Time) {
        let serves = |worker: &&WorkerView| worker.is_alive(now) && worker.heartbeat.serves(Queue::Checkout);
        let serving: Vec<_> = workers.iter().filter(serves).collect();
        let can_take = |worker: &&WorkerView, provider: &str| {
            let Some(providers) = &worker.heartbeat.providers else { return true };
            providers.get(provider).is_some_and(|allowed| allowed.contains(&Operation::Take))
        };
        let is_unusable =
            |provider: &&str| !serving.is_empty() && !serving.iter().any(|worker| can_take(worker, provider));
        let unusable = providers.into_iter().filter(is_unusable).map(str::to_owned).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = unusable;
    }

    fn contains(&self, provider: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(provider)
    }
}

/// Where the money of a payment method goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRoute {
    /// The name of the provider.
    pub provider: String,
    /// Whether that provider opens a payment before its money is taken. It may do without a token then.
    pub opens: bool,
    /// What that provider can take.
    pub amounts: Amounts,
}

impl PaymentRoute {
    /// To a provider that opens nothing and takes every amount.
    pub fn new(provider: impl Into<String>) -> Self {
        Self { provider: provider.into(), opens: false, amounts: Amounts::ANY }
    }
}

impl Default for AcceptPolicy {
    /// Half an hour to pay, two days to confirm; nothing paid online is offered.
    fn default() -> Self {
        Self {
            payments: BTreeMap::new(),
            unusable: UnusableProviders::default(),
            payment_within: Duration::from_mins(30),
            confirm_within: Duration::from_hours(48),
            hint_ahead: Duration::from_millis(500),
        }
    }
}

impl AcceptPolicy {
    /// The defaults, and all that is paid online goes to one provider, which opens nothing and takes every amount.
    pub fn new(provider: impl Into<String>) -> Self {
        Self::routed(&PaymentRoute::new(provider))
    }

    /// The defaults, and all that is paid online goes this way.
    pub fn routed(route: &PaymentRoute) -> Self {
        let online = PaymentMethod::iter().filter(|method| method.is_online());
        Self { payments: online.map(|method| (method, route.clone())).collect(), ..Self::default() }
    }

    /// Whether no worker can take money for this route now.
    pub(crate) fn is_unusable(&self, route: &PaymentRoute) -> bool {
        self.unusable.contains(&route.provider)
    }

    /// Who takes the money that is paid like this; `None`: the method is not offered.
    pub(crate) fn route(&self, method: PaymentMethod) -> Option<PaymentRoute> {
        match method {
            PaymentMethod::Card | PaymentMethod::Paypal => self.payments.get(&method).cloned(),
            PaymentMethod::Cod => Some(PaymentRoute::new(COURIER)),
            PaymentMethod::None => Some(PaymentRoute::new(NOBODY)),
        }
    }
}
