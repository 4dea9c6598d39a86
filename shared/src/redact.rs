//! No secret gets into message: passwords inside of URLs and payment tokens are starred out, whoever put them there.

use std::ops::Range;
use std::sync::OnceLock;

const STARS: &str = "***";

/// What stands in the place of an e-mail address that was removed, and of a phone number.
const E_MAIL: &str = "(e-mail address)";
const PHONE: &str = "(phone number)";

/// What stands between an address' scheme and the rest of it.
const ADDRESS: &str = "://";

/// How the payment tokens of this program's providers begin.
static TOKENS: OnceLock<Vec<&'static str>> = OnceLock::new();

/// Parameters of a database URL that hold a secret.
const PARAMETERS: [&str; 2] = ["password=", "passfile="];

/// From now on payment tokens that begin like one of `prefixes` are secrets, too. A program says so once, before it shows
/// anything: the prefixes of all its providers.
pub fn redact_tokens(prefixes: impl IntoIterator<Item = &'static str>) {
    TOKENS.get_or_init(|| prefixes.into_iter().collect());
}

fn tokens() -> impl Iterator<Item = &'static str> {
    TOKENS.get().into_iter().flatten().copied()
}

/// `text` without the secrets that can be recognised by their shape.
pub fn redact(text: &str) -> String {
    let shapes = [ADDRESS].into_iter().chain(PARAMETERS).chain(tokens());
    // Most lines of a log hold none.
    if !shapes.into_iter().any(|shape| text.contains(shape)) {
        return text.to_owned();
    }
    let mut text = passwords(text);
    for parameter in PARAMETERS {
        text = values(&text, parameter, |c| !matches!(c, '&' | '\'' | '"' | '`') && !c.is_whitespace());
    }
    for prefix in tokens() {
        text = values(&text, prefix, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    }
    text
}

/// `text` without e-mail addresses and international phone numbers: what others answer is kept, and may name a buyer.
pub fn without_addresses(text: &str) -> String {
    let mut text_out = String::with_capacity(text.len());
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '@' | '.' | '_' | '-' | '+' | '%' | '\'');
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let (before, word) = rest.split_at(start);
        text_out.push_str(before);
        if let Some(length) = phone_number(word) {
            text_out.push_str(PHONE);
            rest = &word[length..];
            continue;
        }
        let end = word.find(|c: char| !is_part(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        let address = word.split_once('@').or_else(|| word.split_once("%40"));
        let is_address =
            address.is_some_and(|(name, host)| !name.is_empty() && host.chars().any(char::is_alphanumeric));
        text_out.push_str(if is_address { E_MAIL } else { word });
        rest = after;
    }
    text_out + rest
}

/// The length of the phone number at the beginning of `text`: `+`, a country's code, and groups of digits.
fn phone_number(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('+')?;
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '(' | ')' | '-' | '/' | '.');
    let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
    let number = rest[..end].trim_end_matches(|c: char| !c.is_ascii_digit());
    (number.chars().filter(char::is_ascii_digit).count() >= 7).then_some(1 + number.len())
}

/// `scheme://user:secret@host` keeps everything but the secret. A secret may contain anything, so what is
/// starred out ends at the last `@` before a blank or a quote.
fn passwords(text: &str) -> String {
    let mut text_out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(ADDRESS) {
        let (before, after) = rest.split_at(at + ADDRESS.len());
        text_out.push_str(before);
        // Where the next address, or the line, begins another thought.
        let end = [after.find(ADDRESS), after.find('\n')].into_iter().flatten().min().unwrap_or(after.len());
        match password(&after[..end]) {
            Some(password) => {
                text_out.extend([&after[..password.start], STARS]);
                rest = &after[password.end..];
            }
            None => rest = after,
        }
    }
    text_out + rest
}

