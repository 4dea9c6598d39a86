//! Reading a struct, field by field.

/// Implements `Read` for types by a function that reads them.
#[macro_export]
macro_rules! read_by {
    ($read:path: $($type:ty),* $(,)?) => {$(
        impl $crate::input::Read for $type {
            fn read(
                value: $crate::json::Json,
                at: &$crate::input::At<'_>,
                faults: &mut $crate::input::Faults,
            ) -> Option<Self> {
                $read(value, at, faults)
            }
        }
    )*};
}

/// Implements `Read` for a struct, field by field: `name`, `name = default`, or `name by function`.
#[macro_export]
macro_rules! read_fields {
    ($type:ty { $($field:ident $(by $with:path)? $(= $default:expr)?),* $(,)? }) => {
        impl $crate::input::Read for $type {
            fn read(
                value: $crate::json::Json,
                at: &$crate::input::At<'_>,
                faults: &mut $crate::input::Faults,
            ) -> Option<Self> {
                let mut fields = $crate::input::Fields::of(value, at, faults)?;
                $(let $field = $crate::read_fields!(@take fields, faults, $field $(by $with)? $(= $default)?);)*
                fields.finish(faults);
                Some(Self { $($field: $field?),* })
            }
        }
    };
    (@take $fields:ident, $faults:ident, $field:ident) => {
        $fields.take(stringify!($field), None, $faults)
    };
    (@take $fields:ident, $faults:ident, $field:ident = $default:expr) => {
        $fields.take(stringify!($field), Some($default), $faults)
    };
    (@take $fields:ident, $faults:ident, $field:ident by $with:path) => {
        $fields.take_by(stringify!($field), $with, $crate::input::Read::absent, $faults)
    };
}
