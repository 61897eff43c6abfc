//! (head doc to come with the first module)

pub mod report;
