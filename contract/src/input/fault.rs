//! Faults of a request, and where they are.

use std::fmt::Write as _;

use crate::json::Json;
use crate::problem::{Code, FaultBody};

/// The most faults that are listed at once: a body full of them would otherwise get an answer many times its size.
pub(super) const FAULTS_MAX: usize = 50;
/// The longest name of an unknown field that is repeated.
const NAME_MAX: usize = 80;

/// Where a value is.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    step: Step<'a>,
    within: Option<&'a At<'a>>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Body,
    Query,
    Field(&'a str),
    Item(usize),
}

impl<'a> At<'a> {
    /// The whole body.
    pub const BODY: At<'static> = At { step: Step::Body, within: None };
    /// The whole query.
    pub const QUERY: At<'static> = At { step: Step::Query, within: None };

    /// A field of what is here.
    #[must_use]
    pub const fn field(&'a self, name: &'a str) -> Self {
        Self { step: Step::Field(name), within: Some(self) }
    }

    /// An item of the list that is here.
    #[must_use]
    pub const fn item(&'a self, at: usize) -> Self {
        Self { step: Step::Item(at), within: Some(self) }
    }

    /// Whether this is a parameter of the query, so that every value is a text.
    pub fn is_in_query(&self) -> bool {
        match (self.step, self.within) {
            (Step::Query, _) => true,
            (Step::Body, _) => false,
            (Step::Field(_) | Step::Item(_), within) => within.is_some_and(At::is_in_query),
        }
    }

    fn place(&self) -> Place {
        if self.is_in_query() {
            return match self.step {
                Step::Field(name) => Place::Parameter(shortened(name)),
                Step::Body | Step::Query | Step::Item(_) => Place::Parameter(String::new()),
            };
        }
        let mut pointer = String::new();
        self.write(&mut pointer);
        Place::Pointer(pointer)
    }

    /// As a JSON pointer (RFC 6901).
    fn write(&self, pointer: &mut String) {
        if let Some(within) = self.within {
            within.write(pointer);
        }
        match self.step {
            Step::Body | Step::Query => {}
            Step::Field(name) => {
                pointer.push('/');
                pointer.push_str(&shortened(name).replace('~', "~0").replace('/', "~1"));
            }
            Step::Item(at) => {
                let _ = write!(pointer, "/{at}");
            }
        }
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(NAME_MAX).collect()
}

/// The part of a request that a fault is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A JSON pointer into the body.
    Pointer(String),
    /// A parameter of the query.
    Parameter(String),
    /// A header.
    Header(&'static str),
}

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it is.
    pub place: Place,
    /// What kind of fault.
    pub code: Code,
    /// What is expected instead.
    pub detail: String,
}

impl Place {
    /// Its name in a sentence.
    pub fn name(&self) -> &str {
        match self {
            Self::Pointer(pointer) if pointer.is_empty() => "the body",
            Self::Pointer(name) | Self::Parameter(name) => name,
            Self::Header(name) => name,
        }
    }
}

impl Fault {
    /// As it is shown.
    pub fn body(&self) -> FaultBody {
        let (mut pointer, mut parameter, mut header) = (None, None, None);
        match &self.place {
            Place::Pointer(place) => pointer = Some(place.clone()),
            Place::Parameter(name) => parameter = Some(name.clone()),
            Place::Header(name) => header = Some((*name).to_owned()),
        }
        FaultBody {
            pointer,
            parameter,
            header,
            code: self.code.as_str().to_owned(),
            detail: self.detail.clone(),
        }
    }
}

/// The faults of a request, in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// All of them.
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a fault of the header `name`.
    pub fn header<T>(&mut self, name: &'static str, code: Code, detail: impl Into<String>) -> Option<T> {
        self.push(Fault { place: Place::Header(name), code, detail: detail.into() });
        None
    }

    /// Adds one, as long as there is room.
    pub fn push(&mut self, fault: Fault) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(fault);
        }
    }

    /// Adds one at `at`.
    pub fn note(&mut self, at: &At<'_>, code: Code, detail: impl Into<String>) {
        self.push(Fault { place: at.place(), code, detail: detail.into() });
    }

    /// Notes that a field or a parameter stands there twice.
    pub fn duplicate(&mut self, at: &At<'_>) {
        let code = if at.is_in_query() { Code::DuplicateParameter } else { Code::DuplicateField };
        self.note(at, code, "it is there more than once; send it once");
    }

    /// Notes that something of another kind was `expected`.
    pub fn wrong_type<T>(&mut self, at: &At<'_>, expected: &str, found: &Json) -> Option<T> {
        if at.is_in_query() {
            self.note(at, Code::Invalid, format!("expected {expected}"));
        } else {
            self.note(at, Code::WrongType, format!("expected {expected}, found {}", found.kind()));
        }
        None
    }

    /// Notes that the value is not as it should be.
    pub fn invalid<T>(&mut self, at: &At<'_>, detail: impl Into<String>) -> Option<T> {
        self.note(at, Code::Invalid, detail);
        None
    }
}
