//! A wire to the database that can be cut at the worst moment: while a commit is under way (E5); and that counts how
//! often its users wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of the next commit that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It reaches the server, its answer is lost.
    After = 1,
    /// It does not even reach the server.
    Before = 2,
}

/// A proxy in front of a Postgres server, for as long as it lives.
#[derive(Debug)]
pub struct Proxy {
    /// Where the database is reached through it.
    pub url: String,
    armed: Arc<AtomicU8>,
    cuts: Arc<AtomicUsize>,
    turns: Arc<AtomicUsize>,
    /// Connections of an earlier age are dead.
    age: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Opens a wire to the database at `url`.
    pub async fn open(url: &str) -> Self {
        let rest = url.split_once("://").expect("is a URL").1;
        let (authority, path) = rest.split_once('/').expect("names a database");
        let (user, server) = authority.rsplit_once('@').expect("names a user");
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("is bound").port();
        let (armed, cuts) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicUsize::new(0)));
        let turns = Arc::new(AtomicUsize::new(0));
        let age = Arc::new(AtomicUsize::new(0));
        let wire = (Arc::clone(&armed), Arc::clone(&cuts), Arc::clone(&turns));
        let now = Arc::clone(&age);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(upstream) = TcpStream::connect(&server).await else { continue };
                let ((armed, cuts, turns), now) = (wire.clone(), Arc::clone(&now));
                tokio::spawn(async move {
                    let born = now.load(Ordering::SeqCst);
                    let is_dead = || now.load(Ordering::SeqCst) != born;
                    let _ = carry(client, upstream, &armed, &cuts, &turns, is_dead).await;
                });
            }
        });
        Self { url: format!("postgres://{user}@127.0.0.1:{port}/{path}"), armed, cuts, turns, age, task }
    }

    /// All that is connected is dead from now on, and nobody hears of it before they use it: as a firewall does it that
    /// has forgotten a quiet connection.
    pub fn forget_connections(&self) {
        self.age.fetch_add(1, Ordering::SeqCst);
    }

    /// Cuts the connection of the next commit.
    pub fn cut_next_commit(&self, cut: Cut) {
        self.armed.store(cut as u8, Ordering::SeqCst);
    }

    /// How many commits were cut so far.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }

    /// How often somebody waited for the server before they went on: round trips, whatever was sent in each.
    pub fn turns(&self) -> usize {
        self.turns.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes bytes both ways until one side ends, or the wire is cut.
async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    armed: &AtomicU8,
    cuts: &AtomicUsize,
    turns: &AtomicUsize,
    is_dead: impl Fn() -> bool,
) -> std::io::Result<()> {
    let mut is_answered = true;
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let bytes = &asked[..read?];
                if bytes.is_empty() || is_dead() {
                    return Ok(());
                }
                if std::mem::replace(&mut is_answered, false) {
                    turns.fetch_add(1, Ordering::SeqCst);
                }
                let is_commit = bytes.windows(7).any(|word| word.eq_ignore_ascii_case(b"commit\0"));
                let cut = if is_commit { armed.swap(0, Ordering::SeqCst) } else { 0 };
                if cut != Cut::Before as u8 {
                    server.write_all(bytes).await?;
                }
                if cut != 0 {
                    cuts.fetch_add(1, Ordering::SeqCst);
                    if cut == Cut::After as u8 {
                        // The server has answered: it is done there, and nobody here will know.
                        let _ = server.read(&mut answered).await?;
                    }
                    return Ok(());
                }
            }
            read = server.read(&mut answered) => {
                let bytes = &answered[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                is_answered = true;
                client.write_all(bytes).await?;
            }
        }
    }
}
