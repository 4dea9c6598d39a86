//! The page about errors: what holds for all of them, and the catalogue.

use std::fmt::Write as _;

use holdfast_contract::problem::Code;

const HEAD: &str = "\
# Errors

Every refusal is a problem document (RFC 9457, `application/problem+json`). Its `code` is one of this list and means one
thing; `detail` says what happened, to which thing, and what to do next. `GET /v1/problems` serves the list, and the OpenAPI
document names the codes of each operation, with an example. This page is generated:
`HOLDFAST_UPDATE_ERRORS=1 cargo test -p holdfast-api contract`.

```json
{
  \"type\": \"urn:holdfast:problem:invalid_request\",
  \"title\": \"Unprocessable Entity\",
  \"status\": 422,
  \"code\": \"invalid_request\",
  \"detail\": \"the request has 2 faults; the first: Idempotency-Key: the header Idempotency-Key is missing; ...\",
  \"errors\": [
    {\"header\": \"Idempotency-Key\", \"code\": \"idempotency_key_missing\", \"detail\": \"...\"},
    {\"pointer\": \"/contact/email\", \"code\": \"invalid\", \"detail\": \"expected an e-mail address, such as ada@example.com\"}
  ],
  \"request_id\": \"01890a5d-ac96-774b-bcce-b302099a8057\"
}
```

- The caller is checked first: 401, 403 and 404 are answered before any fault of the request is named.
- A 400 or 422 lists all faults in `errors`: each has a `pointer` into the body (RFC 6901), a `parameter` or a `header`, a `code`
  of this list, and a `detail`. Faults of one kind may give the problem its code (`idempotency_key_missing`); otherwise the code
  says which part is wrong (`invalid_body`, `invalid_query`, `invalid_header`), or `invalid_request` if it is more than one.
- Nothing is ignored. Fields, parameters and the headers `Idempotency-Key`, `If-Match` and `If-None-Match` are used by an
  operation, or refused. No fields and no body are the same; a body needs `Content-Type: application/json`.
- In optional fields `\"\"` counts as absent. Texts are kept without blanks around them, composed (NFC), with `\\n` for every line
  break and a blank for a tab.
- What looks like a card number is refused, wherever it is. That is a net for mistakes, not a wall: it knows the prefixes,
  lengths and check digit of cards, and lets what is known to be something else pass.

| code | status | what it means | what to do |
|---|---|---|---|
";

/// The page, as it is kept in `docs/errors.md`.
pub(crate) fn errors_page() -> String {
    let mut page = HEAD.to_owned();
    for code in Code::ALL {
        let (name, status, meaning, action) = (code.as_str(), code.status(), code.meaning(), code.action());
        let _ = writeln!(page, "| `{name}` | {status} | {meaning} | {action} |");
    }
    page
}
