//! Workers under a supervisor that knows nothing of their work: whoever dies is started again.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::fixture::MAX_WAIT;
use crate::server::signal;

/// As soon as that.
const RESTART_AFTER: Duration = Duration::from_millis(100);

pub(crate) struct ProcessSet {
    slots: Vec<Arc<Slot>>,
    supervisors: Mutex<Vec<JoinHandle<()>>>,
    killed: AtomicUsize,
    is_killing_stopped: AtomicBool,
}

/// One worker after another.
struct Slot {
    occupant: Mutex<Occupant>,
    is_frozen: AtomicBool,
}

/// Locked as a whole: whoever sends a signal sends it to the worker that is there, or to nobody.
struct Occupant {
    /// How the next one is started.
    command: Command,
    holder: Option<u32>,
    is_dismissed: bool,
}

impl ProcessSet {
    /// So many workers, each as `command` describes it.
    pub(crate) fn of(count: usize, command: impl Fn() -> Command) -> Self {
        let slots: Vec<Arc<Slot>> = (0..count).map(|_| Arc::new(Slot::new(command()))).collect();
        let supervisors = slots.iter().map(|slot| {
            let slot = Arc::clone(slot);
            std::thread::spawn(move || slot.supervise())
        });
        let supervisors = Mutex::new(supervisors.collect());
        Self { slots, supervisors, killed: AtomicUsize::new(0), is_killing_stopped: AtomicBool::new(false) }
    }

    /// Kills one of them every so often, until they are spared. Who is frozen is left alone.
    pub(crate) async fn kill_now_and_then(self: Arc<Self>, every: Duration, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        loop {
            tokio::time::sleep(every).await;
            if self.is_killing_stopped.load(Ordering::SeqCst) {
                return;
            }
            let victim = rng.random_range(0..self.slots.len());
            if !self.slots[victim].is_frozen.load(Ordering::SeqCst) && self.signal(victim, "KILL") {
                self.killed.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Kills nobody any more; says how many there were.
    pub(crate) fn stop_killing(&self) -> usize {
        self.is_killing_stopped.store(true, Ordering::SeqCst);
        self.killed.load(Ordering::SeqCst)
    }

    /// Freezes one, as soon as somebody holds its slot.
    pub(crate) async fn freeze(&self, nth: usize) {
        self.slots[nth].is_frozen.store(true, Ordering::SeqCst);
        let since = Instant::now();
        while !self.signal(nth, "STOP") {
            assert!(since.elapsed() < MAX_WAIT, "nobody takes slot {nth}");
            tokio::time::sleep(RESTART_AFTER / 4).await;
        }
    }

    pub(crate) fn thaw(&self, nth: usize) {
        self.signal(nth, "CONT");
        self.slots[nth].is_frozen.store(false, Ordering::SeqCst);
    }

    /// Ends one of them, well; whoever follows is started as `command` says.
    pub(crate) fn relieve(&self, nth: usize, command: Command) {
        let mut occupant = self.slots[nth].occupant();
        occupant.command = quiet(command);
        occupant.signal("TERM");
    }

    /// Ends all of them, well.
    pub(crate) fn dismiss(&self) {
        for slot in &self.slots {
            slot.dismiss("TERM");
        }
        let mut supervisors = self.supervisors.lock().unwrap_or_else(PoisonError::into_inner);
        for supervisor in supervisors.drain(..) {
            // It has said what it has to say.
            let _ = supervisor.join();
        }
    }

    fn signal(&self, nth: usize, name: &str) -> bool {
        self.slots[nth].occupant().signal(name)
    }
}

impl Drop for ProcessSet {
    fn drop(&mut self) {
        for slot in &self.slots {
            slot.dismiss("KILL");
        }
    }
}

impl Slot {
    fn new(command: Command) -> Self {
        let occupant = Occupant { command: quiet(command), holder: None, is_dismissed: false };
        Self { occupant: Mutex::new(occupant), is_frozen: AtomicBool::new(false) }
    }

    fn occupant(&self) -> MutexGuard<'_, Occupant> {
        self.occupant.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody follows whoever is there.
    fn dismiss(&self, name: &str) {
        let mut occupant = self.occupant();
        occupant.is_dismissed = true;
        occupant.signal(name);
    }

    fn supervise(&self) {
        loop {
            // In a statement of its own: nobody waits for the occupant as long as its holder lives.
            let taken = self.occupant().take();
            let Some(mut worker) = taken else { return };
            let _ = worker.wait();
            self.occupant().holder = None;
            std::thread::sleep(RESTART_AFTER);
        }
    }
}

impl Occupant {
    fn take(&mut self) -> Option<Child> {
        if self.is_dismissed {
            return None;
        }
        let worker = self.command.spawn().expect("the binary runs");
        self.holder = Some(worker.id());
        Some(worker)
    }

    fn signal(&self, name: &str) -> bool {
        self.holder.is_some_and(|holder| signal(holder, name))
    }
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
