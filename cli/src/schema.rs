//! What a store can do to its own schema, besides serving the rules.

use async_trait::async_trait;
use holdfast_saga::ports::StoreError;

/// The schema of a store.
#[async_trait]
pub(crate) trait Schema: Send + Sync {
    /// Applies the missing migrations, and returns them.
    async fn migrate(&self) -> Result<Vec<(i64, String)>, StoreError>;

    /// Checks that the schema fits this binary.
    async fn check(&self) -> Result<(), StoreError>;

    /// The shop that the database holds, whatever its schema; `None`: none yet.
    async fn shop_id(&self) -> Result<Option<String>, StoreError>;

    async fn close(&self);
}
