//! Segue as a library: what a Rust program, the server and Python call. It knows no terminal, no arguments and no study.
//! `examples/shop.rs` goes from files to an explained list.
//!
//! Modules in reading order:

pub mod failure;
pub mod observer;
pub mod clock;
pub mod machine;
pub mod config;
pub mod problem;
pub mod origin;
pub mod prepared;
pub mod pipeline;
pub mod measure;
pub mod figures;
pub mod facts;
pub mod tracking;
pub mod run;
pub mod mlflow;
pub mod report_page;
pub mod training_run;
pub mod verdicts;
pub mod encode;
pub mod training_folder;
pub mod adapt;
pub mod pretrain;
pub mod asked_at;
pub mod explained;
pub mod words;
pub mod profile_text;
pub mod example_users;
pub mod batch;
pub mod list_file;

pub use observer::{Observer, Silent};
pub use pipeline::{Fitted, Recipe, fit};
pub use prepared::{LoadedData, PreparedData};
pub use problem::Problem;

/// The crates below, for programs that name this one only.
pub use {
    segue_data as data, segue_eval as eval, segue_models as models, segue_recommend as recommend,
    segue_report as report, segue_train as train,
};
