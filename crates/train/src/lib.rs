//! From a split to trained, judged and blended experts. Never sees the test split; never prints.
//!
//! Modules in reading order:

pub mod judge;
pub mod search;
mod keeping;
pub mod learn;
pub mod session;
pub mod sequence_fit;
pub mod tasks;
mod encoder_learning;
pub mod encoder_pretrain;
pub mod encoder_fit;
pub mod graph_fit;
pub mod pool;
pub mod blend_fit;
pub mod material;
mod fit_plan;
pub mod domain_fit;
pub mod floor;
pub mod zero_shot;
pub mod confidence;
pub mod pseudo_labels;
mod error;

pub use blend_fit::{Evidence, FittedBlend};
pub use domain_fit::{
    DomainFit, EarlierFit, ExpertCurve, Untuned, fit_domain, fit_domain_from, refit_domain,
};
pub use error::TrainError;
pub use fit_plan::FitPlan;
pub use judge::{Judge, JudgeRule, MaskRule, Objective, SampledNegatives};
pub use keeping::{Keeping, Stage};
pub use material::Material;
pub use search::Trial;
pub use session::{Pass, Progress, Session};
