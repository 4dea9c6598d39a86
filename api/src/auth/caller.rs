//! The caller of a request, and what its role permits.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use holdfast_contract::problem::Code;
use holdfast_saga::timeline::Audience;
use holdfast_shared::Actor;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use crate::problem::Problem;

/// The role of a token's bearer.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Buys, and sees only their own carts, orders and notifications.
    Customer,
    /// Runs the shop: orders, products, stock.
    Admin,
    /// Runs Holdfast: sees every order, and resumes those that are stuck.
    Operator,
}

/// The caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A caller without a token.
    Guest,
    /// The bearer of a token.
    Known {
        /// The claim `sub` of the token.
        sub: String,
        /// The claim `role` of the token.
        role: Role,
    },
}

impl Caller {
    /// The `sub` of a known caller; their customer record is found by it.
    pub fn sub(&self) -> Option<&str> {
        match self {
            Self::Guest => None,
            Self::Known { sub, .. } => Some(sub),
        }
    }

    /// Whether the caller may see every order.
    pub fn sees_all(&self) -> bool {
        matches!(self, Self::Known { role: Role::Admin | Role::Operator, .. })
    }

    /// How much of an order's timeline the caller may see.
    pub fn audience(&self) -> Audience {
        if self.sees_all() { Audience::Shop } else { Audience::Buyer }
    }

    /// The `sub`, or 401.
    pub fn known(&self) -> Result<&str, Problem> {
        self.sub().ok_or_else(|| {
            let detail = "this request needs a token: Authorization: Bearer <token>";
            Problem::new(Code::AuthenticationRequired, detail)
        })
    }

    /// The caller as an admin, or 401, or 403.
    fn admin(&self) -> Result<Actor, Problem> {
        self.acting(Role::Admin, Actor::Admin)
    }

    /// The caller as an operator, or 401, or 403.
    fn operator(&self) -> Result<Actor, Problem> {
        self.acting(Role::Operator, Actor::Operator)
    }

    fn acting(&self, needed: Role, actor: fn(String) -> Actor) -> Result<Actor, Problem> {
        let name = self.known()?;
        match self {
            Self::Known { role, .. } if *role == needed => Ok(actor(name.to_owned())),
            Self::Known { .. } | Self::Guest => {
                let detail = format!("this request needs the role {needed}");
                Err(Problem::new(Code::Forbidden, detail))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    /// The middleware has authenticated the caller already: see `middleware::authenticate`.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::internal)
    }
}

/// An admin. For others the answer is 401 or 403, before anything else of the request is looked at.
#[derive(Debug)]
pub(crate) struct Admin(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, state).await?.admin().map(Self)
    }
}

/// An operator. For others the answer is 401 or 403, before anything else of the request is looked at.
#[derive(Debug)]
pub(crate) struct Operator(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, state).await?.operator().map(Self)
    }
}
