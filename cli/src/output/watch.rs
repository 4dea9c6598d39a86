//! `--watch`: a list that is shown anew while somebody looks.

use std::time::Duration;

use super::terminal::{cleared, print};
use crate::exit::Exit;
use crate::shutdown::Shutdown;

const REFRESH_EVERY: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub(crate) struct Watch {
    /// Show it again every two seconds, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

impl Watch {
    /// Shows it once, or until a signal comes.
    pub(crate) async fn repeat(&self, show: impl AsyncFn() -> anyhow::Result<Exit>) -> anyhow::Result<Exit> {
        if !self.watch {
            return show().await;
        }
        let mut shutdown = Shutdown::listen()?;
        loop {
            print(cleared())?;
            show().await?;
            tokio::select! {
                () = tokio::time::sleep(REFRESH_EVERY) => {}
                () = shutdown.signalled() => return Ok(Exit::Ok),
            }
        }
    }
}
