//! Which connections may stay open. When there is no room, the one that has been idle for longest makes place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::proxies::{TrustedProxies, network};

/// How many connections a server keeps open.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// All together.
    pub total: usize,
    /// From one address (of IPv6 a /64), unless it is a trusted proxy; `None`: as many as all together.
    pub per_address: Option<NonZeroUsize>,
    /// The proxies: each stands for many callers.
    pub trusted_proxies: TrustedProxies,
    /// A client that takes nothing of its answer for so long is disconnected.
    pub taken_within: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            total: 16_384,
            per_address: NonZeroUsize::new(1_024),
            trusted_proxies: TrustedProxies::default(),
            taken_within: Duration::from_secs(30),
        }
    }
}

/// The connections that are open.
#[derive(Debug)]
pub(super) struct Connections {
    limits: ConnectionLimits,
    since: Instant,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    by_id: HashMap<u64, Arc<Connection>>,
    by_network: HashMap<IpAddr, usize>,
}

/// What is known of a connection.
#[derive(Debug)]
struct Connection {
    network: IpAddr,
    /// Requests whose answer is not sent whole.
    busy: AtomicU32,
    /// When it was opened or last answered, in milliseconds of this server.
    idle_since: AtomicU64,
    evicted: Notify,
}

/// A connection that may stay open, until this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    id: u64,
    connection: Arc<Connection>,
    connections: Arc<Connections>,
}

/// A request on a connection, until its answer is sent whole or given up.
#[derive(Debug)]
pub(super) struct Request {
    connection: Arc<Connection>,
    connections: Arc<Connections>,
}

/// Why a connection may not stay open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// All connections of this server are at work.
    Server,
    /// All connections of the caller's address are.
    Address,
}

impl Connections {
    pub(super) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { limits, since: Instant::now(), open: Mutex::default() })
    }

    /// Takes a connection in, if need be in the place of the one that has been idle for longest.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Admitted, Full> {
        let network = network(peer);
        let mut open = self.open();
        let of_network = open.by_network.get(&network).copied().unwrap_or_default();
        let most = self.limits.per_address.filter(|_| !self.limits.trusted_proxies.contain(peer));
        if most.is_some_and(|most| of_network >= most.get()) {
            open.evict(|connection| connection.network == network).ok_or(Full::Address)?;
        } else if open.by_id.len() >= self.limits.total {
            open.evict(|_| true).ok_or(Full::Server)?;
        }
        open.last += 1;
        let id = open.last;
        let connection = Arc::new(Connection {
            network,
            busy: AtomicU32::new(0),
            idle_since: AtomicU64::new(self.now()),
            evicted: Notify::new(),
        });
        open.by_id.insert(id, Arc::clone(&connection));
        *open.by_network.entry(network).or_default() += 1;
        drop(open);
        Ok(Admitted { id, connection, connections: Arc::clone(self) })
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open().by_id.len()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // No change of the maps can panic half way.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Closes the connection that has been idle for longest, of those that fit.
    fn evict(&mut self, fits: impl Fn(&Connection) -> bool) -> Option<()> {
        let idle = self.by_id.iter().filter(|(_, connection)| connection.is_idle() && fits(connection));
        let (id, _) =
            idle.min_by_key(|(id, connection)| (connection.idle_since.load(Ordering::Relaxed), **id))?;
        let id = *id;
        self.remove(id)?.evicted.notify_one();
        Some(())
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Connection>> {
        let connection = self.by_id.remove(&id)?;
        if let Some(count) = self.by_network.get_mut(&connection.network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&connection.network);
            }
        }
        Some(connection)
    }
}

impl Connection {
    fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }
}

impl Admitted {
    /// Returns once it must make place for another one.
    pub(super) async fn evicted(&self) {
        self.connection.evicted.notified().await;
    }

    /// A request has arrived.
    pub(super) fn request(&self) -> Request {
        self.connection.busy.fetch_add(1, Ordering::Relaxed);
        Request { connection: Arc::clone(&self.connection), connections: Arc::clone(&self.connections) }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.connections.open().remove(self.id);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.connection.idle_since.store(self.connections.now(), Ordering::Relaxed);
        self.connection.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    fn limits(total: usize, per_address: usize) -> ConnectionLimits {
        let trusted_proxies = "10.0.0.1".parse().expect("an address");
        let per_address = NonZeroUsize::new(per_address);
        ConnectionLimits { total, per_address, trusted_proxies, ..ConnectionLimits::default() }
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    async fn is_evicted(admitted: &Admitted) -> bool {
        timeout(Duration::from_millis(20), admitted.evicted()).await.is_ok()
    }

    #[tokio::test]
    async fn f27_the_longest_idle_connection_makes_place() {
        let connections = Connections::new(limits(3, 3));
        let admitted: Vec<_> = (1..=3)
            .map(|n| connections.admit(peer(&format!("192.0.2.{n}"))).expect("there is room"))
            .collect();
        // The first one works, the second one did a moment ago.
        let _at_work = admitted[0].request();
        tokio::time::sleep(Duration::from_millis(5)).await;
        drop(admitted[1].request());
        let fourth = connections.admit(peer("198.51.100.7")).expect("one makes place");
        let evicted =
            [is_evicted(&admitted[0]).await, is_evicted(&admitted[1]).await, is_evicted(&admitted[2]).await];
        assert_eq!(evicted, [false, false, true]);
        assert_eq!(connections.count(), 3);
        drop(admitted);
        assert_eq!(connections.count(), 1, "the one that was evicted counts once");
        drop(fourth);
        assert!(connections.open().by_network.is_empty());
    }

    #[tokio::test]
    async fn f27_where_all_are_at_work_nobody_is_cut_off() {
        let connections = Connections::new(limits(2, 2));
        let admitted: Vec<_> =
            (0..2).map(|_| connections.admit(peer("192.0.2.1")).expect("there is room")).collect();
        let _at_work: Vec<_> = admitted.iter().map(Admitted::request).collect();
        assert_eq!(connections.admit(peer("192.0.2.1")).err(), Some(Full::Address));
        assert_eq!(connections.admit(peer("192.0.2.2")).err(), Some(Full::Server));
        assert!(!is_evicted(&admitted[0]).await && !is_evicted(&admitted[1]).await);
    }

    #[tokio::test]
    async fn f27_an_address_makes_place_for_itself_and_a_proxy_has_all_the_room() {
        let connections = Connections::new(limits(100, 2));
        let of_others = connections.admit(peer("198.51.100.7")).expect("there is room");
        let network: Vec<_> = ["2001:db8::1", "2001:db8::2", "2001:db8::3"]
            .map(|one| connections.admit(peer(one)).expect("there is room"))
            .into();
        assert!(is_evicted(&network[0]).await && !is_evicted(&of_others).await);
        let proxied: Vec<_> =
            (0..50).map(|_| connections.admit(peer("10.0.0.1")).expect("there is room")).collect();
        assert!(!is_evicted(&proxied[0]).await);
    }
}
