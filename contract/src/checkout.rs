//! The checkout: what a buyer sends.

use holdfast_shared::{Address, CartId, Contact, Money, PaymentMethod, is_country, needs_postal_code};
use serde::Serialize;

use crate::input::{At, Faults, Fields, Read, parsed};
use crate::json::Json;
use crate::problem::Code;
use crate::text::{Note, Text, tidied};

/// The request to check a cart out.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_total: Option<Money>,
    /// A message from the buyer to the shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<Note<1000>>,
}

/// How the buyer pays. A cart that costs nothing is not paid at all, whatever is chosen here: the order's method is `none`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PaymentChoice {
    /// Card, PayPal, or cash on delivery; `none` only for a cart that costs nothing.
    pub method: PaymentMethod,
    /// The payment provider's token for the buyer's card or account. Cash on delivery takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Text<200>>,
}

/// The buyer's contact details.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Contact))]
pub struct ContactBody {
    /// The buyer's e-mail address.
    pub email: Email,
    /// The buyer's telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<Text<40>>,
}

/// A postal address for a delivery.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Address))]
pub struct AddressBody {
    /// The name of the recipient.
    pub name: Text<200>,
    /// The street and the number.
    pub line1: Text<200>,
    /// A second address line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line2: Option<Text<200>>,
    /// The name of the city.
    pub city: Text<200>,
    /// The state or province.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Text<200>>,
    /// The postal code, or ZIP code; required where the country's addresses always have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<Text<20>>,
    /// The country code (ISO 3166-1 alpha-2).
    pub country: Country,
}

/// An e-mail address, also one with letters of other alphabets (RFC 6531); only its form is checked.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(into = "String")]
#[cfg_attr(feature = "openapi", schema(value_type = String, max_length = 254, pattern = r"^[^@\s\u0000-\u001f\u007f-\u009f]{1,64}@[^@\s\u0000-\u001f\u007f-\u009f]{1,189}$", example = "ada@example.com"))]
pub struct Email(String);

impl TryFrom<String> for Email {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = tidied(&text);
        // The mailbox is counted in bytes (RFC 6531), the whole as the protocol bounds a path.
        let fits = |part: &str, max: usize| {
            (1..=max).contains(&part.len()) && !part.chars().any(|c| c.is_whitespace() || c.is_control())
        };
        match text.split_once('@') {
            Some((local, domain)) if fits(local, 64) && fits(domain, 189) && !domain.contains('@') => {
                Ok(Self(text))
            }
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
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(into = "String")]
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

read_by!(parsed: Email, Country);
read_fields!(CheckoutBody { cart_id, payment, contact, shipping_address, expected_total, notes });

impl Read for PaymentChoice {
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(value, at, faults)?;
        let method = fields.take("method", None, faults);
        let token: Option<Option<Text<200>>> = fields.take("token", None, faults);
        fields.finish(faults);
        // A token that nobody would use is a mistake of the caller's: of the method, or of the token.
        if let (Some(PaymentMethod::Cod | PaymentMethod::None), Some(Some(_))) = (method, &token) {
            let detail = "this payment method takes no token; leave it out, or send the method it belongs to";
            return faults.invalid(&at.field("token"), detail);
        }
        Some(Self { method: method?, token: token? })
    }
}

read_fields!(ContactBody { email, phone });

impl Read for AddressBody {
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(value, at, faults)?;
        let name = fields.take("name", None, faults);
        let line1 = fields.take("line1", None, faults);
        let line2 = fields.take("line2", None, faults);
        let city = fields.take("city", None, faults);
        let region = fields.take("region", None, faults);
        let postal_code: Option<Option<Text<20>>> = fields.take("postal_code", None, faults);
        let country: Option<Country> = fields.take("country", None, faults);
        fields.finish(faults);
        if let (Some(None), Some(country)) = (&postal_code, &country)
            && needs_postal_code(&country.0)
        {
            let detail = format!("it is required in {}", country.0);
            faults.note(&at.field("postal_code"), Code::Missing, detail);
            return None;
        }
        Some(Self {
            name: name?,
            line1: line1?,
            line2: line2?,
            city: city?,
            region: region?,
            postal_code: postal_code?,
            country: country?,
        })
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
            postal_code: address.postal_code.map(Into::into).unwrap_or_default(),
            country: address.country.into(),
        }
    }
}
