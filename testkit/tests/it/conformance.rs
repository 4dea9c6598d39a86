//! The suite that all stores share, on each of them.

mod memory {
    holdfast_testkit::conformance!(holdfast_testkit::conformance::Subject::memory);
}

mod sqlite {
    holdfast_testkit::conformance!(holdfast_testkit::conformance::Subject::sqlite, sql);
}

mod postgres {
    holdfast_testkit::conformance!(holdfast_testkit::conformance::Subject::postgres, sql);
}
