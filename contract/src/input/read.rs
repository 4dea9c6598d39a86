//! Reading values that are made of others: fields, items, and what may be left out.

use super::fault::{At, FAULTS_MAX, Faults};
use crate::json::Json;
use crate::problem::Code;

/// A type that callers send.
pub trait Read: Sized {
    /// Whether a blank text stands for a value that a body leaves out: forms send one for each text that nobody filled in.
    /// Only of texts, because a blank amount or a blank filter is more likely a mistake than "all".
    const BLANK_IS_ABSENT: bool = false;

    /// The value at `at`. Every fault of it is noted in `faults`; `None`: it has one that leaves no value.
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self>;

    /// What stands for a field that is absent; `None`: the field is required.
    fn absent() -> Option<Self> {
        None
    }
}

/// Whatever a caller may leave out.
impl<T: Read> Read for Option<T> {
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        match value {
            Json::Null => Some(None),
            Json::Text(text) if T::BLANK_IS_ABSENT && text.trim().is_empty() && !at.is_in_query() => {
                Some(None)
            }
            value => T::read(value, at, faults).map(Some),
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let (count, values): (_, Self) = match value {
            Json::List(values) => {
                let read = |(n, value)| T::read(value, &at.item(n), faults);
                (values.len(), values.into_iter().enumerate().filter_map(read).collect())
            }
            // A parameter has one text: its values stand in it, separated by commas.
            Json::Text(text) if at.is_in_query() => {
                let read = |value: &str| T::read(Json::Text(value.trim().to_owned()), at, faults);
                (text.split(',').count(), text.split(',').filter_map(read).collect())
            }
            value => return faults.wrong_type(at, "a list", &value),
        };
        (values.len() == count).then_some(values)
    }
}

/// The fields of an object while they are read.
#[derive(Debug)]
pub struct Fields<'a> {
    left: Vec<(String, Json)>,
    known: Vec<&'static str>,
    at: &'a At<'a>,
}

impl<'a> Fields<'a> {
    /// The fields of `value`, if it is an object.
    pub fn of(value: Json, at: &'a At<'a>, faults: &mut Faults) -> Option<Self> {
        match value {
            Json::Object(fields) => Some(Self { left: fields, known: Vec::with_capacity(8), at }),
            value => faults.wrong_type(at, "an object", &value),
        }
    }

    /// Reads the field `name`; `default` stands for one that is absent, if there is one.
    pub fn take<T: Read>(
        &mut self,
        name: &'static str,
        default: Option<T>,
        faults: &mut Faults,
    ) -> Option<T> {
        self.take_by(name, T::read, || default.or_else(T::absent), faults)
    }

    /// Reads the field `name` with `read`; `absent` stands for one that is absent.
    pub fn take_by<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Json, &At<'_>, &mut Faults) -> Option<T>,
        absent: impl FnOnce() -> Option<T>,
        faults: &mut Faults,
    ) -> Option<T> {
        self.known.push(name);
        let at = self.at.field(name);
        let (mut found, mut is_doubled) = (None, false);
        // One pass: a body may hold thousands of them.
        self.left.retain_mut(|(field, value)| {
            let is_this = field == name;
            if is_this && found.is_none() {
                found = Some(std::mem::replace(value, Json::Null));
            } else {
                is_doubled |= is_this;
            }
            !is_this
        });
        if is_doubled {
            faults.duplicate(&at);
        }
        let Some(value) = found else {
            let value = absent();
            if value.is_none() {
                faults.note(&at, Code::Missing, "it is required");
            }
            return value;
        };
        read(value, &at, faults)
    }

    /// Notes every field that nobody has taken.
    pub fn finish(self, faults: &mut Faults) {
        let Self { left, known, at } = self;
        let names = known.join(", ");
        for (name, _) in left.iter().take(FAULTS_MAX) {
            let here = at.field(name);
            let (what, code) = if at.is_in_query() {
                ("parameters", Code::UnknownParameter)
            } else {
                ("fields", Code::UnknownField)
            };
            let detail = if known.is_empty() {
                format!("no {what} are known here; leave it out")
            } else {
                format!("it is not known here; the {what} are {names}")
            };
            faults.note(&here, code, detail);
        }
    }
}

/// An object without any field: of a request that takes no body, or no parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nothing {}

impl Read for Nothing {
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        Fields::of(value, at, faults)?.finish(faults);
        Some(Self {})
    }
}
