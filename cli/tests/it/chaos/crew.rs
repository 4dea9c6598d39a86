//! Workers under a supervisor that knows nothing of their work: whoever dies is started again.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// As soon as that.
const RESTART_AFTER: Duration = Duration::from_millis(100);

pub(super) struct Crew {
    posts: Vec<Arc<Post>>,
    supervisors: Mutex<Vec<JoinHandle<()>>>,
    killed: AtomicUsize,
    are_spared: AtomicBool,
}

/// One worker after another.
struct Post {
    /// How the next one is started.
    command: Mutex<Command>,
    /// The process that holds it; 0: nobody.
    holder: AtomicU32,
    is_dismissed: AtomicBool,
    is_frozen: AtomicBool,
}

impl Crew {
    /// So many workers, each as `command` describes it.
    pub(super) fn of(count: usize, command: impl Fn() -> Command) -> Self {
        let posts: Vec<Arc<Post>> = (0..count).map(|_| Arc::new(Post::new(command()))).collect();
        let supervisors = posts.iter().map(|post| {
            let post = Arc::clone(post);
            std::thread::spawn(move || post.supervise())
        });
        let supervisors = Mutex::new(supervisors.collect());
        Self { posts, supervisors, killed: AtomicUsize::new(0), are_spared: AtomicBool::new(false) }
    }

    /// Kills one of them every so often, until they are spared. Who is frozen is left alone.
    pub(super) async fn kill_now_and_then(self: Arc<Self>, every: Duration, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        loop {
            tokio::time::sleep(every).await;
            if self.are_spared.load(Ordering::SeqCst) {
                return;
            }
            let victim = rng.random_range(0..self.posts.len());
            if !self.posts[victim].is_frozen.load(Ordering::SeqCst) && self.signal(victim, "KILL") {
                self.killed.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Kills nobody any more; says how many there were.
    pub(super) fn spare_all(&self) -> usize {
        self.are_spared.store(true, Ordering::SeqCst);
        self.killed.load(Ordering::SeqCst)
    }

    pub(super) fn freeze(&self, nth: usize) {
        self.posts[nth].is_frozen.store(true, Ordering::SeqCst);
        self.signal(nth, "STOP");
    }

    pub(super) fn thaw(&self, nth: usize) {
        self.signal(nth, "CONT");
        self.posts[nth].is_frozen.store(false, Ordering::SeqCst);
    }

    /// Ends one of them, well; whoever follows is started as `command` says.
    pub(super) fn relieve(&self, nth: usize, command: Command) {
        *self.posts[nth].command.lock().unwrap_or_else(PoisonError::into_inner) = quiet(command);
        self.signal(nth, "TERM");
    }

    /// Ends all of them, well.
    pub(super) fn dismiss(&self) {
        for (nth, post) in self.posts.iter().enumerate() {
            post.is_dismissed.store(true, Ordering::SeqCst);
            self.signal(nth, "TERM");
        }
        let mut supervisors = self.supervisors.lock().unwrap_or_else(PoisonError::into_inner);
        for supervisor in supervisors.drain(..) {
            // It has said what it has to say.
            let _ = supervisor.join();
        }
    }

    fn signal(&self, nth: usize, signal: &str) -> bool {
        let holder = self.posts[nth].holder.load(Ordering::SeqCst);
        let kill = || {
            Command::new("kill")
                .args([&format!("-{signal}"), &holder.to_string()])
                .stderr(Stdio::null())
                .status()
        };
        holder != 0 && kill().is_ok_and(|status| status.success())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for (nth, post) in self.posts.iter().enumerate() {
            post.is_dismissed.store(true, Ordering::SeqCst);
            self.signal(nth, "KILL");
        }
    }
}

impl Post {
    fn new(command: Command) -> Self {
        Self {
            command: Mutex::new(quiet(command)),
            holder: AtomicU32::new(0),
            is_dismissed: AtomicBool::new(false),
            is_frozen: AtomicBool::new(false),
        }
    }

    fn supervise(&self) {
        while !self.is_dismissed.load(Ordering::SeqCst) {
            let spawned = self.command.lock().unwrap_or_else(PoisonError::into_inner).spawn();
            let mut worker = spawned.expect("the binary runs");
            self.holder.store(worker.id(), Ordering::SeqCst);
            let _ = worker.wait();
            self.holder.store(0, Ordering::SeqCst);
            std::thread::sleep(RESTART_AFTER);
        }
    }
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
