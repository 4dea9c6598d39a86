//! The catalogue by hand: what is for sale, and for how much.
//!
//! A product's stock level is its lock: whoever puts a product holds it, so of two who both create
//! one, or both change the version they saw, exactly one does.

use holdfast_shared::{Money, Sku};

use crate::ports::{Store, StoreError, Tx};
use crate::records::batch_rows::{Footprint, World};
use crate::records::{AdminAction, Product, Versions};

/// With more the fullest cart there can be would no longer add up in 63 bits.
pub const PRICE_MAX: i64 = 1_000_000_000_000;
/// Longer names do not fit on a label.
pub const NAME_MAX: usize = 200;

/// What tells one state of a product from another; see [`version`].
pub type Version = String;

/// What the caller believes is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// They do not care.
    Any,
    /// Nothing: they create it.
    Absent,
    /// The product in this version.
    Is(Version),
}

/// What a product is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutProduct {
    /// Its key.
    pub sku: Sku,
    /// For people.
    pub name: String,
    /// Of one.
    pub price: Money,
    /// Whether it may be bought. `None`: as it is; a new one may.
    pub active: Option<bool>,
}

impl From<Product> for PutProduct {
    fn from(product: Product) -> Self {
        let Product { sku, name, price, active } = product;
        Self { sku, name, price, active: Some(active) }
    }
}

/// A product that is in the catalogue now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The product.
    pub product: Product,
    /// Its [`version`].
    pub version: Version,
    /// Whether it was not there before.
    pub created: bool,
}

/// Why a product was not put. The catalogue is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not what the caller believes: somebody else was first.
    #[error(
        "{sku} {}; look again, then repeat what is still right",
        if found.is_some() { "was changed or created by somebody else" } else { "does not exist" }
    )]
    Changed {
        /// The product.
        sku: Sku,
        /// The version that is there, if one is.
        found: Option<Version>,
    },
    /// No name, or a long one.
    #[error("the name of {0}: 1 to {NAME_MAX} characters are expected")]
    Name(Sku),
    /// A price in what is no money.
    #[error("{sku} costs {price}, and {} is no currency that ISO 4217 lists as in use", price.currency)]
    Currency {
        /// The product.
        sku: Sku,
        /// What was asked.
        price: Money,
    },
    /// A price that nobody can pay.
    #[error("{price} for {sku}: a price from 0 to {} is expected", Money::new(PRICE_MAX, price.currency))]
    Price {
        /// The product.
        sku: Sku,
        /// What was asked.
        price: Money,
    },
}

impl Refused {
    /// The stable code of the problem document.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "product_changed",
            Self::Name(_) => "invalid_name",
            Self::Price { .. } => "invalid_price",
            Self::Currency { .. } => "invalid_currency",
        }
    }
}

/// Tells one state of a product from every other one that there was or will be.
pub fn version(versions: Versions) -> Version {
    format!("p{}", versions.product)
}

/// Creates a product, with an empty stock level, or replaces it.
///
/// Holds after `Ok(Ok(_))`: the product and the trace in the audit trail are committed, both of them. A
/// refusal may leave an empty stock level behind, and nothing else.
pub async fn put_product(
    store: &dyn Store,
    product: impl Into<PutProduct> + Send,
    expect: Expect,
    actor: &str,
) -> Result<Result<Put, Refused>, StoreError> {
    let PutProduct { sku, name, price, active } = product.into();
    if let Err(refused) = check(&sku, &name, price) {
        return Ok(Err(refused));
    }
    let (tx, mut world) = locked(store, &sku).await?;
    let before = world.products.get(&sku).cloned();
    let active = active.or(before.as_ref().map(|before| before.active)).unwrap_or(true);
    let product = Product { sku, name, price, active };
    let versions = world.versions.get(&product.sku).copied().unwrap_or_default();
    let found = before.as_ref().map(|_| version(versions));
    let judged = judge(found, &product.sku, &expect).and_then(|()| check_currency(before.as_ref(), &product));
    if let Err(refused) = judged {
        return Ok(Err(refused));
    }
    let mut put = Put { created: before.is_none(), version: version(versions), product };
    if before.as_ref() != Some(&put.product) {
        world.writes.admin_actions.push(AdminAction {
            at: world.now,
            actor: actor.to_owned(),
            action: "product.put".to_owned(),
            subject: format!("sku {}", put.product.sku),
            detail: detail(before.as_ref(), &put.product),
            order: None,
        });
        world.writes.put_products.insert(put.product.sku.clone(), put.product.clone());
        tx.save(&world.writes).await?;
        put.version = version(Versions { product: versions.product + 1, ..versions });
    }
    Ok(Ok(put))
}

/// A transaction that holds the stock level of `sku`, and has read the product.
async fn locked(store: &dyn Store, sku: &Sku) -> Result<(Box<dyn Tx>, World), StoreError> {
    let (tx, world) = begin(store, sku).await?;
    if world.stock.contains_key(sku) {
        return Ok((tx, world));
    }
    // A row that is not there cannot be locked, so it is there first. Nothing ever takes it away again.
    let mut writes = world.writes;
    writes.shelves.insert(sku.clone());
    tx.save(&writes).await?;
    begin(store, sku).await
}

async fn begin(store: &dyn Store, sku: &Sku) -> Result<(Box<dyn Tx>, World), StoreError> {
    let mut tx = store.begin().await?;
    let mut world = World::default();
    tx.load(&Footprint { stock: vec![sku.clone()], ..Footprint::default() }, &mut world).await?;
    // Read once the lock is held: what somebody else put before is seen.
    let seen = Footprint { products: vec![sku.clone()], versions: vec![sku.clone()], ..Footprint::default() };
    tx.load(&seen, &mut world).await?;
    world.writes.at = world.now;
    Ok((tx, world))
}

fn check(sku: &Sku, name: &str, price: Money) -> Result<(), Refused> {
    if name.trim().is_empty() || name.chars().count() > NAME_MAX {
        return Err(Refused::Name(sku.clone()));
    }
    if !(0..=PRICE_MAX).contains(&price.amount_minor) {
        return Err(Refused::Price { sku: sku.clone(), price });
    }
    Ok(())
}

/// What is priced in a currency that went out of use can still be withdrawn.
fn check_currency(before: Option<&Product>, product: &Product) -> Result<(), Refused> {
    let Product { sku, price, .. } = product;
    if price.currency.is_in_use() || before.is_some_and(|before| before.price.currency == price.currency) {
        return Ok(());
    }
    Err(Refused::Currency { sku: sku.clone(), price: *price })
}

fn judge(found: Option<Version>, sku: &Sku, expect: &Expect) -> Result<(), Refused> {
    let is_so = match expect {
        Expect::Any => true,
        Expect::Absent => found.is_none(),
        Expect::Is(expected) => found.as_ref() == Some(expected),
    };
    if is_so { Ok(()) } else { Err(Refused::Changed { sku: sku.clone(), found }) }
}

/// What was put, and what it replaced.
fn detail(before: Option<&Product>, after: &Product) -> String {
    match before {
        None => format!("created: {}", message(after)),
        Some(before) => format!("{}; before: {}", message(after), message(before)),
    }
}

fn message(product: &Product) -> String {
    let state = if product.active { "for sale" } else { "withdrawn" };
    format!("{:?}, {}, {state}", product.name, product.price)
}
