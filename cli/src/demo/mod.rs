//! `holdfast demo`: boots the embedded stack and settles orders. To come.

use crate::args::{DemoArgs, Global};
use crate::exit::Exit;

pub(crate) async fn run(_args: DemoArgs, _global: Global) -> anyhow::Result<Exit> {
    Err(anyhow::anyhow!("not built yet"))
}