/// Where the password of an address stands, if it has one. It may hold blanks, quotes and signs that nobody escaped, so it
/// goes up to the last `@`: rather too much is starred out than too little.
fn password(address: &str) -> Option<Range<usize>> {
    let is_of_a_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '%' | '+');
    let colon = address.find(|c| !is_of_a_name(c)).filter(|at| address[*at..].starts_with(':'))?;
    let behind = &address[colon + 1..];
    let at = behind.rfind('@')?;
    // A port, and an `@` somewhere behind the address.
    let word =
        behind.find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`')).unwrap_or(behind.len());
    let path = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_port =
        path.len() < behind.len() && path.starts_with(['/', '?', ',']) && !behind[..word].contains('@');
    (!is_port).then_some(colon + 1..colon + 1 + at)
}

/// Stars out what follows `prefix`, wherever it begins a token.
fn values(text: &str, prefix: &str, belongs: fn(char) -> bool) -> String {
    let mut text_out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(prefix) {
        let begins_a_word = !rest[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let (before, after) = rest.split_at(at + prefix.len());
        text_out.push_str(before);
        rest = if begins_a_word { after.trim_start_matches(belongs) } else { after };
        if rest.len() < after.len() {
            text_out.push_str(STARS);
        }
    }
    text_out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_removed_and_the_rest_stays() {
        let cases = [
            ("550 <ada.l+shop@mail.example.com>: user unknown", "550 <(e-mail address)>: user unknown"),
            ("ada@example", "(e-mail address)"),
            ("cannot reach +49-151-2345678.", "cannot reach (phone number)."),
            ("call +49 (30) 123 45-67, please", "call (phone number), please"),
            ("user ada%40example.com is unknown", "user (e-mail address) is unknown"),
            ("the number +4915123456789 is blocked", "the number (phone number) is blocked"),
            ("mailto:o'brien@example.ie?subject=x", "mailto:(e-mail address)?subject=x"),
            ("müller@bücher.example, then", "(e-mail address), then"),
            ("+1 of 2 at 19.99 EUR, order 1042 @ noon", "+1 of 2 at 19.99 EUR, order 1042 @ noon"),
            ("the card was declined", "the card was declined"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(without_addresses(text), expected);
        }
    }

    #[test]
    fn secrets_are_starred_out_and_the_rest_stays() {
        redact_tokens(["tok_", "pm_"]);
        let cases = [
            ("postgres://ann:s3cret@db/shop is down", "postgres://ann:***@db/shop is down"),
            (
                "'postgres://ann:a/b@c:d@db:5432/shop?x=1' is no URL",
                "'postgres://ann:***@db:5432/shop?x=1' is no URL",
            ),
            ("postgres://ann@db/shop", "postgres://ann@db/shop"),
            ("postgres://ann:my secret@db/shop: refused", "postgres://ann:***@db/shop: refused"),
            ("postgres://ann:it's \"1\"@db/shop", "postgres://ann:***@db/shop"),
            ("postgres://ann:p@ss w:rd@db/shop", "postgres://ann:***@db/shop"),
            ("postgres://ann:\u{e4}\u{4e2d} \u{1f600}@[::1]:5432/shop", "postgres://ann:***@[::1]:5432/shop"),
            (
                "http://127.0.0.1:8080/x is away, ask ann@example.com",
                "http://127.0.0.1:8080/x is away, ask ann@example.com",
            ),
            ("redis://ann:12 34@cache\nand ann@example.com", "redis://ann:***@cache\nand ann@example.com"),
            (
                "postgres://db/shop?password=s3cret&sslmode=require",
                "postgres://db/shop?password=***&sslmode=require",
            ),
            ("redis://:s3cret@cache:6379, postgres://a:b@c", "redis://:***@cache:6379, postgres://a:***@c"),
            ("the sandbox refuses refunds for tok_refund_fails", "the sandbox refuses refunds for tok_***"),
            ("declined (pm_1AbC-x), see \"tok_9\"", "declined (pm_***), see \"tok_***\""),
            ("no order_token_here, no stok_1, only tok_", "no order_token_here, no stok_1, only tok_"),
            ("sqlite:///var/lib/shop.db", "sqlite:///var/lib/shop.db"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected);
        }
    }
}
