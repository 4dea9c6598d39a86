//! Redis as it is met in production: behind a password, over TLS, behind sentinels that choose another server.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use holdfast_testkit::certificates::certify;
use holdfast_testkit::redis::{RedisServer, connect, free_port};

use crate::binary::Ran;
use crate::cluster::{Cluster, in_cluster};
use crate::server::Server;

/// Starts a worker of `cluster` that finds Redis at `url`, and sees a hint reach it.
async fn hears(cluster: &Cluster, url: &str, redis: &str, extra: &[(&str, &str)]) -> Server {
    let mut command = cluster.worker_command();
    let worker = Server::start(command.env("REDIS_URL", url).envs(extra.iter().copied()));
    heard(cluster, &worker, redis).await;
    assert!(!worker.stderr().contains("s3cret"), "{}", worker.stderr());
    worker
}

/// A hint that is put into Redis by hand is taken.
async fn heard(cluster: &Cluster, worker: &Server, redis: &str) {
    let before = taken(cluster, worker).await;
    let stream = format!("holdfast:{}:{{checkout}}:hints", cluster.shop().await);
    cluster
        .until("the worker takes a hint", async || {
            // A server that is promoted breaks with those who knew it before.
            let add = redis::cmd("XADD").arg(&[stream.as_str(), "*", "saga", "1.0"]).to_owned();
            let _ = add.query_async::<String>(&mut connect(redis).await).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            taken(cluster, worker).await > before
        })
        .await;
}

async fn taken(cluster: &Cluster, worker: &Server) -> u64 {
    let metrics = cluster.client.get(format!("{}/metrics", worker.url)).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    let name = "holdfast_jobs_total{outcome=\"taken\",queue=\"checkout\"}";
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or(" 0");
    line.trim().parse().expect("a number")
}

#[test]
fn behind_a_password_in_a_database_of_its_own() {
    in_cluster("0s", async |cluster| {
        let server = RedisServer::start_with(&["--requirepass", "s3cret"]).await;
        let url = server.url().replace("redis://", "redis://:s3cret@") + "/5";
        let _worker = hears(&cluster, &url, &url, &[]).await;
        let mut elsewhere = connect(&server.url().replace("redis://", "redis://:s3cret@")).await;
        let keys: u64 = redis::cmd("DBSIZE").query_async(&mut elsewhere).await.expect("counts");
        assert_eq!(keys, 0, "nothing is in another database");
    });
}

#[test]
fn over_tls() {
    in_cluster("0s", async |cluster| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = |name: &str| folder.path().join(name).display().to_string();
        certify(folder.path());
        let port = free_port();
        let (key, certificate, authority) = (file("server.key"), file("server.pem"), file("ca.pem"));
        let tls_port = port.to_string();
        let options = [
            "--tls-port",
            &tls_port,
            "--tls-key-file",
            &key,
            "--tls-cert-file",
            &certificate,
            "--tls-ca-cert-file",
            &authority,
            "--tls-auth-clients",
            "no",
        ];
        let server = RedisServer::start_with(&options).await;
        let url = format!("rediss://localhost:{port}");
        let _worker = hears(&cluster, &url, &server.url(), &[("SSL_CERT_FILE", &authority)]).await;
        // A server that nobody vouches for is not talked to.
        let mut stranger = cluster.worker_command();
        let ran = stranger.env("REDIS_URL", &url).env("SSL_CERT_FILE", file("other.pem")).output();
        Ran::of(ran.expect("the binary runs")).ends(1, "does not answer");
    });
}

#[test]
fn behind_sentinels_that_choose_another_server() {
    in_cluster("0s", async |cluster| {
        let mut first = RedisServer::start_with(&["--requirepass", "s3cret", "--masterauth", "s3cret"]).await;
        let address = first.url().trim_start_matches("redis://").replace(':', " ");
        let replica = ["--requirepass", "s3cret", "--masterauth", "s3cret", "--replicaof", &address];
        let second = RedisServer::start_with(&replica).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sentinel = Sentinel::start(folder.path(), &address);
        let authorised = |server: &RedisServer| server.url().replace("redis://", "redis://:s3cret@");
        let url = format!("redis+sentinel://:s3cret@127.0.0.1:{}/shop", sentinel.port);

        cluster.until("the sentinel knows both", async || sentinel.knows_a_replica()).await;
        let worker = hears(&cluster, &url, &authorised(&first), &[("RUST_LOG", "info")]).await;
        first.kill();
        heard(&cluster, &worker, &authorised(&second)).await;
        assert_eq!(
            worker.stderr().matches("checkout}:hints in Redis").count(),
            3,
            "read, lost, read: {}",
            worker.stderr()
        );
        cluster.orders(5, "tok_ok").await;
        cluster.rest().await;
        cluster.assert_clean();
    });
}

/// A worker of `cluster` at `url`, and what it says when it ends by itself.
fn refused(cluster: &Cluster, url: &str) -> Ran {
    Ran::of(cluster.worker_command().env("REDIS_URL", url).output().expect("the binary runs"))
}

