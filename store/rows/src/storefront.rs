//! What the shop holds before there is an order: carts, products, stock, idempotency keys.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::{Cart, KeyClaim, Product, Shop, Stock, Versions};
use holdfast_shared::{CartId, CustomerId, Sku};
use uuid::Uuid;

use crate::columns::{Columns, Reason, Row, parse, unreadable};

/// The one row of `shop`. Where the database is and which numbers it gave, no column says.
pub fn shop<R: Row>(row: &R) -> Result<Shop, StoreError> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<Shop, Reason> {
        Ok(Shop {
            id: columns.parsed("id")?,
            epoch: columns.integer("epoch")?,
            home: columns.optional_text("home")?,
            here: String::new(),
            forked_from: columns.optional_parsed("forked_from")?,
            first_order: columns.order("first_order")?,
            missing_order: columns.optional_order("missing_order")?,
            last_number: 0,
        })
    };
    read().map_err(|reason| unreadable("the shop", reason))
}

/// A row of `carts`.
pub fn cart<R: Row>(row: &R) -> Result<Cart, StoreError> {
    let mut columns = Columns::of(row);
    let id = columns.uuid("id").map_err(|reason| unreadable("a cart", reason))?;
    let mut read = || -> Result<Cart, Reason> {
        Ok(Cart {
            id: CartId(id),
            owner: columns.optional_uuid("owner")?.map(CustomerId),
            status: columns.parsed("status")?,
            order: columns.optional_order("order_id")?,
            items: columns.json("items")?,
            updated_at: columns.time("updated_at")?,
        })
    };
    read().map_err(|reason| unreadable(format_args!("cart {id}"), reason))
}

/// Whether a customer's row says who vouches for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// It does.
    Kept,
    /// It is from before issuers were kept: the first one that knows them is taken for it.
    Unknown,
}

/// A row of `customers`.
pub fn customer<R: Row>(row: &R) -> Result<(CustomerId, Issuer), StoreError> {
    let mut columns = Columns::of(row);
    let id = columns.uuid("id").map_err(|reason| unreadable("a customer", reason))?;
    let issuer = columns.str("issuer");
    let issuer = issuer.map_err(|reason| unreadable(format_args!("customer {id}"), reason))?;
    Ok((CustomerId(id), if issuer.is_empty() { Issuer::Unknown } else { Issuer::Kept }))
}

/// A row of `products`.
pub fn product<R: Row>(row: &R) -> Result<Product, StoreError> {
    let mut columns = Columns::of(row);
    let sku = columns.str("sku").map_err(|reason| unreadable("a product", reason))?;
    let mut read = || -> Result<Product, Reason> {
        Ok(Product {
            sku: parse("sku", sku)?,
            name: columns.text("name")?,
            price: columns.money("price_minor", "currency")?,
            active: columns.boolean("active")?,
        })
    };
    read().map_err(|reason| unreadable(format_args!("product {sku}"), reason))
}

/// A row of `stock`.
pub fn stock<R: Row>(row: &R) -> Result<(Sku, Stock), StoreError> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<(Sku, Stock), Reason> {
        let sku = columns.parsed("sku")?;
        let on_hand = columns.integer("on_hand")?;
        Ok((sku, Stock { on_hand, reserved: columns.integer("reserved")? }))
    };
    read().map_err(|reason| unreadable("a stock level", reason))
}

/// The versions of a stock level and its product.
pub fn versions<R: Row>(row: &R) -> Result<(Sku, Versions), StoreError> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<(Sku, Versions), Reason> {
        let sku = columns.parsed("sku")?;
        let stock = columns.integer("stock_version")?;
        Ok((sku, Versions { stock, product: columns.integer("product_version")? }))
    };
    read().map_err(|reason| unreadable("the versions of a stock level", reason))
}

/// A row of `request_keys`.
pub fn request_key<R: Row>(row: &R) -> Result<(Uuid, Uuid), StoreError> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<(Uuid, Uuid), Reason> {
        let key = columns.uuid("key")?;
        Ok((key, columns.uuid("body")?))
    };
    read().map_err(|reason| unreadable("the key of a request", reason))
}

/// A row of `idempotency_keys`.
pub fn taken_key<R: Row>(row: &R) -> Result<KeyClaim, StoreError> {
    let mut columns = Columns::of(row);
    let key = columns.uuid("key").map_err(|reason| unreadable("an idempotency key", reason))?;
    let mut read = || -> Result<KeyClaim, Reason> {
        let body = columns.uuid("body")?;
        Ok(KeyClaim { key, body, order: columns.order("order_id")? })
    };
    read().map_err(|reason| unreadable(format_args!("idempotency key {key}"), reason))
}
