//! The checkout: what a buyer sends.

use holdfast_shared::{Address, CartId, Contact, Money, PaymentMethod, is_country};
use serde::{Deserialize, Serialize};

use crate::text::{Note, Text};

/// The request to check a cart out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", schema(as = Checkout, example = json!({
    "cart_id": "0192f0c4-7d7e-7cc3-98c4-dc0c0c07398f",
    "payment": {"method": "card", "token": "tok_ok"},
    "contact": {"email": "ada@example.com"},
    "shipping_address": {
        "name": "Ada Buyer", "line1": "1 High Street", "city": "Springfield", "postal_code": "12345", "country": "US"
    }
})))]
pub struct CheckoutBody {
    /// The cart to check out.
    pub cart_id: CartId,
    /// How the buyer pays.
    pub payment: PaymentChoice,
    /// The buyer's contact details.
    pub contact: ContactBody,
    /// The address to deliver to.
    pub shipping_address: AddressBody,
    /// The total that the buyer saw. If the cart costs something else by now, the checkout is refused with `cart_changed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_total: Option<Money>,
    /// A message from the buyer to the shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Note<1000>>,
}

/// How the buyer pays. A cart that costs nothing is not paid at all, whatever is chosen here: the order's method is `none`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PaymentChoice {
    /// Card, PayPal, or cash on delivery; `none` only for a cart that costs nothing.
    pub method: PaymentMethod,
    /// The payment provider's token for the buyer's card or account. Cash on delivery needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Text<200>>,
}

/// The buyer's contact details.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", schema(as = Contact))]
pub struct ContactBody {
    /// The buyer's e-mail address.
    pub email: Email,
    /// The buyer's telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Text<40>>,
}

/// A postal address for a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", schema(as = Address))]
pub struct AddressBody {
    /// The name of the recipient.
    pub name: Text<200>,
    /// The street and the number.
    pub line1: Text<200>,
    /// A second address line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<Text<200>>,
    /// The name of the city.
    pub city: Text<200>,
    /// The state or province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Text<200>>,
    /// The postal code, or ZIP code.
    pub postal_code: Text<20>,
    /// The country code (ISO 3166-1 alpha-2).
    pub country: Country,
}

/// An e-mail address; only its form is checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", schema(value_type = String, max_length = 254, pattern = r"^[!-?A-~]{1,64}@[!-?A-~]{1,189}$", example = "ada@example.com"))]
pub struct Email(String);

impl TryFrom<String> for Email {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fits = |part: &str, max: usize| {
            (1..=max).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@')
        };
        match text.split_once('@') {
            Some((local, domain)) if fits(local, 64) && fits(domain, 189) => Ok(Self(text)),
            _ => Err("expected an e-mail address, such as ada@example.com"),
        }
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

/// A country code of two letters (ISO 3166-1).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[A-Z]{2}$", example = "US"))]
pub struct Country(String);

impl TryFrom<String> for Country {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_country(&text) {
            Ok(Self(text))
        } else {
            Err(
                "expected a country code of two letters (ISO 3166-1), such as US, or GB for the United Kingdom",
            )
        }
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.0
    }
}

impl From<ContactBody> for Contact {
    fn from(contact: ContactBody) -> Self {
        Self { email: contact.email.into(), phone: contact.phone.map(Into::into) }
    }
}

impl From<AddressBody> for Address {
    fn from(address: AddressBody) -> Self {
        Self {
            name: address.name.into(),
            line1: address.line1.into(),
            line2: address.line2.map(Into::into),
            city: address.city.into(),
            region: address.region.map(Into::into),
            postal_code: address.postal_code.into(),
            country: address.country.into(),
        }
    }
}