#[test]
fn f37_a_server_that_cannot_carry_hints_is_refused_by_name() {
    in_cluster("0s", async |cluster| {
        let node = RedisServer::start_with(&["--cluster-enabled", "yes"]).await;
        let primary = cluster.redis.url().trim_start_matches("redis://").replace(':', " ");
        let replica = RedisServer::start_with(&["--replicaof", &primary]).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sentinel = Sentinel::start(folder.path(), &primary);
        cluster.until("the sentinel knows the replica", async || sentinel.knows_a_replica()).await;
        for (url, name) in [
            (node.url(), "a node of a Redis Cluster"),
            (replica.url(), "it is a replica"),
            (format!("redis://127.0.0.1:{}", sentinel.port), "it is a sentinel"),
        ] {
            refused(&cluster, &url).ends(1, name);
            let mut api = crate::server::api(&cluster.database.url);
            let api = api.env("HOLDFAST_JWT_SECRET", crate::server::SECRET).env("REDIS_URL", &url).output();
            Ran::of(api.expect("the binary runs")).ends(1, name);
        }
    });
}

/// Every command that Holdfast sends, as docs/deployment.md names them, and not even PING.
const COMMANDS: &str = "+xadd +xgroup +xreadgroup +xautoclaim +xinfo +xack +xdel +get +set +hset +hdel +hgetall +pexpire +time +eval +evalsha +script";

#[test]
fn f37_a_user_with_the_commands_that_we_name_is_enough() {
    in_cluster("0s", async |cluster| {
        let url = cluster.redis.url();
        let mut shell = cluster.redis.connect().await;
        let user = format!("shop on >s3cret ~* resetchannels -@all {COMMANDS}");
        acl(&mut shell, &user).await;
        let url = url.replace("redis://", "redis://shop:s3cret@");
        let worker = hears(&cluster, &url, &cluster.redis.url(), &[("RUST_LOG", "warn")]).await;
        cluster.orders(5, "tok_ok").await;
        cluster.rest().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(include_str!("../../../docs/deployment.md").contains(COMMANDS));
        assert!(!worker.stderr().contains("NOPERM"), "{}", worker.stderr());
        let denied: Vec<HashMap<String, redis::Value>> =
            redis::cmd("ACL").arg("LOG").query_async(&mut shell).await.expect("answers");
        let denied: Vec<String> = denied
            .into_iter()
            .filter_map(|mut denial| redis::from_redis_value(denial.remove("object")?).ok())
            // With which the driver introduces itself, and does without.
            .filter(|command: &String| !command.starts_with("client"))
            .collect();
        assert_eq!(denied, Vec::<String>::new());
        cluster.assert_clean();
    });
}

#[test]
fn f37_a_redis_that_refuses_is_heard_once_and_named_by_readyz() {
    in_cluster("0s", async |cluster| {
        let mut shell = cluster.redis.connect().await;
        for (breaks, reason) in [("-xreadgroup", "NOPERM"), ("-xgroup", "NOPERM"), ("-xautoclaim", "NOPERM")]
        {
            acl(&mut shell, &format!("shop on >s3cret ~* -@all {COMMANDS}")).await;
            let url = cluster.redis.url().replace("redis://", "redis://shop:s3cret@");
            let mut command = cluster.worker_command();
            command.env("REDIS_URL", url).env("RUST_LOG", "warn").args(["--queue", "checkout=4"]);
            acl(&mut shell, &format!("shop {breaks}")).await;
            let worker = Server::start(&mut command);
            let ready = || async {
                let answer = cluster.client.get(format!("{}/readyz", worker.url)).send().await;
                let answer = answer.expect("an answer");
                (answer.status().as_u16(), answer.text().await.expect("text"))
            };
            cluster
                .until("it says why it is not ready", async || {
                    let (status, text) = ready().await;
                    status == 503 && text.contains("queue checkout in Redis refuses") && text.contains(reason)
                })
                .await;
            // Tried again and again, and said once.
            tokio::time::sleep(Duration::from_secs(3)).await;
            let said = worker.stderr();
            assert_eq!(said.matches("cannot be read").count(), 1, "{breaks}: {said}");
            assert!(said.contains(reason), "{said}");
            // What else needs Redis is heard, too.
            acl(&mut shell, "shop -get -evalsha").await;
            cluster
                .until("it says what is not shared", async || {
                    let said = worker.stderr();
                    said.contains("a database that lost its newest orders is not noticed")
                        && said.contains("each process decides about provider:sandbox by itself")
                })
                .await;
            acl(&mut shell, "shop +xreadgroup +xgroup +xautoclaim +get +evalsha").await;
            cluster.until("it is ready again", async || ready().await.0 == 200).await;
        }
    });
}

async fn acl(shell: &mut redis::aio::MultiplexedConnection, user: &str) {
    let mut set = redis::cmd("ACL");
    set.arg("SETUSER").arg(user.split(' ').collect::<Vec<_>>());
    set.query_async::<()>(shell).await.expect("sets the user");
}

/// A sentinel that chooses alone.
struct Sentinel {
    port: u16,
    process: std::process::Child,
}

impl Sentinel {
    fn start(folder: &Path, watched: &str) -> Self {
        let port = free_port();
        let config = folder.join("sentinel.conf");
        let message = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor shop {watched} 1\n\
             sentinel auth-pass shop s3cret\nsentinel down-after-milliseconds shop 500\n\
             sentinel failover-timeout shop 3000\n",
            folder.display()
        );
        std::fs::write(&config, message).expect("is written");
        let mut command = Command::new("redis-server");
        command.arg(&config).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
        Self { port, process: command.spawn().expect("redis-server is installed") }
    }

    /// Until then it has nobody to choose.
    fn knows_a_replica(&self) -> bool {
        let mut ask = Command::new("redis-cli");
        let shown = ask.args(["-p", &self.port.to_string(), "sentinel", "replicas", "shop"]).output();
        let shown = String::from_utf8(shown.expect("redis-cli is installed").stdout).unwrap_or_default();
        shown.contains("master-link-status\nok")
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
